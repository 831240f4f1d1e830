"""Stratified bootstrap intervals for gaps between groups.

A gap is the absolute value of a signed difference. The percentile interval of the absolute value
cannot reach 0 and so misses a true gap of 0; the interval is therefore that of the *signed*
difference, mapped to its absolute value. A gap that is the largest of m differences takes m
intervals at level 1 - α/m and the largest of their ends: if all of them cover, so does it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

Interval = tuple[float, float]
Rates = Callable[[np.ndarray], np.ndarray]
"""(…, G, C, C) counts → (…, G, k) rates."""


def gap_interval(
    counts: np.ndarray, rates: Rates, *, seed: int, level: float = 0.95, draws: int = 2000
) -> Interval:
    """Interval for the largest difference of ``rates`` between two groups.

    Resampling the rows within each group is a multinomial draw of the group's counts: exact, and
    independent of the number of rows.

    Args:
        counts: (G, C, C) by group, true class, decided class.
        rates: which rates are compared.
        seed: of the draws.
        level: coverage wanted.
        draws: bootstrap draws, at least (raised when many differences are compared).

    Returns:
        (lower, upper), both NaN with fewer than two groups.
    """
    present = counts[counts.sum((1, 2)) > 0]
    if len(present) < 2:
        return (float("nan"), float("nan"))
    columns = rates(present).shape[-1]
    comparisons = columns * len(present) * (len(present) - 1) // 2
    draws = max(draws, int(np.ceil(100 * comparisons)))
    drawn = rates(_resample(present, draws, np.random.default_rng(seed)))  # (draws, G, k)
    tail = (1 - level) / comparisons / 2
    intervals = [
        _absolute(_quantiles(drawn[:, a, k] - drawn[:, b, k], tail))
        for a, b in combinations(range(len(present)), 2)
        for k in range(columns)
    ]
    return (max(low for low, _ in intervals), max(high for _, high in intervals))


def ks_interval(
    values: np.ndarray, group: np.ndarray, *, seed: int, level: float = 0.95, draws: int = 400
) -> Interval:
    """Interval for the largest KS distance between two groups' values.

    The bootstrap law of sup|D* - D|, D the signed difference of the distribution functions, gives
    a band around D; the interval is the range of sup|·| over the band.
    """
    samples = [values[group == g] for g in np.unique(group[group >= 0])]
    pairs = list(combinations(samples, 2))
    if not pairs:
        return (float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    intervals = [_ks_pair(x, y, rng, 1 - (1 - level) / len(pairs), draws) for x, y in pairs]
    return (max(low for low, _ in intervals), max(high for _, high in intervals))


def _resample(counts: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    groups, classes, _ = counts.shape
    flat = counts.reshape(groups, -1)
    drawn = [rng.multinomial(row.sum(), row / row.sum(), size=draws) for row in flat]
    return np.stack(drawn, axis=1).reshape(draws, groups, classes, classes)


def _quantiles(differences: np.ndarray, tail: float) -> Interval:
    known = differences[~np.isnan(differences)]
    if known.size == 0:
        return (float("nan"), float("nan"))
    low, high = np.quantile(known, [tail, 1 - tail])
    return (float(low), float(high))


def _absolute(interval: Interval) -> Interval:
    low, high = interval
    if low <= 0 <= high:
        return (0.0, max(abs(low), high))
    return (min(abs(low), abs(high)), max(abs(low), abs(high)))


def _ks_pair(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, level: float, draws: int
) -> Interval:
    points = np.unique(np.concatenate([x, y]))
    at_x, at_y = np.searchsorted(points, x), np.searchsorted(points, y)

    def signed(in_x: np.ndarray, in_y: np.ndarray) -> np.ndarray:
        below_x = np.bincount(in_x, minlength=len(points)).cumsum() / len(in_x)
        below_y = np.bincount(in_y, minlength=len(points)).cumsum() / len(in_y)
        return below_x - below_y

    observed = signed(at_x, at_y)
    deviations = [
        np.abs(signed(rng.choice(at_x, len(at_x)), rng.choice(at_y, len(at_y))) - observed).max()
        for _ in range(draws)
    ]
    distance, band = np.abs(observed).max(), np.quantile(deviations, level)
    return (float(max(0.0, distance - band)), float(min(1.0, distance + band)))
