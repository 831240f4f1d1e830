"""Intervals of gaps: agreement with resampled rows, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from fairrep.evaluation import gap_interval, ks_interval


def rates(table):
    """P(decision = 1 | group)."""
    return (table.sum(-2) / table.sum((-2, -1))[..., None])[..., 1:]


def table(decided, group, groups):
    counts = np.zeros((groups, 2, 2), dtype=int)
    for g in range(groups):
        for k in (0, 1):
            counts[g, 0, k] = ((group == g) & (decided == k)).sum()
    return counts


def test_interval_agrees_with_resampling_the_rows():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], [400, 700])
    decided = (rng.random(1100) < np.where(group == 0, 0.3, 0.5)).astype(int)
    low, high = gap_interval(table(decided, group, 2), rates, seed=0, draws=20_000)
    differences = [
        rng.choice(decided[group == 1], 700).mean() - rng.choice(decided[group == 0], 400).mean()
        for _ in range(20_000)
    ]
    expected = np.quantile(differences, [0.025, 0.975])
    # both ends are quantiles of 20,000 draws: standard error sqrt(.025 * .975 / 20000) / density
    np.testing.assert_allclose([low, high], expected, atol=3e-3)


@pytest.mark.parametrize(("p", "q"), [(0.3, 0.3), (0.3, 0.32), (0.2, 0.4)])
def test_interval_covers_the_true_gap_95_times_in_100(p, q):
    """At a true gap of 0 too, where percentile intervals of the absolute gap fail."""
    rng = np.random.default_rng(1)
    covered, runs = 0, 400
    for run in range(runs):
        counts = np.zeros((2, 2, 2), dtype=int)
        for g, (n, rate) in enumerate(((500, p), (800, q))):
            counts[g, 0, 1] = rng.binomial(n, rate)
            counts[g, 0, 0] = n - counts[g, 0, 1]
        low, high = gap_interval(counts, rates, seed=run, draws=500)
        covered += low <= abs(p - q) <= high
    assert binomtest(covered, runs, 0.95, alternative="less").pvalue > 1e-3


def test_interval_of_the_largest_of_many_gaps_covers():
    rng = np.random.default_rng(2)
    true = np.array([0.2, 0.25, 0.3, 0.3])
    covered, runs = 0, 200
    for run in range(runs):
        ones = rng.binomial(400, true)
        counts = np.zeros((4, 2, 2), dtype=int)
        counts[:, 0, 1], counts[:, 0, 0] = ones, 400 - ones
        low, high = gap_interval(counts, rates, seed=run, draws=500)
        covered += low <= np.ptp(true) <= high
    assert binomtest(covered, runs, 0.95, alternative="less").pvalue > 1e-3


def test_one_group_has_no_gap():
    counts = np.array([[[5, 3], [1, 2]], [[0, 0], [0, 0]]])
    assert np.isnan(gap_interval(counts, rates, seed=0)).all()
    assert np.isnan(ks_interval(np.arange(3.0), np.zeros(3, dtype=int), seed=0)).all()


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_ks_interval_covers_the_true_distance(shift):
    """N(0, 1) against N(shift, 1): the distance is 2Φ(shift / 2) - 1."""
    from scipy.stats import norm

    true = 2 * norm.cdf(shift / 2) - 1
    rng = np.random.default_rng(3)
    covered, runs = 0, 100
    for run in range(runs):
        values = np.concatenate([rng.normal(size=150), rng.normal(shift, 1, 250)])
        low, high = ks_interval(values, np.repeat([0, 1], [150, 250]), seed=run, draws=150)
        covered += low <= true <= high
    assert binomtest(covered, runs, 0.95, alternative="less").pvalue > 1e-3
