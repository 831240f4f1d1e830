"""Every divergence on every input that a training run can produce."""

import functools
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrep import functional as F
from tests.strategies import weights, wild_pairs

TWO_SAMPLE = {
    "mean": F.mean_difference2,
    "mmd": functools.partial(F.mmd2, bandwidth=1.5),
    "mmd-biased": functools.partial(F.mmd2, bandwidth=1.5, estimator="biased"),
    "mmd-median": F.mmd2,
    "mixture": functools.partial(F.mmd2, kernel="gaussian_mixture", bandwidth=(0.5, 2.0)),
    "mixture-median": functools.partial(F.mmd2, kernel="gaussian_mixture"),
    "imq": functools.partial(F.mmd2, kernel="imq", bandwidth=1.5),
    "sum": functools.partial(
        F.mixture,
        parts={"mean": F.mean_difference2, "energy": F.energy_distance},
        shares={"mean": 2.0, "energy": 0.5},
    ),
    "energy": F.energy_distance,
    "energy-unbiased": functools.partial(F.energy_distance, estimator="unbiased"),
    "sinkhorn": functools.partial(F.sinkhorn_divergence, blur=0.5),
    "sinkhorn-p1": functools.partial(F.sinkhorn_divergence, blur=0.5, p=1),
    "sliced": lambda x, y, **weights: F.sliced_wasserstein2(
        x, y, projections=8, generator=torch.Generator().manual_seed(0), **weights
    ),
    "rff": lambda x, y, **weights: F.mmd2_rff(
        x, y, features=32, bandwidth=1.5, generator=torch.Generator().manual_seed(0), **weights
    ),
}
EXACT_ZERO_ON_EQUALS = set(TWO_SAMPLE) - {
    "mmd",
    "mmd-median",
    "mixture",
    "mixture-median",
    "imq",
    "energy-unbiased",
}

every_divergence = pytest.mark.parametrize("name", sorted(TWO_SAMPLE))


def cloud(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def value_and_gradients(name, x, y, **weights):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    value = TWO_SAMPLE[name](x, y, **weights)
    return value.detach(), *torch.autograd.grad(value.sum(), (x, y))


def assert_finite(*tensors):
    for tensor in tensors:
        assert torch.isfinite(tensor).all()


@every_divergence
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_weight_means_absent_even_when_the_row_is_nan(name, dtype):
    x, y = cloud(7, 3, dtype=dtype), cloud(6, 3, seed=1, dtype=dtype) + 0.5
    a, b = torch.tensor([2.0, 1, 0, 3, 1, 0, 1]), torch.tensor([1.0, 1, 1, 0, 0, 2])
    kept = value_and_gradients(name, x[a > 0], y[b > 0], a=a[a > 0], b=b[b > 0])
    x[a == 0], y[b == 0] = torch.nan, torch.inf
    value, grad_x, grad_y = value_and_gradients(name, x, y, a=a, b=b)
    rtol = 2e-3 if name.startswith("sinkhorn") else 1e-4 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(value, kept[0], rtol=rtol, atol=1e-6)
    torch.testing.assert_close(grad_x[a > 0], kept[1], rtol=rtol, atol=1e-3)
    torch.testing.assert_close(grad_y[b > 0], kept[2], rtol=rtol, atol=1e-3)
    assert (grad_x[a == 0] == 0).all()
    assert (grad_y[b == 0] == 0).all()


@every_divergence
def test_equal_weights_are_no_weights_whatever_their_scale(name):
    x, y = cloud(7, 3, dtype=torch.float64), cloud(6, 3, seed=1, dtype=torch.float64) + 0.5
    plain = value_and_gradients(name, x, y)
    weighted = value_and_gradients(name, x, y, a=torch.full((7,), 3.0), b=torch.full((6,), 0.2))
    for ours, theirs in zip(weighted, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@every_divergence
@pytest.mark.parametrize("side", ["x", "y", "both"])
def test_an_empty_side_gives_exactly_zero_with_zero_gradient(name, side):
    x, y = cloud(5, 3), cloud(4, 3, seed=1)
    given_weights = {
        key: torch.zeros(n) for key, n, s in (("a", 5, "x"), ("b", 4, "y")) if side in (s, "both")
    }
    for result in value_and_gradients(name, x, y, **given_weights):
        assert (result == 0).all()
    x, y = x[: 0 if side != "y" else 5], y[: 0 if side != "x" else 4]
    for result in value_and_gradients(name, x, y):
        assert (result == 0).all()


@every_divergence
def test_identical_clouds_have_zero_gradient_and_zero_biased_value(name):
    x = cloud(20, 4)
    value, grad_x, grad_y = value_and_gradients(name, x, x)
    assert_finite(value, grad_x, grad_y)
    if name in EXACT_ZERO_ON_EQUALS:
        # Sinkhorn: a plan within tol = 3e-3 of its marginals moves no mass further than 6
        slack = 3e-3 if name.startswith("sinkhorn") else 2e-6
        assert abs(value) < slack
        assert max(grad_x.norm(dim=-1).sum(), grad_y.norm(dim=-1).sum()) < 6 * slack


@every_divergence
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-15, 1e-6, 1.0, 1e6, 1e15])
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (1, 5, 3), (2, 2, 2048), (1000, 1, 2)])
def test_any_size_and_scale_gives_finite_values_and_gradients(name, dtype, scale, n, m, d):
    x, y = scale * cloud(n, d, dtype=dtype), scale * cloud(m, d, seed=1, dtype=dtype)
    assert_finite(*value_and_gradients(name, x, y))


@every_divergence
def test_constant_and_duplicated_points_give_finite_values_and_gradients(name):
    constant = torch.full((6, 3), 0.3)
    repeated = cloud(2, 3).repeat(4, 1)
    for x, y in (
        (constant, constant),
        (constant, constant + 1),
        (repeated, repeated),
        (repeated, constant),
        (repeated[:1], constant),
    ):
        assert_finite(*value_and_gradients(name, x, y))


@every_divergence
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_present_row_that_is_not_finite_makes_the_value_nan(name, bad):
    x, y = cloud(6, 3), cloud(5, 3, seed=1)
    x[2, 1] = bad
    assert not torch.isfinite(TWO_SAMPLE[name](x, y))


@every_divergence
def test_the_value_is_the_same_where_no_gradient_is_wanted(name):
    x, y = cloud(90, 3), 0.5 + cloud(70, 3, seed=1)
    with torch.no_grad():
        value = TWO_SAMPLE[name](x.requires_grad_(), y)
    torch.testing.assert_close(value, value_and_gradients(name, x.detach(), y)[0])


@every_divergence
def test_a_batch_is_a_loop_over_its_problems(name):
    x, y = cloud(2, 3, 8, 4, dtype=torch.float64), cloud(2, 3, 6, 4, seed=1, dtype=torch.float64)
    a = torch.rand(2, 3, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    batch = value_and_gradients(name, x, y, a=a)
    assert batch[0].shape == (2, 3)
    for i in range(2):
        for j in range(3):
            single = value_and_gradients(name, x[i, j], y[i, j], a=a[i, j])
            tolerance = 5e-3 if name.startswith("sinkhorn") else 1e-9
            for ours, theirs in zip(batch, single, strict=True):
                torch.testing.assert_close(ours[i, j], theirs, rtol=tolerance, atol=tolerance)


@every_divergence
def test_vmap_is_a_loop_and_grad_commutes_with_it(name):
    x, y = cloud(3, 8, 4, dtype=torch.float64), cloud(3, 6, 4, seed=1, dtype=torch.float64)
    loop = [value_and_gradients(name, u, v) for u, v in zip(x, y, strict=True)]
    values, grads = (torch.stack(parts) for parts in list(zip(*loop, strict=True))[:2])
    vmap = functools.partial(torch.func.vmap, randomness="same")
    mapped = vmap(TWO_SAMPLE[name])(x, y)
    inner = vmap(torch.func.grad(TWO_SAMPLE[name]))(x, y)
    outer = torch.func.grad(lambda x: vmap(TWO_SAMPLE[name])(x, y).sum())(x)
    tolerance = 5e-3 if name.startswith("sinkhorn") else 1e-9
    for ours, theirs in ((mapped, values), (inner, grads), (outer, grads)):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@every_divergence
@settings(max_examples=30, deadline=None)
@given(pair=wild_pairs(), data=st.data())
def test_no_drawn_case_gives_anything_but_finite_numbers(name, pair, data):
    check_drawn_case(name, pair, data)


@pytest.mark.slow
@every_divergence
@settings(max_examples=400, deadline=None)
@given(pair=wild_pairs(), data=st.data())
def test_thousands_of_drawn_cases_give_finite_numbers(name, pair, data):
    check_drawn_case(name, pair, data)


def check_drawn_case(name, pair, data):
    """Any sizes, scales, duplicates, constants and weights."""
    x, y = pair
    a, b = (data.draw(weights(len(side)) | st.none()) for side in pair)
    early = {"max_iter": 60} if name.startswith("sinkhorn") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Sinkhorn stops early, and says so
        assert_finite(*value_and_gradients(name, x, y, a=a, b=b, **early))


@pytest.mark.parametrize("name", ["sinkhorn", "sinkhorn-p1"])
def test_an_absent_row_far_from_all_others_leaves_the_potentials_finite(name):
    x = torch.tensor([[1.541e9], [-2.9343e8]])
    y = torch.tensor([[15409.9609], [-2934.2891], [-21787.8945]])
    b = torch.tensor([0.0, 0.5, 0.5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value, *gradients = value_and_gradients(name, x, y, b=b)
        kept, *_ = value_and_gradients(name, x, y[1:])
    assert_finite(value, *gradients)
    torch.testing.assert_close(value, kept)


@pytest.mark.parametrize("name", ["sinkhorn", "sinkhorn-p1"])
@pytest.mark.parametrize("blur", [1e-12, 1e-3, 1e3, 1e12])
def test_blurs_far_from_the_spacing_of_the_points_give_finite_numbers(name, blur):
    x, y = cloud(9, 3).requires_grad_(), (cloud(7, 3, seed=1) + 1).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = TWO_SAMPLE[name](x, y, blur=blur)
    assert_finite(value, *torch.autograd.grad(value, (x, y)))


@pytest.mark.slow
@every_divergence
def test_it_compiles_into_one_graph_that_gives_the_same_value_and_gradient(name):
    x, y = cloud(8, 3), cloud(6, 3, seed=1) + 0.5
    if name in ("sliced", "rff"):
        pytest.skip("a generator inside the compiled call")
    expected = value_and_gradients(name, x, y)
    torch._dynamo.reset()  # each case is a first compilation, whatever ran before
    compiled = torch.compile(TWO_SAMPLE[name], fullgraph=True, backend="aot_eager")
    x, y = x.requires_grad_(), y.requires_grad_()
    value = compiled(x, y)
    tolerance = 5e-3 if name.startswith("sinkhorn") else 1e-5
    torch.testing.assert_close(value, expected[0], rtol=tolerance, atol=tolerance)
    for ours, theirs in zip(torch.autograd.grad(value, (x, y)), expected[1:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
