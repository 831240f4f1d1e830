import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairrep.functional import energy_distance, mean_difference2, mmd2, mmd2_rff
from fairrep.functional.kernel_sums import cross_sum, self_sum
from fairrep.functional.kernels import median_distance, radial_kernel
from fairrep.functional.line_sums import line_sums
from tests import references
from tests.strategies import clouds, rotation, weights

KERNELS = {
    "gaussian": ({"bandwidth": 1.3}, lambda u, v: references.gaussian(u, v, 1.3)),
    "gaussian_mixture": (
        {"bandwidth": (0.5, 2.0)},
        lambda u, v: references.gaussian_mixture(u, v, (0.5, 2.0)),
    ),
    "imq": ({"bandwidth": 0.7}, lambda u, v: references.imq(u, v, 0.7)),
    "energy": ({}, references.energy),
}
every_kernel = pytest.mark.parametrize("kernel", KERNELS)
every_estimator = pytest.mark.parametrize("estimator", ["unbiased", "biased"])


def sample(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@every_kernel
@every_estimator
def test_mmd2_is_the_weighted_mean_over_pairs(kernel, estimator):
    settings_, reference = KERNELS[kernel]
    x, y = sample(6, 3, 0), sample(5, 3, 1) + 0.4
    a, b = torch.tensor([1.0, 2, 0.5, 1, 3, 1]), torch.tensor([0.2, 1, 1, 0.5, 2])
    value = mmd2(x, y, kernel=kernel, estimator=estimator, a=a, b=b, **settings_)
    arrays = (tensor.double().numpy() for tensor in (x, y, a, b))
    exact = references.mmd2(reference, *arrays, unbiased=estimator == "unbiased")
    assert value.item() == pytest.approx(exact, rel=1e-12, abs=1e-14)


@every_kernel
def test_blocks_of_the_kernel_matrix_add_up_to_the_whole(kernel, monkeypatch):
    settings_, _ = KERNELS[kernel]
    x, y = sample(150, 3, 0).requires_grad_(), sample(90, 3, 1).requires_grad_()
    whole = mmd2(x, y, kernel=kernel, **settings_)
    monkeypatch.setattr("fairrep.functional.kernel_sums.BLOCK_ENTRIES", 1000)
    blocks = mmd2(x, y, kernel=kernel, **settings_)
    torch.testing.assert_close(blocks, whole, rtol=1e-12, atol=1e-14)
    for ours, theirs in zip(
        torch.autograd.grad(blocks, (x, y)), torch.autograd.grad(whole, (x, y)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-14)


@every_kernel
@every_estimator
def test_the_gradient_of_mmd2_passes_gradcheck(kernel, estimator):
    settings_, _ = KERNELS[kernel]
    x, y = sample(5, 2, 0).requires_grad_(), sample(4, 2, 1).requires_grad_()
    a = torch.tensor([1.0, 2, 0, 1, 1])
    assert torch.autograd.gradcheck(
        lambda x, y: mmd2(x, y, kernel=kernel, estimator=estimator, a=a, **settings_), (x, y)
    )


def test_mmd2_refuses_to_be_differentiated_twice():
    x = sample(5, 2, 0).requires_grad_()
    value = mmd2(x, sample(5, 2, 1), bandwidth=1.0)
    (grad,) = torch.autograd.grad(value, x, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()


@pytest.mark.parametrize(("shift", "bandwidth"), [(0.0, 1.0), (1.0, 1.0), (2.0, 0.5)])
def test_unbiased_mmd2_has_the_mean_of_two_gaussians(shift, bandwidth):
    """P = N(0, 1), Q = N(shift, 1): both kernel expectations are Gaussian integrals."""
    x, y = sample(400, 50, 0).reshape(2, 200, 50, 1)
    draws = mmd2(x, y + shift, bandwidth=bandwidth)
    var = bandwidth**2 + 2
    exact = 2 * bandwidth / math.sqrt(var) * (1 - math.exp(-(shift**2) / (2 * var)))
    assert abs(draws.mean() - exact) < 4 * draws.std() / math.sqrt(len(draws))
    if shift == 0:
        assert draws.min() < 0  # unbiased at 0: some draws must lie below


def test_mmd2_between_two_points_is_twice_one_minus_the_kernel():
    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    for kernel, k in (("gaussian", math.exp(-12.5)), ("imq", 26**-0.5), ("energy", None)):
        value = mmd2(x, y, kernel=kernel, bandwidth=1.0, estimator="biased").item()
        assert value == pytest.approx(10.0 if kernel == "energy" else 2 - 2 * k, rel=1e-12)


def test_a_wide_gaussian_sees_the_means_only_and_keeps_single_precision():
    """mmd2 * sigma^2 tends to |mean x - mean y|^2, the relative error being O(r^2 / sigma^2)."""
    x, y = sample(40, 5, 0, torch.float32), sample(30, 5, 1, torch.float32) + 1
    value = mmd2(x, y, bandwidth=1e6, estimator="biased") * 1e12
    torch.testing.assert_close(value, mean_difference2(x, y), rtol=1e-4, atol=0)


def test_the_mean_difference_of_shifted_copies_is_the_squared_shift():
    x = sample(9, 3, 0)
    shift = torch.tensor([1.0, -2, 2], dtype=torch.float64)
    assert mean_difference2(x, x + shift).item() == pytest.approx(9.0, rel=1e-12)
    x.requires_grad_()
    torch.autograd.gradcheck(mean_difference2, (x, sample(4, 3, 1).requires_grad_()))


@settings(max_examples=40, deadline=None)
@given(clouds(), clouds(), st.sampled_from(sorted(KERNELS)))
def test_biased_mmd2_is_a_symmetric_nonnegative_invariant_of_two_clouds(x, y, kernel):
    columns = min(x.shape[1], y.shape[1])
    x, y = x[:, :columns], y[:, :columns]
    keywords = {"kernel": kernel, "estimator": "biased", **KERNELS[kernel][0]}
    value = mmd2(x, y, **keywords)
    scale = 1 + x.abs().max() + y.abs().max()
    slack = 1e-7 * scale if kernel == "energy" else 1e-13 * scale**2
    assert value > -slack
    assert abs(mmd2(y, x, **keywords) - value) <= slack
    assert abs(mmd2(x, x.flip(0), **keywords)) <= slack
    turn = rotation(columns)
    assert abs(mmd2(x @ turn + 2, y @ turn + 2, **keywords) - value) <= 10 * slack


def test_scaling_the_clouds_and_the_bandwidth_changes_nothing():
    x, y = sample(20, 3, 0), sample(25, 3, 1)
    for kernel in ("gaussian", "imq", "gaussian_mixture"):
        one = mmd2(x, y, kernel=kernel, bandwidth=1.5)
        torch.testing.assert_close(mmd2(4 * x, 4 * y, kernel=kernel, bandwidth=6.0), one)
        median = mmd2(x, y, kernel=kernel)
        torch.testing.assert_close(mmd2(4 * x, 4 * y, kernel=kernel), median)
    torch.testing.assert_close(energy_distance(4 * x, 4 * y), 4 * energy_distance(x, y))


def test_the_median_is_the_lower_median_distance_of_present_rows():
    x = sample(9, 3, 0)
    assert median_distance(x).item() == pytest.approx(references.median_distance(x.numpy()))
    present = torch.tensor([1.0, 1, 0, 1, 1, 0, 1, 1, 1])
    subset = references.median_distance(x[present > 0].numpy())
    assert median_distance(x, present).item() == pytest.approx(subset)


def test_the_median_falls_back_on_the_mean_and_then_on_one():
    mostly = torch.zeros(10, 1)
    mostly[0] = 3
    assert median_distance(mostly).item() == pytest.approx(9 * 3 / 45)
    assert median_distance(torch.zeros(4, 2)).item() == 1


def test_the_median_is_a_constant_for_the_gradient():
    x, y = sample(6, 2, 0).requires_grad_(), sample(7, 2, 1)
    sigma = median_distance(torch.cat([x, y])).item()
    (ours,) = torch.autograd.grad(mmd2(x, y), x)
    (fixed,) = torch.autograd.grad(mmd2(x, y, bandwidth=sigma), x)
    torch.testing.assert_close(ours, fixed)


def test_energy_distance_in_one_dimension_is_twice_the_cramer_distance():
    """2 * integral of (F - G)^2 over the line (Székely and Rizzo 2013)."""
    x, y = sample(30, 1, 0), sample(20, 1, 1) + 0.5
    grid = np.sort(np.concatenate([x.numpy().ravel(), y.numpy().ravel()]))
    cdf_x, cdf_y = (np.mean(s.numpy() <= grid[:-1], axis=0) for s in (x, y))
    exact = 2 * np.sum((cdf_x - cdf_y) ** 2 * np.diff(grid))
    assert energy_distance(x, y).item() == pytest.approx(exact, rel=1e-10)


def test_random_features_average_to_the_biased_mmd2():
    x, y = sample(30, 4, 0), sample(20, 4, 1) + 0.5
    a = torch.arange(30.0)
    exact = mmd2(x, y, bandwidth=2.0, estimator="biased", a=a)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack(
        [mmd2_rff(x, y, features=200, bandwidth=2.0, generator=generator, a=a) for _ in range(50)]
    )
    assert abs(draws.mean() - exact) < 4 * draws.std() / math.sqrt(len(draws))
    assert draws.std() < 4 / math.sqrt(200)


def test_the_gradient_of_random_features_passes_gradcheck_in_chunks(monkeypatch):
    monkeypatch.setattr("fairrep.functional.random_features.CHUNK_ENTRIES", 32)

    def value(x, y):
        generator = torch.Generator().manual_seed(0)
        return mmd2_rff(x, y, features=8, bandwidth=1.0, generator=generator)

    assert torch.autograd.gradcheck(
        value, (sample(9, 2, 0).requires_grad_(), sample(7, 2, 1).requires_grad_())
    )


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"kernel": "cosine"}, "kernel must be one of"),
        ({"bandwidth": 0.0}, "bandwidth must be a positive"),
        ({"bandwidth": -1}, "bandwidth must be a positive"),
        ({"bandwidth": "mean"}, "bandwidth given as a word must be one of"),
        ({"bandwidth": (1.0, 2.0)}, "takes one bandwidth"),
        ({"kernel": "gaussian_mixture", "bandwidth": ()}, "at least one bandwidth"),
        ({"estimator": "median"}, "estimator must be one of"),
        ({"a": torch.ones(3)}, "weights of x must have shape"),
    ],
)
def test_mistaken_settings_raise_with_the_requirement(keywords, message):
    with pytest.raises(ValueError, match=message):
        mmd2(sample(5, 2, 0), sample(5, 2, 1), **keywords)


def test_mistaken_shapes_and_types_raise_with_the_requirement():
    with pytest.raises(ValueError, match="same number of columns"):
        mmd2(sample(5, 2, 0), sample(5, 3, 1))
    with pytest.raises(ValueError, match="floating-point"):
        mmd2(torch.ones(5, 2, dtype=torch.long), sample(5, 2, 1))
    with pytest.raises(ValueError, match="features must be an integer"):
        mmd2_rff(sample(5, 2, 0), sample(5, 2, 1), features=0, bandwidth=1.0)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_on_a_line_sorting_gives_the_sums_over_pairs_and_their_gradients(data):
    x, y = (data.draw(clouds(columns=(1, 1))) for _ in range(2))
    a, b = (data.draw(weights(len(s))).double() for s in (x, y))
    kernel = radial_kernel("energy", 1.0, torch.cat([x, y]), torch.cat([a, b]))
    found = line_sums(x, y, a, b)
    pairs = self_sum(kernel, x, a), self_sum(kernel, y, b), cross_sum(kernel, x, y, a, b)
    scale = 1 + x.abs().max().item() + y.abs().max().item()
    mass = (1 + a.sum().item() + b.sum().item()) ** 2
    for sums, expected in zip(found, pairs, strict=True):
        for one, other in zip(sums, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-13 * scale * mass, rtol=0)


def test_on_a_line_batches_are_loops_and_vmap_maps_them():
    rng = torch.Generator().manual_seed(0)
    x, y = (torch.randn(3, n, 1, generator=rng, dtype=torch.float64) for n in (7, 5))
    a = torch.rand(3, 7, generator=rng, dtype=torch.float64)
    alone = torch.stack([energy_distance(*rows[:2], a=rows[2]) for rows in zip(x, y, a)])
    torch.testing.assert_close(energy_distance(x, y, a=a), alone)
    mapped = torch.func.vmap(lambda x, y, a: energy_distance(x, y, a=a))
    torch.testing.assert_close(mapped(x, y, a), alone)
