"""The exact bound on a difference of two probabilities: closed forms, brute force, monotonicity."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import beta, binom

from fairrep.functional.binomial_difference import (
    PRECISION,
    binomial_difference_upper_bound,
    mcdiarmid_slack,
)

DELTA = 0.05


def of_twice_as_many_trials(t, n, delta):
    """n = m: X + (n - Y) is a sum of 2n Bernoulli variables of mean n(1 + d).

    By Hoeffding (1956) its distribution function at c <= n(1 + d) - 1 is largest where all 2n
    probabilities are (1 + d)/2, so that the bound is Clopper and Pearson's of one binomial.
    """
    c = round(n * (1 + t))
    d = 2 * beta.ppf(1 - delta, c + 1, 2 * n - c) - 1
    assert d >= t + 1 / n, "Hoeffding's condition"
    return d


def by_brute_force(t, n, m, delta, points=1001):
    """U(t) by bisection, where the largest probability is sought on a fine grid of v."""
    x, y = np.arange(n + 1), np.arange(m + 1)
    most_x = np.floor(n * (t + y / m) + 1e-9)

    def largest(d):
        v = np.linspace(max(0.0, -d), min(1.0, 1 - d), points)[:, None]
        below = np.concatenate(
            [np.zeros((points, 1)), binom.pmf(x, n, (v + d).clip(0, 1)).cumsum(1)], axis=1
        )
        columns = (most_x + 1).clip(0, n + 1).astype(int)
        return (below[:, columns] * binom.pmf(y, m, v)).sum(1).max()

    low, high = t, 1.0
    for _ in range(30):
        d = (low + high) / 2
        low, high = (d, high) if largest(d) > delta else (low, d)
    return low


@pytest.mark.parametrize("delta", [0.05, 0.001])
@pytest.mark.parametrize(
    ("n", "x"), [(12, 3), (30, 0), (30, 12), (30, -5), (500, 100), (500, 1), (5000, 250)]
)
def test_with_equal_rows_it_is_clopper_and_pearsons_of_one_binomial(n, x, delta):
    t = x / n
    exact = of_twice_as_many_trials(t, n, delta)
    value = binomial_difference_upper_bound(t, n, n, delta=delta)
    assert exact <= value <= exact + 1.01 * PRECISION * (exact - t)


@pytest.mark.parametrize(
    ("n", "m"), [(1, 1), (1, 6), (2, 3), (6, 4), (9, 1), (3, 17), (40, 2), (25, 24)]
)
def test_it_is_just_above_the_exact_bound_found_by_brute_force(n, m):
    """Never below U, and above it by the stated hundredth of U(t) - t; the grid errs by 1e-4."""
    lattice = sorted({round(x / n - y / m, 12) for x in range(n + 1) for y in range(m + 1)})
    for t in lattice[:: max(1, len(lattice) // 5)]:
        exact = by_brute_force(t, n, m, DELTA)
        value = binomial_difference_upper_bound(t, n, m, delta=DELTA)
        assert value >= exact
        assert value <= exact + 1.01 * PRECISION * (exact - t) + 1e-4


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 4), (1, 8)])
def test_it_fails_with_probability_delta_at_most_whatever_the_two_laws(n, m):
    """All outcomes are summed, for 41 × 41 pairs of probabilities."""
    t = np.subtract.outer(np.arange(n + 1) / n, np.arange(m + 1) / m)
    bounds = {v: binomial_difference_upper_bound(v, n, m, delta=0.2) for v in set(t.ravel())}
    value = np.vectorize(bounds.get)(t)  # (n + 1, m + 1)
    grid = np.linspace(0, 1, 41)
    p, q = (binom.pmf(np.arange(k + 1), k, grid[:, None]) for k in (n, m))
    failed = value[None, None] < np.subtract.outer(grid, grid)[:, :, None, None]
    probability = np.einsum("ax,by,abxy->ab", p, q, failed)
    assert probability.max() <= 0.2
    assert probability.max() > 0.1  # and it is no looser than the lattice makes it


@pytest.mark.parametrize(("n", "m"), [(500, 500), (950, 50), (50, 950), (7, 300)])
@pytest.mark.parametrize("t", [0.0, 0.02, 0.2, 0.9])
def test_it_is_never_above_mcdiarmids(n, m, t):
    value = binomial_difference_upper_bound(t, n, m, delta=DELTA)
    assert t < value <= min(1.0, t + mcdiarmid_slack(n, m, delta=DELTA))


def test_it_takes_less_than_seven_tenths_of_mcdiarmids_slack():
    for n, m in ((5000, 5000), (9500, 500)):
        value = binomial_difference_upper_bound(0.0, n, m, delta=DELTA)
        assert 0.6 < value / mcdiarmid_slack(n, m, delta=DELTA) < 0.7


def test_it_rises_with_what_was_observed():
    """The steps are wider than a hundredth of the slack, which is what the search leaves open."""
    values = [binomial_difference_upper_bound(t, 120, 30, delta=DELTA) for t in np.arange(-1, 1, 0.1)]
    assert all(a < b for a, b in pairwise(values))


def test_it_falls_with_delta_and_with_more_rows_on_either_side():
    deltas = [binomial_difference_upper_bound(0.1, 80, 40, delta=d) for d in (1e-4, 0.01, 0.1, 0.5)]
    assert all(a > b for a, b in pairwise(deltas))
    first = [binomial_difference_upper_bound(0.1, n, 40, delta=DELTA) for n in (10, 40, 160, 640)]
    assert all(a > b for a, b in pairwise(first))
    second = [binomial_difference_upper_bound(0.1, 40, m, delta=DELTA) for m in (10, 40, 160, 640)]
    assert all(a > b for a, b in pairwise(second))


def test_exchanging_the_groups_changes_nothing():
    """X/n - Y/m and (1 - Y/m) - (1 - X/n) have the same law."""
    one = binomial_difference_upper_bound(0.1, 400, 20, delta=DELTA)
    other = binomial_difference_upper_bound(0.1, 20, 400, delta=DELTA)
    assert one == pytest.approx(other, abs=2 * PRECISION * (one - 0.1))


def test_at_a_difference_of_one_it_is_one_and_near_one_it_is_below():
    assert binomial_difference_upper_bound(1.0, 50, 70, delta=DELTA) == 1
    near = binomial_difference_upper_bound(1 - 1 / 30, 30, 30, delta=DELTA)
    exact = 2 * beta.ppf(1 - DELTA, 60, 1) - 1
    assert 1 - 1 / 30 < exact <= near < 1


def test_one_row_a_group_gives_one_minus_delta_at_no_difference():
    """P(X <= Y) = 1 - u(1 - v) is largest at v = 0, where it is 1 - d."""
    value = binomial_difference_upper_bound(0.0, 1, 1, delta=DELTA)
    assert 1 - DELTA <= value <= 1 - DELTA + 1.01 * PRECISION
    assert binomial_difference_upper_bound(-1.0, 1, 1, delta=DELTA) < value


def test_a_tie_counts_as_observed_however_its_difference_was_rounded():
    """Without the tie, the bound would be that of one success less, 1/n lower."""
    n, m = 7, 11
    t = 3 / 7 - 2 / 11
    value = binomial_difference_upper_bound(t, n, m, delta=DELTA)
    rounded = binomial_difference_upper_bound(np.nextafter(t, -1), n, m, delta=DELTA)
    assert min(value, rounded) >= by_brute_force(t, n, m, DELTA)
    below = max(x / n - y / m for x in range(n + 1) for y in range(m + 1) if x / n - y / m < t - 1e-9)
    assert by_brute_force(below, n, m, DELTA) < min(value, rounded)


def test_two_hundred_thousand_rows_a_group_are_bounded_well():
    """The precision gives way (a few hundredths of the slack), McDiarmid's stays above."""
    n, t = 200_000, 0.05
    exact = of_twice_as_many_trials(t, n, DELTA)
    value = binomial_difference_upper_bound(t, n, n, delta=DELTA)
    assert exact <= value <= exact + 0.03 * (exact - t)
    assert value <= t + mcdiarmid_slack(n, n, delta=DELTA)


def test_mcdiarmids_slack_by_hand():
    assert mcdiarmid_slack(50, 200, delta=math.exp(-2)) == pytest.approx(math.sqrt(0.025))
