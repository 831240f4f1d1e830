"""Upper bounds of TV between two groups' laws on K cells, from counts of calibration rows.

    python benchmarks/cell_bounds.py       # checks them on laws that are known

``a`` and ``b`` are counts (K,) of the two groups; a bound holds with probability >= 1 - delta over
calibration rows that had no part in making the cells. TV is the largest demographic-parity
difference of any classifier that sees the cell alone.

The first three are unions of Clopper-Pearson intervals, one or more a cell; the last has no union.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.special import betaincinv
from scipy.stats import binom

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


def main() -> None:
    """Bounds fail no more often than they may and tend to TV; the boxes' is their worst law's."""
    rng = np.random.default_rng(0)
    draws, delta = 2_000, 0.05
    most = int(binom.ppf(1 - 1e-4, draws, delta))
    bounds = (by_upper_rates, by_boxes, by_ratios, by_mcdiarmid)
    for cells, apart in product((2, 8, 64), (0.0, 0.3)):
        p = rng.dirichlet(np.full(cells, 2.0))
        q = (1 - apart) * p + apart * rng.dirichlet(np.full(cells, 2.0))
        true = 0.5 * np.abs(p - q).sum()
        failed, width = np.zeros(len(bounds), int), np.zeros(len(bounds))
        for _ in range(draws):
            n = rng.binomial(2_000, 0.4)
            a, b = rng.multinomial(n, p), rng.multinomial(2_000 - n, q)
            found = np.array([bound(a, b, delta=delta) for bound in bounds])
            failed += found < true
            width += (found - true) / draws
        text = ", ".join(
            f"{bound.__name__} {width[k]:+.3f} ({failed[k]})" for k, bound in enumerate(bounds)
        )
        print(f"K = {cells}, TV = {true:.3f}: mean distance (failures of {draws}): {text}")
        if failed.max() > most:
            raise SystemExit(f"A bound may fail {most} times, one failed {failed.max()} times.")
        many = [np.round(size * law) for size, law in ((4e11, p), (6e11, q))]
        limits = [bound(*many, delta=delta) for bound in bounds]
        if not np.allclose(limits, true, rtol=0, atol=1e-3):
            raise SystemExit(f"With many rows a bound must be TV = {true}, got {limits}.")
    check_boxes(rng, delta)


def check_boxes(rng: np.random.Generator, delta: float) -> None:
    """Over every set A of six cells: the largest P(A) - Q(A) that intervals and sums of 1 allow."""
    for _ in range(50):
        a, b = (rng.multinomial(300, rng.dirichlet(np.ones(6))) for _ in range(2))
        (lp, up), (lq, uq) = (interval(n, n.sum(), delta / 24) for n in (a, b))
        exact = max(
            min(up[chosen].sum(), 1 - lp[~chosen].sum())
            - max(lq[chosen].sum(), 1 - uq[~chosen].sum())
            for chosen in map(np.array, product((False, True), repeat=6))
        )
        found = by_boxes(a, b, delta=delta)
        if not exact - 1e-12 <= found <= exact + 0.05:
            raise SystemExit(f"The worst law has TV {exact:.4f}, the bound says {found:.4f}.")


if __name__ == "__main__":
    main()
