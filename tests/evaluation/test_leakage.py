"""What probes read of s from a representation."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.evaluation import leakage

RNG = np.random.default_rng(0)


def probe(z, s):
    half = len(z) // 2
    return leakage(z[:half], s[:half], z[half:], s[half:], seed=0)


def test_noise_leaks_nothing():
    """Mean over draws within four standard errors of chance (n per group of each test half)."""
    draws, n = 8, 1000
    found = [probe(RNG.normal(size=(4 * n, 3)), RNG.integers(0, 2, 4 * n)) for _ in range(draws)]
    error = {"auc": np.sqrt((2 * n + 1) / (12 * n * n)), "balanced_accuracy": 0.5 / np.sqrt(2 * n)}
    for name in ("logistic", "boosting"):
        for score, single in error.items():
            mean = np.mean([one[name][score] for one in found])
            assert mean == pytest.approx(0.5, abs=4 * single / np.sqrt(draws)), (name, score)


def test_boosting_sees_what_a_linear_probe_misses():
    z = RNG.normal(size=(4000, 2))
    found = probe(z, ((z[:, 0] > 0) != (z[:, 1] > 0)).astype(int))
    assert found["boosting"]["balanced_accuracy"] > 0.95
    assert found["logistic"]["balanced_accuracy"] < 0.6


def test_unequal_groups_do_not_hide_behind_the_majority():
    """Nine in ten rows of one group: always guessing it scores one half, reading z more."""
    s = (RNG.random(6000) < 0.1).astype(int)
    z = RNG.normal(size=(6000, 2)) + 2 * s[:, None]
    for scores in probe(z, s).values():
        assert scores["balanced_accuracy"] > 0.85


def test_three_groups_and_rows_of_unknown_ones():
    s = RNG.integers(0, 3, 3000)
    z = RNG.normal(size=(3000, 2)) + s[:, None] * 3
    half = 1500
    unknown = s[half:].copy()
    unknown[:20] = -1
    found = leakage(z[:half], s[:half], z[half:], unknown, seed=0)
    assert found["logistic"]["balanced_accuracy"] > 0.8
    assert found["logistic"]["auc"] > 0.9
