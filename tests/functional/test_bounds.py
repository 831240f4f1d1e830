import functools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, kstwo

from fairrep.functional import (
    binomial_difference_upper_bound,
    delta_per_statement,
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


# ---- closed forms


def test_mcdiarmids_bound_adds_its_width_to_the_estimate():
    """ln(1/delta) = 2 and 1/50 + 1/200 = 0.025: a width of sqrt(0.025)."""
    value = total_variation_upper_bound(
        law(0.5, 0.3, 0.2), law(0.4, 0.3, 0.3), 50, 200, delta=math.exp(-2), method="mcdiarmid"
    )
    assert value == pytest.approx(0.1 + math.sqrt(0.025), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exact_bound_is_the_binomial_one_at_the_estimate(dtype):
    p, q = torch.tensor([7, 5, 8], dtype=dtype) / 20, torch.tensor([9, 11, 10], dtype=dtype) / 30
    value = total_variation_upper_bound(p, q, 20, 30, delta=DELTA, method="exact")
    assert value == exact_bound((3 * 8 - 2 * 10 + 3 * 7 - 2 * 9) / 60, 20, 30, delta=DELTA)


def test_the_exact_bound_is_never_above_mcdiarmids_and_a_third_tighter():
    p, q = law(0.3, 0.7), law(0.28, 0.72)
    values = {
        method: total_variation_upper_bound(p, q, 5000, 5000, delta=DELTA, method=method) - 0.02
        for method in ("exact", "mcdiarmid")
    }
    assert 0.6 < values["exact"] / values["mcdiarmid"] < 0.7
    ks = {method: ks_upper_bound(0.02, 5000, 5000, delta=DELTA, method=method) for method in values}
    assert ks["exact"] - 0.02 == pytest.approx(values["exact"], rel=1e-9)
    assert ks["mcdiarmid"] - 0.02 == pytest.approx(values["mcdiarmid"], rel=1e-9)


def test_the_rkhs_bound_adds_its_width_to_the_estimate():
    """kappa ln(1/delta) (1/n_a + 1/n_b) = 2 * 2 * 0.04."""
    value = rkhs_gap_upper_bound(0.3, 50, 50, delta=math.exp(-2), kernel_bound=2.0, norm=3.0)
    assert value == pytest.approx(3 * (0.3 + 0.4), rel=1e-12)


def test_the_linear_bound_adds_its_width_to_the_estimate():
    """R sqrt(2 ln(1/delta) (1/n_a + 1/n_b)) = 1.5 sqrt(2 * 2 * 0.04)."""
    value = linear_gap_upper_bound(0.3, 50, 50, delta=math.exp(-2), radius=1.5, norm=3.0)
    assert value == pytest.approx(3 * (0.3 + 1.5 * 0.4), rel=1e-12)


def test_the_ks_bounds_add_their_widths_to_the_estimate():
    assert ks_upper_bound(0.1, 50, 200, delta=math.exp(-2)) == pytest.approx(
        0.1 + math.sqrt(0.025), rel=1e-12
    )
    massart = dkw_ks_upper_bound(0.1, 50, 200, delta=4 * math.exp(-2))
    assert massart == pytest.approx(0.1 + math.sqrt(1 / 50) + math.sqrt(1 / 200), rel=1e-12)
    ratio = (ks_upper_bound(0, 999, 999, delta=DELTA)) / dkw_ks_upper_bound(
        0, 999, 999, delta=DELTA
    )
    assert ratio == pytest.approx(math.sqrt(math.log(20) / (2 * math.log(80))), rel=1e-12)  # 0.585


def test_dkw_is_massarts_tail_at_half_of_delta_a_group():
    """kstwo is the law of one group's distance; its tail is below 2 exp(-2 n eps^2), nearly."""
    eps = dkw_ks_upper_bound(0, 2000, 2000, delta=DELTA) / 2
    assert 0.9 * DELTA / 2 < kstwo.sf(eps, 2000) <= DELTA / 2


def test_no_bound_exceeds_what_can_happen():
    p, q = law(1.0, 0.0), law(0.0, 1.0)
    for method in ("exact", "mcdiarmid"):
        assert total_variation_upper_bound(p, q, 9, 7, delta=DELTA, method=method) == 1
        assert ks_upper_bound(0.9, 9, 7, delta=DELTA, method=method) == 1
    assert dkw_ks_upper_bound(0.9, 9, 7, delta=DELTA) == 1
    assert rkhs_gap_upper_bound(1.3, 3, 3, delta=DELTA, kernel_bound=1, norm=2) == 2 * math.sqrt(2)
    assert linear_gap_upper_bound(1.9, 3, 3, delta=DELTA, radius=1, norm=2) == 4


def test_every_bound_falls_with_rows_and_rises_with_confidence():
    bounds = (
        lambda n, delta: ks_upper_bound(0.1, n, 500, delta=delta),
        lambda n, delta: ks_upper_bound(0.1, n, 500, delta=delta, method="exact"),
        lambda n, delta: dkw_ks_upper_bound(0.1, n, 500, delta=delta),
        lambda n, delta: rkhs_gap_upper_bound(0.1, n, 500, delta=delta, kernel_bound=1, norm=1),
        lambda n, delta: linear_gap_upper_bound(0.1, n, 500, delta=delta, radius=1, norm=1),
    )
    for value in bounds:
        assert value(200, 0.05) > value(400, 0.05) > value(800, 0.05) > 0.1
        assert value(400, 0.01) > value(400, 0.05) > value(400, 0.2)


def test_delta_is_shared_by_pairs_of_groups_candidates_and_tasks():
    assert delta_per_statement(0.05, groups=2) == 0.05
    assert delta_per_statement(0.06, groups=4) == pytest.approx(0.01)
    assert delta_per_statement(0.06, groups=3, candidates=5, tasks=2) == pytest.approx(0.002)


# ---- simulations: a bound fails at most delta of the time


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


# ---- mistakes


HALF = law(0.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 4, delta=0.05, method="bernstein"),
         "method must be one of"),
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 4, delta=5, method="exact"),
         "delta must lie strictly between"),
        (lambda: total_variation_upper_bound(HALF, HALF, 0, 4, delta=0.05, method="exact"),
         "n_p must be an integer"),
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 5, delta=0.05, method="exact"),
         "q_hat must be multiples of 1/5"),
        (lambda: total_variation_upper_bound(law(0.51, 0.49), HALF, 10**6, 4, delta=0.05,
                                             method="exact"), None),
        (lambda: total_variation_upper_bound(law(0.3, 0.3), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "p_hat must be probabilities"),
        (lambda: total_variation_upper_bound(law(1.5, -0.5), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "p_hat must be probabilities"),
        (lambda: total_variation_upper_bound(law(1.0), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "same cells"),
        (lambda: ks_upper_bound(1.5, 4, 4, delta=0.05), "ks must lie between 0 and 1"),
        (lambda: ks_upper_bound(0.5, 4, 0, delta=0.05), "n_b must be an integer"),
        (lambda: ks_upper_bound(0.5, 4, 4, delta=0.05, method="dkw"), "method must be one of"),
        (lambda: dkw_ks_upper_bound(-0.1, 4, 4, delta=0.05), "ks must lie between 0 and 1"),
        (lambda: rkhs_gap_upper_bound(2.0, 4, 4, delta=0.05, kernel_bound=1, norm=1),
         "mmd_v must lie between 0 and 1.41421"),
        (lambda: rkhs_gap_upper_bound(0.1, 4, 4, delta=0.05, kernel_bound=0, norm=1),
         "kernel_bound must be a positive finite number"),
        (lambda: linear_gap_upper_bound(2.5, 4, 4, delta=0.05, radius=1, norm=1),
         "mean_distance must lie between 0 and 2"),
        (lambda: linear_gap_upper_bound(0.5, 4, 4, delta=0.05, radius=1, norm=-1),
         "norm must be a positive finite number"),
        (lambda: delta_per_statement(0.05, groups=1), "groups must be at least 2"),
        (lambda: delta_per_statement(0.05, groups=2, candidates=0), "candidates must be an"),
        (lambda: delta_per_statement(1.5, groups=2), "delta must lie strictly between"),
    ],
)  # fmt: skip
def test_mistakes_raise_with_the_requirement(call, message):
    if message is None:
        assert call() <= 1  # whole numbers of rows, though thirds and hundredths round
        return
    with pytest.raises(ValueError, match=message):
        call()


def test_soft_cells_are_refused_by_the_exact_bound():
    soft = torch.rand(500, 4, generator=torch.Generator().manual_seed(0)).softmax(-1).mean(0)
    hard = law(100, 150, 50, 200) / 500
    total_variation_upper_bound(soft, hard, 500, 500, delta=DELTA, method="mcdiarmid")
    with pytest.raises(ValueError, match=r"p_hat must be multiples of 1/500.*soft cells"):
        total_variation_upper_bound(soft, hard, 500, 500, delta=DELTA, method="exact")
