"""Simulations from known laws: a bound fails at most delta of the time."""

import functools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom

from fairrep.functional import (
    binomial_difference_upper_bound,
    dkw_ks_upper_bound,
    ks_upper_bound,
    linear_gap_upper_bound,
    mmd2,
    rkhs_gap_upper_bound,
    total_variation_upper_bound,
)

DELTA = 0.05
exact_bound = functools.cache(binomial_difference_upper_bound)


def law(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def fails_no_more_than(delta, failures, draws):
    """A one-sided binomial test of size 1e-4."""
    return failures <= binom.ppf(1 - 1e-4, draws, delta)


def laws_apart(tv, cells, seed=0):
    """Two laws on cells whose total variation is tv, over half of the cells each way."""
    base = np.random.default_rng(seed).dirichlet(np.full(cells, 20.0))
    shift = np.where(np.arange(cells) < cells // 2, 1.0, -1.0)
    for side in (shift > 0, shift < 0):
        shift[side] *= base[side] / base[side].sum()
    return base + tv / 2 * shift, base - tv / 2 * shift


def estimates(p, q, n, m, draws, seed=1):
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, p, draws) * m - rng.multinomial(m, q, draws) * n
    return np.abs(counts).sum(1) / (2 * n * m)


def failures_of(method, estimate, tv, n, m, delta):
    """How many bounds lie below tv. The bound rises with the estimate, and is never below it."""
    if method == "mcdiarmid":
        width = math.sqrt(math.log(1 / delta) / 2 * (1 / n + 1 / m))
        return int((estimate + width < tv).sum())
    values = np.unique(estimate[estimate < tv])
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        below = exact_bound(float(values[middle]), n, m, delta=delta) < tv
        low, high = (middle + 1, high) if below else (low, middle)
    return int((estimate <= values[low - 1]).sum()) if low else 0


def check_a_law(p, q, n, m, draws, delta=DELTA):
    tv = 0.5 * np.abs(p - q).sum()
    estimate = estimates(p, q, n, m, draws)
    for method in ("mcdiarmid", "exact"):
        failures = failures_of(method, estimate, tv, n, m, delta)
        assert fails_no_more_than(delta, failures, draws), (method, failures)


@pytest.mark.parametrize(("n", "m"), [(300, 300), (570, 30)])
@pytest.mark.parametrize(("cells", "tv"), [(2, 0.2), (8, 0.02), (8, 0.2)])
def test_total_variation_bounds_fail_at_most_delta_of_the_time(cells, tv, n, m):
    check_a_law(*laws_apart(tv, cells), n, m, draws=2000)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(1000, 1000), (1900, 100), (50, 950), (5000, 5000)])
@pytest.mark.parametrize("tv", [0.0, 0.02, 0.2, 0.6])
@pytest.mark.parametrize("cells", [2, 8, 64])
def test_total_variation_bounds_fail_at_most_delta_of_the_time_everywhere(cells, tv, n, m):
    for delta in (0.01, 0.05, 0.2):
        check_a_law(*laws_apart(tv, cells, seed=cells), n, m, draws=20_000, delta=delta)


@pytest.mark.parametrize(("n", "m"), [(500, 500), (950, 50)])
@pytest.mark.parametrize("tv", [0.2, 0.4])
def test_the_exact_bound_fails_about_delta_of_the_time_under_the_hardest_law(n, m, tv):
    """Two cells and the largest variance: no bound of the estimate alone could be much smaller."""
    v = 0.5 - tv * m / (n + m)
    q, p = np.array([v, 1 - v]), np.array([v + tv, 1 - v - tv])
    draws = 40_000
    failures = failures_of("exact", estimates(p, q, n, m, draws), tv, n, m, DELTA)
    assert fails_no_more_than(DELTA, failures, draws)
    assert failures > 0.8 * DELTA * draws


def test_the_bound_of_soft_cells_fails_at_most_delta_of_the_time():
    """Rows are (s, 1 - s) with s uniform on [0, 1] or on [0.1, 1]: TV = 0.05."""
    rng, n, draws = np.random.default_rng(0), 40, 4000
    a, b = rng.uniform(0.1, 1, (draws, n)).mean(1), rng.uniform(0, 1, (draws, n)).mean(1)
    values = [
        total_variation_upper_bound(
            law(x, 1 - x), law(y, 1 - y), n, n, delta=0.3, method="mcdiarmid"
        )
        for x, y in zip(a, b)
    ]
    assert fails_no_more_than(0.3, (np.array(values) < 0.05).sum(), draws)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (95, 5)])
def test_the_rkhs_bound_fails_at_most_delta_of_the_time(n, m):
    """N(0, 1) against N(1, 1), kernel exp(-r^2 / 2): both expectations are Gaussian integrals."""
    rng, draws = torch.Generator().manual_seed(0), 2000
    x = torch.randn(draws, n, 1, generator=rng, dtype=torch.float64)
    y = torch.randn(draws, m, 1, generator=rng, dtype=torch.float64) + 1
    mmd = math.sqrt(2 / math.sqrt(3) * (1 - math.exp(-1 / 6)))
    roots = mmd2(x, y, bandwidth=1.0, estimator="biased").sqrt().tolist()
    values = [rkhs_gap_upper_bound(root, n, m, delta=0.3, kernel_bound=1, norm=2) for root in roots]
    assert fails_no_more_than(0.3, (np.array(values) < 2 * mmd).sum(), draws)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (190, 10)])
@pytest.mark.parametrize("delta", [0.05, 0.6])
def test_the_linear_bound_fails_at_most_delta_of_the_time(n, m, delta):
    """Rows of signs, 1 with probability 0.6 or 0.4 in the first of two columns."""
    rng, draws = np.random.default_rng(0), 4000
    means = []
    for size, chance in ((n, 0.6), (m, 0.4)):
        ones = np.stack([rng.binomial(size, share, draws) for share in (chance, 0.5)])
        means.append(2 * ones / size - 1)
    distance = np.linalg.norm(means[0] - means[1], axis=0)
    values = [
        linear_gap_upper_bound(value, n, m, delta=delta, radius=math.sqrt(2), norm=3)
        for value in distance.tolist()
    ]
    assert fails_no_more_than(delta, (np.array(values) < 3 * 0.4).sum(), draws)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (380, 20)])
def test_the_ks_bounds_fail_at_most_delta_of_the_time(n, m):
    """Uniform on [0, 1] against uniform on [0.2, 1.2]: the distance is 0.2."""
    rng, draws = np.random.default_rng(0), 2000
    estimate = []
    for _ in range(draws):
        x, y = np.sort(rng.random(n)), np.sort(rng.random(m) + 0.2)
        both = np.concatenate([x, y])
        gap = np.searchsorted(x, both, "right") / n - np.searchsorted(y, both, "right") / m
        estimate.append(np.abs(gap).max())
    estimate = np.array(estimate)
    for method in ("mcdiarmid", "exact"):
        failures = failures_of(method, estimate, 0.2, n, m, DELTA)
        assert fails_no_more_than(DELTA, failures, draws)
        quantile = float(np.quantile(estimate, 0.01))
        assert ks_upper_bound(quantile, n, m, delta=DELTA, method=method) > 0.2
    values = np.array([dkw_ks_upper_bound(value, n, m, delta=DELTA) for value in estimate])
    assert fails_no_more_than(DELTA, (values < 0.2).sum(), draws)
