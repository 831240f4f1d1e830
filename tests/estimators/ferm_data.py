"""Made-up rows whose groups differ, for the tests of FERM."""

from __future__ import annotations

from itertools import combinations

import numpy as np


def made_up(n=120, d=4, groups=2, seed=0, classes=2):
    """X (n, d), labels, groups by name; every class has rows of every group."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % groups
    X = rng.normal(size=(n, d)) + rng.normal(size=(groups, d))[codes]
    score = X @ rng.normal(size=d) + rng.normal(size=n)
    y = np.zeros(n, dtype=int)
    for k in range(groups):  # quantiles within groups, so that no class lacks a group
        cuts = np.quantile(score[codes == k], np.arange(1, classes) / classes + 0.1 * (k > 0) / 2)
        y[codes == k] = np.searchsorted(cuts, score[codes == k])
    return X, y, np.array(["b", "a", "d", "c"])[codes]


def compared(notion, y):
    """Masks of the rows that a notion compares."""
    if notion == "demographic_parity":
        return [np.ones(len(y), dtype=bool)]
    return [y == 1] if notion == "equal_opportunity" else [y == 0, y == 1]


def largest_gap(values, y, s, notion):
    """Largest difference of two groups' mean values among the rows of a notion."""
    return max(
        abs(values[rows & (s == a)].mean() - values[rows & (s == b)].mean())
        for rows in compared(notion, y)
        for a, b in combinations(np.unique(s), 2)
    )


def differences(X, y, s, notion):
    """(d, m) differences of the groups' mean rows."""
    return np.column_stack(
        [
            X[rows & (s == a)].mean(0) - X[rows & (s == b)].mean(0)
            for rows in compared(notion, y)
            for a, b in combinations(np.unique(s), 2)
        ]
    )
