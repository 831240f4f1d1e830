import math

import numpy as np
import pytest
import torch

from fairrep.functional import distance_covariance2, hsic
from tests import references

every_estimator = pytest.mark.parametrize("estimator", ["unbiased", "biased"])
MEASURES = {
    "hsic": lambda z, s, **keywords: hsic(z, s, bandwidth_z=1.5, bandwidth_s=0.8, **keywords),
    "hsic-median": hsic,
    "distance": distance_covariance2,
}
every_measure = pytest.mark.parametrize("name", MEASURES)


def sample(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def grams(name, z, s):
    """Kernel matrices by the definition, less the kernel at distance 0."""

    def gram(points, kernel):
        return np.array([[kernel(u, v) for v in points] for u in points])

    if name == "distance":
        return gram(z, references.energy), gram(s, references.energy)
    if name == "hsic":
        width_z, width_s = 1.5, 0.8
    else:
        width_z, width_s = references.median_distance(z), references.median_distance(s)
    return (
        gram(z, lambda u, v: references.gaussian(u, v, width_z) - 1),
        gram(s, lambda u, v: references.gaussian(u, v, width_s) - 1),
    )


@every_measure
@every_estimator
def test_it_is_the_weighted_mean_over_tuples_of_rows(name, estimator):
    z, s = sample(6, 2, 0), sample(6, 1, 1)
    w = torch.tensor([1.0, 2, 0.5, 1, 3, 1], dtype=torch.float64)
    value = MEASURES[name](z, s, estimator=estimator, weights=w)
    k, ell = grams(name, z.numpy(), s.numpy())
    exact = references.dependence(k, ell, w.numpy(), unbiased=estimator == "unbiased")
    assert value.item() == pytest.approx(exact, rel=1e-9, abs=1e-13)


@every_measure
@every_estimator
def test_absent_rows_change_nothing_even_when_they_are_nan(name, estimator):
    z, s = sample(9, 2, 0), sample(9, 1, 1)[:, 0]
    w = torch.tensor([1.0, 0, 1, 1, 1, 0, 1, 1, 0])
    subset = MEASURES[name](z[w > 0], s[w > 0], estimator=estimator)
    z[w == 0], s[w == 0] = torch.nan, torch.inf
    z.requires_grad_()
    value = MEASURES[name](z, s, estimator=estimator, weights=w)
    torch.testing.assert_close(value, subset, rtol=1e-10, atol=1e-14)
    (grad,) = torch.autograd.grad(value, z)
    assert torch.isfinite(grad).all()
    assert (grad[w == 0] == 0).all()


@every_measure
@every_estimator
def test_the_gradient_passes_gradcheck(name, estimator):
    if name == "hsic-median":
        pytest.skip("the median is a constant for the gradient")
    z, s = sample(5, 2, 0).requires_grad_(), sample(5, 1, 1).requires_grad_()
    w = torch.tensor([1.0, 1, 2, 1, 1])
    assert torch.autograd.gradcheck(
        lambda z, s: MEASURES[name](z, s, estimator=estimator, weights=w), (z, s)
    )


@every_measure
def test_it_refuses_to_be_differentiated_twice(name):
    z = sample(5, 2, 0).requires_grad_()
    (grad,) = torch.autograd.grad(MEASURES[name](z, sample(5, 1, 1)), z, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()


@every_measure
@every_estimator
def test_blocks_of_the_kernel_matrices_add_up_to_the_whole(name, estimator, monkeypatch):
    def value_and_gradient():
        z = sample(30, 2, 0).requires_grad_()
        value = MEASURES[name](z, sample(30, 1, 1), estimator=estimator)
        return value.detach(), *torch.autograd.grad(value, z)

    whole = value_and_gradient()
    monkeypatch.setattr("fairrep.functional.kernel_sums.BLOCK_ENTRIES", 7 * 30)
    for one, other in zip(value_and_gradient(), whole, strict=True):
        torch.testing.assert_close(one, other)


@every_measure
def test_unbiased_averages_to_zero_under_independence_and_is_positive_under_dependence(name):
    z, noise = sample(300 * 20, 2, 0).reshape(300, 20, 2), sample(300 * 20, 1, 1)
    noise = noise.reshape(300, 20)
    free = MEASURES[name](z, noise)
    assert abs(free.mean()) < 4 * free.std() / math.sqrt(300)
    assert free.min() < 0
    tied = MEASURES[name](z, z[..., 0] ** 2)  # uncorrelated, yet dependent
    assert tied.mean() > 4 * tied.std() / math.sqrt(300)


@every_measure
def test_biased_is_nonnegative_symmetric_and_zero_for_a_constant(name):
    z, s = sample(15, 2, 0), sample(15, 2, 1)
    value = MEASURES[name](z, s, estimator="biased")
    assert value > 0
    if name != "hsic":
        torch.testing.assert_close(MEASURES[name](s, z, estimator="biased"), value)
    assert abs(MEASURES[name](z, torch.ones(15), estimator="biased")) < 1e-15


def test_distance_covariance_of_two_coins_is_a_quarter_of_their_covariance():
    """On {0, 1} the distance is |u - v|: dCov^2 = 4 (P(1,1) - P(1)P(1))^2."""
    z = torch.tensor([0.0, 0, 0, 1, 1, 1, 1, 1], dtype=torch.float64)
    s = torch.tensor([0.0, 0, 1, 1, 1, 1, 0, 1], dtype=torch.float64)
    covariance = (z * s).mean() - z.mean() * s.mean()
    value = distance_covariance2(z[:, None], s, estimator="biased")
    assert value.item() == pytest.approx(4 * covariance.item() ** 2, rel=1e-12)


def test_distance_covariance_is_linear_in_the_scale_of_each():
    z, s = sample(12, 3, 0), sample(12, 1, 1)
    one = distance_covariance2(z, s)
    torch.testing.assert_close(distance_covariance2(5 * z + 1, -2 * s), 10 * one)


@every_measure
def test_a_batch_and_vmap_are_loops(name):
    z, s = sample(24, 2, 0).reshape(3, 8, 2), sample(24, 1, 1).reshape(3, 8)
    loop = torch.stack([MEASURES[name](u, v) for u, v in zip(z, s, strict=True)])
    torch.testing.assert_close(MEASURES[name](z, s), loop)
    torch.testing.assert_close(torch.func.vmap(MEASURES[name])(z, s), loop)
    inner = torch.func.vmap(torch.func.grad(MEASURES[name]))(z, s)
    outer = torch.func.grad(lambda z: MEASURES[name](z, s).sum())(z)
    torch.testing.assert_close(inner, outer)


@every_measure
@every_estimator
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 30])
def test_any_size_and_scale_gives_a_finite_value_and_gradient(name, estimator, dtype, scale, n):
    z = (scale * sample(n, 2, 0, dtype)).requires_grad_()
    value = MEASURES[name](z, scale * sample(n, 1, 1, dtype)[:, 0], estimator=estimator)
    (grad,) = torch.autograd.grad(value, z)
    assert torch.isfinite(value)
    assert torch.isfinite(grad).all()
    if n < (4 if estimator == "unbiased" else 1):
        assert value == 0


@every_measure
@every_estimator
def test_duplicated_and_constant_rows_give_a_finite_gradient(name, estimator):
    for z in (torch.ones(8, 2), sample(2, 2, 0).repeat(4, 1)):
        z = z.double().requires_grad_()
        value = MEASURES[name](z, sample(8, 1, 1), estimator=estimator)
        assert torch.isfinite(torch.autograd.grad(value, z)[0]).all()


@every_measure
def test_a_nan_row_makes_the_value_nan(name):
    z, s = sample(6, 2, 0), sample(6, 1, 1)
    s[2] = torch.nan
    assert MEASURES[name](z, s).isnan()


def test_mistakes_raise_with_the_requirement():
    z, s = sample(6, 2, 0), sample(6, 1, 1)
    with pytest.raises(ValueError, match="one row for each row of z"):
        hsic(z, s[:5])
    with pytest.raises(ValueError, match="bandwidth must be a positive"):
        hsic(z, s, bandwidth_z=-1.0)
    with pytest.raises(ValueError, match="estimator must be one of"):
        distance_covariance2(z, s, estimator="exact")
