import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrep.functional import sliced_wasserstein2
from tests import references
from tests.strategies import clouds, weights


def sample(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seeded(x, y, *, projections=16, **keywords):
    generator = torch.Generator().manual_seed(3)
    return sliced_wasserstein2(x, y, projections=projections, generator=generator, **keywords)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_on_a_line_it_is_the_integral_of_the_squared_quantile_gap(data):
    x, y = (data.draw(clouds(columns=(1, 1))) for _ in range(2))
    a, b = (data.draw(weights(len(s)).filter(lambda w: w.sum() > 0)) for s in (x, y))
    value = seeded(x, y, a=a, b=b)
    exact = references.wasserstein2_1d(*(t.double().numpy().ravel() for t in (x, y, a, b)))
    scale = 1 + x.abs().max().item() + y.abs().max().item()
    assert value.item() == pytest.approx(exact, abs=1e-12 * scale**2)


def test_it_agrees_with_pot_along_the_same_directions():
    x, y = sample(30, 4, 0), sample(20, 4, 1) + 0.5
    b = torch.linspace(1, 2, 20, dtype=torch.float64)
    draws = torch.randn(16, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    directions = (draws / draws.norm(dim=1, keepdim=True)).numpy().T
    exact = ot.sliced_wasserstein_distance(
        x.numpy(), y.numpy(), b=(b / b.sum()).numpy(), projections=directions
    )
    assert seeded(x, y, b=b).item() == pytest.approx(exact**2, rel=1e-10)


def test_equal_sizes_by_sorting_are_equal_sizes_by_quantiles():
    x, y = sample(25, 3, 0), sample(25, 3, 1)
    torch.testing.assert_close(seeded(x, y), seeded(x, y, a=torch.ones(25)), rtol=1e-12, atol=0)


def test_a_translation_costs_its_squared_length_over_the_dimension():
    """E <shift, theta>^2 = |shift|^2 / d on the sphere; a mean of L terms of variance <= 2/d^2."""
    x = sample(40, 8, 0)
    shift = torch.full((8,), 0.5, dtype=torch.float64)
    value = seeded(x, x + shift, projections=4000).item()
    exact = 2.0 / 8
    assert abs(value - exact) < 4 * exact * np.sqrt(2 / 4000)


def test_the_gradient_passes_gradcheck():
    x, y = sample(5, 2, 0).requires_grad_(), sample(4, 2, 1).requires_grad_()
    assert torch.autograd.gradcheck(seeded, (x, y))
    assert torch.autograd.gradcheck(seeded, (x, sample(5, 2, 2).requires_grad_()))


def test_a_seed_repeats_the_value_and_a_new_draw_changes_it():
    x, y = sample(10, 3, 0), sample(10, 3, 1)
    assert seeded(x, y) == seeded(x, y)
    assert sliced_wasserstein2(x, y) != sliced_wasserstein2(x, y)


@settings(max_examples=30, deadline=None)
@given(clouds(), clouds())
def test_it_is_symmetric_nonnegative_and_zero_between_equal_samples(x, y):
    columns = min(x.shape[1], y.shape[1])
    x, y = x[:, :columns], y[:, :columns]
    value = seeded(x, y)
    slack = 1e-13 * (1 + x.abs().max() + y.abs().max()) ** 2
    assert value >= 0
    assert abs(seeded(y, x) - value) <= slack
    assert seeded(x, x.flip(0)) <= slack


@pytest.mark.parametrize("projections", [0, -1, 2.5])
def test_projections_must_be_counted(projections):
    with pytest.raises(ValueError, match="projections must be an integer"):
        sliced_wasserstein2(sample(4, 2, 0), sample(4, 2, 1), projections=projections)
