"""Upper bounds of TV between two groups' laws on K cells, from counts of calibration rows.

``a`` and ``b`` are counts (K,) of the two groups; a bound holds with probability >= 1 - delta over
calibration rows that had no part in making the cells. TV is the largest demographic-parity
difference of any classifier that sees the cell alone.

The first three are unions of Clopper-Pearson intervals, one or more a cell; the last has no union.
"""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

GRID = np.linspace(0, 1, 21)
BASE, CELLS = 0.2, 0.6  # shares of delta in the bound by ratios; the sum takes the rest


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the summed differences of the cells' shares."""
    return float(0.5 * np.abs(a / a.sum() - b / b.sum()).sum())


def interval(counts: np.ndarray, n: np.ndarray | int, delta: float) -> tuple[np.ndarray, ...]:
    """Clopper-Pearson: lower and upper end, each of which fails with probability <= delta."""
    k, n = np.broadcast_arrays(np.asarray(counts, float), np.asarray(n, float))
    lower = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, delta), 0.0)
    upper = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - delta), 1.0)
    return lower, upper


def by_upper_rates(a: np.ndarray, b: np.ndarray, *, delta: float) -> float:
    """sum_k max(upper p_k, upper q_k) - 1: 2K one-sided ends, as TV = sum_k max(p_k, q_k) - 1."""
    each = delta / (2 * len(a))
    p, q = interval(a, a.sum(), each)[1], interval(b, b.sum(), each)[1]
    return float(min(1.0, np.maximum(p, q).sum() - 1))


def by_boxes(a: np.ndarray, b: np.ndarray, *, delta: float) -> float:
    """The largest TV of laws within both groups' intervals: 4K one-sided ends.

    For a set A of cells, P(A) <= min(sum_A upper, 1 - sum_rest lower), which any mix of the two
    bounds; likewise Q(A) from below. For fixed mixes the worst A is found cell by cell, and the
    mixes that bound best may be searched for, since all follow from the same 4K events.
    """
    each = delta / (4 * len(a))
    (lp, up), (lq, uq) = interval(a, a.sum(), each), interval(b, b.sum(), each)
    u, v = GRID[:, None, None], GRID[None, :, None]
    inside = u * up - v * lq
    outside = (1 - v) * uq - (1 - u) * lp
    bounds = np.maximum(inside, outside).sum(-1) + GRID[None, :] - GRID[:, None]
    return float(min(1.0, bounds.min()))


def by_ratios(
    a: np.ndarray, b: np.ndarray, *, delta: float, base: tuple[int, int] | None = None
) -> float:
    """sum_k (share of cell k) max(eta_k / pi_b, (1 - eta_k) / pi_a) - 1, eta_k = P(b | cell k).

    eta_k by intervals (2K ends), pi from ``base`` rows of each group (2 ends; by default the
    calibration rows); then the mean over rows of the true ratio, a number in [1, largest ratio],
    by Hoeffding. The ratio is fixed before the rows are drawn, so that one set of rows serves all.
    """
    n = a + b
    total = int(n.sum())
    base_a, base_b = base or (int(a.sum()), int(b.sum()))
    pi_a, pi_b = interval(np.array([base_a, base_b]), base_a + base_b, BASE * delta / 2)[0]
    lower, upper = interval(b, n, CELLS * delta / (2 * len(a)))
    ratio = np.maximum(upper / pi_b, (1 - lower) / pi_a)
    spread = np.sqrt(np.log(1 / ((1 - BASE - CELLS) * delta)) / (2 * total))
    return float(min(1.0, n @ ratio / total - 1 + (ratio.max() - 1) * spread))


def by_mcdiarmid(a: np.ndarray, b: np.ndarray, *, delta: float) -> float:
    """TV of the counts + sqrt(ln(1/delta) / 2 * (1/n_a + 1/n_b)): nothing in it grows with K.

    The counts' TV is at least TV in expectation (Jensen), and a row moves it by at most 1/n_s.
    """
    width = np.sqrt(np.log(1 / delta) / 2 * (1 / a.sum() + 1 / b.sum()))
    return float(min(1.0, total_variation(a, b) + width))
