"""Intervals of gaps: of the signed differences, mapped to their absolute value.

A gap is the largest of several absolute differences. The percentile interval of an absolute value
cannot reach 0 and so misses a true gap of 0; the signed differences have honest intervals, and if
all of these cover at once, so does the interval of the largest absolute value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

Interval = tuple[float, float]
UNKNOWN: Interval = (float("nan"), float("nan"))
LEVEL = 0.95
CLEARLY = 4.0  # standard errors below the largest: no candidate for being it
MANY = 16  # figures at once whose tails are not read off the draws
MOST = 2048  # pairs of differences compared one by one


@dataclass(frozen=True)
class Differences:
    """Signed differences that may be the largest, observed (m,) and resampled (draws, m)."""

    observed: Float[np.ndarray, " m"]
    drawn: Float[np.ndarray, "draws m"]


def differences(
    rates: Float[np.ndarray, "g k"], drawn: Float[np.ndarray, "draws g k"]
) -> Differences:
    """All pairwise differences between groups that are known, without the clearly smaller ones.

    Leaving these out, which cannot be the largest, keeps the interval of the largest from being
    wider than its level says.
    """
    pairs = list(combinations(range(len(rates)), 2))
    if not pairs:
        return Differences(np.empty(0), np.empty((len(drawn), 0)))
    first, second = (list(side) for side in zip(*pairs))
    observed = (rates[first] - rates[second]).ravel()
    resampled = (drawn[:, first] - drawn[:, second]).reshape(len(drawn), -1)
    known = ~np.isnan(observed)
    observed, resampled = observed[known], resampled[:, known]
    resampled = np.where(np.isnan(resampled), observed, resampled)
    if not observed.size:
        return Differences(observed, resampled)
    error = resampled.std(axis=0)
    top = np.abs(observed).argmax()
    margin = CLEARLY * np.hypot(error, error[top])
    kept = np.abs(observed) >= np.abs(observed[top]) - margin
    return Differences(observed[kept], resampled[:, kept])


def gap_interval(found: Differences, *, level: float = LEVEL) -> Interval:
    """Interval of max |difference|; NaN with fewer than two groups."""
    if not found.observed.size:
        return UNKNOWN
    low, high = simultaneous(found.drawn, level, observed=found.observed)
    inner = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    outer = np.maximum(np.abs(low), np.abs(high))
    return (float(inner.max()), float(outer.max()))


def gap_change_interval(a: Differences, b: Differences, *, level: float = LEVEL) -> Interval:
    """Interval of max |difference of a| - max |difference of b|, of the same resamples.

    |u| - |v| is the largest over the sign of u, of the smallest over that of v, of ±u - ±v; each
    of these is a plain difference with a percentile interval.
    """
    if not (a.observed.size and b.observed.size):
        return UNKNOWN
    if a.observed.size * b.observed.size > MOST:
        (low_a, high_a), (low_b, high_b) = (
            gap_interval(part, level=(1 + level) / 2) for part in (a, b)
        )
        return (low_a - high_b, high_a - low_b)
    signed_a, signed_b = (np.concatenate([part.drawn, -part.drawn], axis=1) for part in (a, b))
    change = signed_a[:, :, None] - signed_b[:, None, :]  # (draws, 2 m_a, 2 m_b)
    shape = change.shape[1:]
    if a.observed.size == b.observed.size == 1:
        tail = (1 - level) / 2
        low, high = np.quantile(change, [tail, 1 - tail], axis=0)
    else:
        low, high = (
            end.reshape(shape) for end in simultaneous(change.reshape(len(change), -1), level)
        )
    return (float(low.min(axis=1).max()), float(high.min(axis=1).max()))


def percentile_interval(drawn: Float[np.ndarray, " draws"], *, level: float = LEVEL) -> Interval:
    """Percentile interval of one figure; NaN where no draw is known."""
    known = drawn[~np.isnan(drawn)]
    if not known.size:
        return UNKNOWN
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return (float(low), float(high))


def simultaneous(
    drawn: Float[np.ndarray, "draws m"],
    level: float,
    *,
    observed: Float[np.ndarray, " m"] | None = None,
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Percentile intervals of m figures, widened alike until a share ``level`` of the draws lies
    in all of them at once (with m = 1: the percentile interval).

    Many figures would need tails that a thousand draws do not show: then each interval is so many
    standard errors around what was ``observed``, as many as the draws' largest deviation needs.

    Ref: Beran (1988), Balanced simultaneous confidence sets, JASA 83; Romano and Wolf (2005),
    Econometrica 73.
    """
    if observed is not None and drawn.shape[1] > MANY:
        error = np.maximum(drawn.std(axis=0), np.finfo(np.float32).tiny)
        largest = (np.abs(drawn - observed) / error).max(axis=1)
        reach = np.quantile(largest, level) * error
        return observed - reach, observed + reach
    draws = len(drawn)
    rank = drawn.argsort(axis=0).argsort(axis=0)
    tail = (np.minimum(rank, draws - 1 - rank) + 0.5) / draws
    share = np.quantile(tail.min(axis=1), 1 - level)
    low = np.quantile(drawn, share, axis=0)
    return low, np.quantile(drawn, 1 - share, axis=0)
