import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from fairrep.functional import binomial_difference_upper_bound
from fairrep.functional.binomial_difference import (
    FIRST_MARGIN,
    _by_corner,
    _by_slope,
    _proved,
    _search,
    _slope,
)
from fairrep.functional.binomial_tails import Difference, _window, tails

bound = functools.cache(binomial_difference_upper_bound)


def hoeffding(n, m, delta):
    return math.sqrt(math.log(1 / delta) / 2 * (1 / n + 1 / m))


def probability(t, n, m, u, v):
    """P(X/n - Y/m <= t), term by term; t may lie on the lattice."""
    y = np.arange(m + 1)
    reach = np.floor(n * (t + y / m) + 1e-9)
    u, v = np.asarray(u)[..., None], np.asarray(v)[..., None]
    return (binom.pmf(y, m, v) * binom.cdf(reach, n, u)).sum(-1)


def enumerated(t, n, m, delta, steps=800):
    """The largest d on a grid whose worst pair on a grid has probability above delta."""
    largest = 0.0
    for d in np.linspace(t, 1, steps + 1):
        v = np.linspace(0, 1 - d, 201)
        if probability(t, n, m, np.minimum(v + d, 1), v).max() > delta:
            largest = d
    return largest


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 7), (7, 4), (12, 3), (9, 9), (20, 13)])
@pytest.mark.parametrize(("place", "delta"), [(0, 0.05), (1, 0.05), (2, 0.2), (1, 0.002)])
def test_on_small_samples_it_is_the_enumerated_bound_and_never_below_it(n, m, place, delta):
    t = sorted({i / n - j / m for i in range(n + 1) for j in range(m + 1) if i / n >= j / m})
    t = max(t[min(place, len(t) - 1)], 0.0)
    exact = enumerated(t, n, m, delta)
    assert bound(t, n, m, delta=delta) >= exact
    assert (
        bound(t, n, m, delta=delta) <= exact + 2 * FIRST_MARGIN * hoeffding(n, m, delta) + 1 / 800
    )


@pytest.mark.parametrize("n", [10, 100, 5000, 50_000, 1_000_000])
@pytest.mark.parametrize("t", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("delta", [0.05, 0.001])
def test_equal_sizes_give_the_clopper_pearson_bound_of_twice_as_many_trials(n, t, delta):
    """Hoeffding (1956), Theorem 4: n - Y + X is most often small when all trials are alike."""
    successes = math.floor(n * t + 1e-9) + n
    exact = 2 * beta.ppf(1 - delta, successes + 1, 2 * n - successes) - 1
    if exact > 1 - FIRST_MARGIN * hoeffding(n, n, delta):
        exact = 1.0
    assert exact >= t + 1 / n  # the theorem's condition
    assert bound(t, n, n, delta=delta) >= exact * (1 - 1e-9)
    assert bound(t, n, n, delta=delta) <= exact + 0.01 * (exact - t)


@pytest.mark.parametrize(
    ("n", "m", "ratio"), [(5000, 5000, 0.69), (4750, 250, 0.69), (47_500, 2500, 0.68)]
)
def test_its_slack_is_a_third_below_hoeffdings(n, m, ratio):
    """1.645 / 2 against sqrt(ln(20) / 2): 0.672 in the limit."""
    slack = bound(0.02, n, m, delta=0.05) - 0.02
    assert 0.67 * hoeffding(n, m, 0.05) < slack < ratio * hoeffding(n, m, 0.05)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([0.5, 0.1, 0.01, 1e-6]),
)
def test_it_rises_with_the_difference_and_the_confidence_and_swaps_the_groups(n, m, t, s, delta):
    """Up to the margin that the proof adds to what the search found."""
    low, high = sorted((t, s))
    margin = 3 * FIRST_MARGIN * hoeffding(n, m, delta / 3)
    value = bound(low, n, m, delta=delta)
    assert low <= value <= min(1, low + hoeffding(n, m, delta))
    assert value <= bound(high, n, m, delta=delta) + margin
    assert value <= bound(low, n, m, delta=delta / 3) + margin
    assert value == bound(low, m, n, delta=delta)


@pytest.mark.parametrize("t", [0.0, 0.1])
def test_it_falls_as_either_group_grows(t):
    sizes = (20, 40, 160, 640)
    assert (np.diff([bound(t, n, 40, delta=0.05) for n in sizes]) < 0).all()
    assert (np.diff([bound(t, n, n, delta=0.05) for n in sizes]) < 0).all()


def test_it_is_one_where_nothing_is_known():
    assert bound(1.0, 50, 60, delta=0.05) == 1
    assert bound(0.5, 1, 1, delta=1e-9) == 1
    assert bound(0.0, 1, 1, delta=0.05) == pytest.approx(0.95, abs=0.01)  # u = d, v = 0


@pytest.mark.parametrize(("n", "m"), [(60, 40), (200, 11), (3000, 2500)])
def test_tails_are_upper_bounds_within_the_mass_that_windows_leave_out(n, m):
    u, v = torch.rand(2, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u[:3], v[:3] = torch.tensor([0, 1, 0.5]), torch.tensor([0, 0.5, 1])
    for t in (0.0, 0.1, 3 / n):
        ours = tails(Difference(n, m, t, 1e-9), u, v)
        exact = torch.tensor(probability(t, n, m, u.numpy(), v.numpy()))
        assert (ours.plain >= exact * (1 - 1e-11)).all()  # scipy rounds, too
        assert (ours.plain <= exact + 3e-9).all()
        later = torch.tensor(probability(t + 1 / n, n, m, u.numpy(), v.numpy()))
        assert (ours.smooth >= ours.plain).all()
        assert (ours.smooth <= later + 3e-9).all()


def test_a_tie_belongs_to_the_event():
    third = 1 / 3 - 1e-15  # one observation of 1/3, as rounding may leave it
    value = tails(Difference(3, 2, third, 1e-9), *torch.tensor([[0.5], [0.0]]).double())
    assert value.plain.item() == pytest.approx(0.5, abs=1e-8)  # P(X <= 1)


@pytest.mark.parametrize(
    ("n", "m", "i", "j"), [(300, 200, 9, 0), (77, 49, 33, 7), (999, 37, 500, 3)]
)
def test_every_tie_on_the_lattice_counts(n, m, i, j):
    """From a whole number of steps below, up to the next point of the lattice, nothing changes."""
    t = i / n - j / m
    u, v = torch.tensor([[0.45], [0.2]], dtype=torch.float64)
    at, beside = (tails(Difference(n, m, s, 1e-12), u, v).plain for s in (t, t + 0.4 / (n * m)))
    torch.testing.assert_close(at, beside, rtol=1e-12, atol=0)
    before = tails(Difference(n, m, t - 0.4 / (n * m), 1e-12), u, v).plain
    points = [(x, y) for x in range(n + 1) for y in range(m + 1) if x * m - y * n == i * m - j * n]
    mass = sum(binom.pmf(x, n, 0.45) * binom.pmf(y, m, 0.2) for x, y in points)
    assert (at - before).item() == pytest.approx(mass, abs=1e-11)


@pytest.mark.parametrize(("n", "m"), [(50, 40), (400, 20), (5000, 4000), (20_000, 20_000)])
@pytest.mark.parametrize("z", [0.0, 1.6, 3.0])
def test_the_smoothed_probability_is_nowhere_steeper_than_its_slope(n, m, z):
    t = 0.05
    d = t + z * 0.5 * math.sqrt(1 / n + 1 / m)
    event = Difference(n, m, t, 1e-13)
    edges = torch.linspace(0.01, 0.99 - d, 400, dtype=torch.float64)
    smooth = tails(event, edges + d, edges).smooth
    steepness = smooth.diff().abs() / edges.diff()
    slope = _slope(event, d, edges[:-1], edges[1:])
    assert (steepness <= slope + 1e-9).all()
    wide = _slope(event, d, edges[:1], edges[-1:])
    assert wide >= 0.99 * slope.max()


def test_the_slope_is_as_small_as_the_probability():
    """Chernoff's factor at three standard deviations is exp(-4.5) = 0.011."""
    n = m = 20_000
    slopes = []
    for z in (0, 3):
        d = 0.05 + z * math.sqrt(0.5 / n)
        v = torch.tensor([(1 - d) / 2], dtype=torch.float64)
        slopes.append(_slope(Difference(n, m, 0.05, 1e-13), d, v - 1e-4, v + 1e-4).item())
    assert 0.011 < slopes[1] / slopes[0] < 0.05


@pytest.mark.parametrize(("n", "m"), [(30, 20), (400, 20), (5000, 4000)])
@pytest.mark.parametrize("intervals", [4, 60])
@pytest.mark.parametrize("z", [0.5, 2.0])
def test_what_is_said_of_an_interval_holds_all_over_it(n, m, intervals, z):
    t = 0.05
    d = t + z * 0.5 * math.sqrt(1 / n + 1 / m)
    event = Difference(n, m, t, 1e-13)
    edges = torch.linspace(0, 1 - d, intervals + 1, dtype=torch.float64)
    left, right = edges[:-1], edges[1:]
    corner = _by_corner(event, d, left, right)
    here, worst = _by_slope(event, d, left, right)
    inside = left + torch.linspace(0, 1, 21, dtype=torch.float64)[:, None] * (right - left)
    u = (inside + d).clamp(max=1)
    dense = torch.stack([tails(event, *pair).plain for pair in zip(u, inside)])
    assert (corner >= dense.amax(0) - 1e-12).all()
    assert (worst >= dense.amax(0) - 1e-12).all()
    torch.testing.assert_close(here, dense[10], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [5, 3000, 10**6])
@pytest.mark.parametrize("spill", [0.3, 1e-3, 1e-12])
def test_windows_leave_out_no_more_than_they_say(n, spill):
    """Also around small means, where the law is Poisson's and not normal."""
    means = torch.tensor([0.0, 0.01, 0.3, 1, 3, 20, 60, 200, n / 2, n], dtype=torch.float64)
    u = (means / n).clamp(max=1)
    for one in torch.cat([u, 1 - u]).split(1):
        first, p = _window(Difference(n, n, 0.0, spill), n, one)
        last = first.item() + p.shape[1] - 1
        assert binom.cdf(first.item() - 1, n, one.item()) + binom.sf(last, n, one.item()) <= spill


@pytest.mark.parametrize("n", [10, 5000, 10**6, 10**7])
def test_rounding_never_takes_away_from_a_certain_event(n):
    u, v = torch.rand(2, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    certain = tails(Difference(n, n, 1.0, 1e-15), u, v).plain
    assert (certain >= 1).all()
    assert (certain <= 1 + 1e-5).all()


@pytest.mark.parametrize("t", [0.05, 0.2, 0.4, 0.6])
def test_the_search_comes_close_to_the_worst_pair(t):
    n, m, delta = 2000, 300, 0.05
    found = _search(Difference(n, m, t, 1e-9), delta, t, t + hoeffding(n, m, delta))
    v = torch.linspace(0, 1 - found, 2001, dtype=torch.float64)
    worst = tails(Difference(n, m, t, 1e-9), v + found, v).plain.max().item()
    assert worst == pytest.approx(delta, rel=0.01)  # 1% of delta: 0.3% of slack


@pytest.mark.parametrize(("n", "m"), [(2000, 300), (300, 2000), (5000, 4000)])
@pytest.mark.parametrize("t", [0.01, 0.5])
def test_unequal_sizes_give_the_worst_pair_within_one_per_cent_of_slack(n, m, t):
    delta = 0.05
    value = bound(t, n, m, delta=delta)
    for share in (0.985, 1.0):
        d = t + share * (value - t)
        v = np.linspace(0, 1 - d, 101)
        worst = probability(t, n, m, v + d, v).max()
        assert (worst > delta) == (share < 1)


@pytest.mark.parametrize(("n", "m"), [(300, 200), pytest.param(5000, 4000, marks=pytest.mark.slow)])
def test_the_proof_fails_below_the_bound(n, m):
    """Where some pair is still above delta, no interval argument may say otherwise."""
    t, delta = 0.03, 0.05
    low, high = t, t + hoeffding(n, m, delta)
    for _ in range(40):
        d = (low + high) / 2
        v = np.linspace(0, 1 - d, 101)
        above = probability(t, n, m, v + d, v).max() > delta
        low, high = (d, high) if above else (low, d)
    event = Difference(n, m, t, 1e-6 * delta)
    assert not _proved(event, 0.9999 * low, delta, finest=1e-5)
    assert _proved(event, low + 0.01 * (low - t), delta, finest=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.2, 5, 5, 0.05), "difference must lie between 0 and 1"),
        ((float("nan"), 5, 5, 0.05), "difference must lie between 0 and 1"),
        ((0.2, 0, 5, 0.05), "n must be an integer"),
        ((0.2, 5, 5.0, 0.05), "m must be an integer"),
        ((0.2, 5, 5, 0.0), "delta must lie strictly between 0 and 1"),
        ((0.2, 5, 5, 1.0), "delta must lie strictly between 0 and 1"),
    ],
)
def test_mistaken_numbers_raise_with_the_requirement(arguments, message):
    *numbers, delta = arguments
    with pytest.raises(ValueError, match=message):
        binomial_difference_upper_bound(*numbers, delta=delta)


def test_the_slope_is_carried_over_half_the_interval():
    """From the middle to either end: what the slope adds is its constant times half the length."""
    event, d = Difference(60, 45, 0.05, 1e-9), 0.25
    left, right = (torch.tensor([end], dtype=torch.float64) for end in (0.3, 0.34))
    _, worst = _by_slope(event, d, left, right)
    centre = (left + right) / 2
    added = worst - tails(event, centre + d, centre).smooth
    torch.testing.assert_close(added, _slope(event, d, left, right) * 0.02)
