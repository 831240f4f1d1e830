import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairrep.functional import cell_total_variation, cell_usage, total_variation

laws = (
    st.lists(st.integers(0, 9), min_size=4, max_size=4)
    .filter(any)
    .map(lambda counts: torch.tensor(counts, dtype=torch.float64) / sum(counts))
)


@given(laws, laws)
def test_it_is_the_largest_difference_that_an_event_can_show(p, q):
    events = [[bool(code >> k & 1) for k in range(4)] for code in range(16)]
    largest = max(float((p[event] - q[event]).sum()) for event in map(torch.tensor, events))
    assert total_variation(p, q).item() == pytest.approx(largest, abs=1e-15)
    assert total_variation(q, p) == total_variation(p, q)
    assert total_variation(p, p) == 0


def test_the_gradient_passes_gradcheck_and_is_zero_between_equal_laws():
    p = torch.tensor([[0.2, 0.8], [0.5, 0.5]], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([[0.6, 0.4], [0.1, 0.9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total_variation, (p, q))
    (grad,) = torch.autograd.grad(total_variation(p, p.detach()).sum(), p)
    assert (grad == 0).all()


def test_batches_and_vmap_agree():
    p, q = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)).softmax(-1)
    torch.testing.assert_close(torch.func.vmap(total_variation)(p, q), total_variation(p, q))


def test_a_nan_probability_makes_the_value_nan():
    assert total_variation(torch.tensor([torch.nan, 1.0]), torch.tensor([0.5, 0.5])).isnan()


def test_laws_on_different_cells_raise():
    with pytest.raises(ValueError, match="same cells"):
        total_variation(torch.ones(3) / 3, torch.ones(2) / 2)


def test_cells_of_rows_are_counted_with_their_weights():
    """Three rows of cell 0 and one of cell 1 against one of each; then the weights undo it."""
    x, y = torch.eye(2)[[0, 0, 0, 1]], torch.eye(2)
    assert cell_total_variation(x, y).item() == pytest.approx(0.25)
    assert cell_total_variation(x, y, a=torch.tensor([1.0, 1, 1, 3])).item() == pytest.approx(0)
    weights = torch.tensor([0.0, 0, 1, 1])
    assert cell_total_variation(x, y, a=weights, b=torch.tensor([1.0, 0])).item() == 0.5


def test_cell_usage_is_what_the_cell_says_about_the_row():
    certain, none = torch.eye(4, dtype=torch.float64), torch.full((7, 4), 0.25)
    assert cell_usage(certain).item() == pytest.approx(math.log(4))
    assert cell_usage(none).item() == pytest.approx(0, abs=1e-7)
    assert cell_usage(certain[[0, 0, 1, 1]]).item() == pytest.approx(math.log(2))
    q = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    joint, mean = q / 2, q.mean(0)
    expected = (joint * (joint / (mean * 0.5)).log()).sum()
    assert cell_usage(q).item() == pytest.approx(expected.item())
    assert torch.autograd.gradcheck(cell_usage, q)


def test_an_empty_cell_has_a_finite_gradient():
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(cell_usage(q), q)
    assert bool(gradient.isfinite().all())
