"""Cells of a decision tree that shuns the sensitive attribute.

    python benchmarks/fair_tree.py         # checks the tree against scikit-learn's

A tree grows best-first. A leaf k is worth (1 - γ) w_k Gini_y(k) + γ m_k (1/2 - Gini_s(k)), to be
minimised, as in Jovanović, Balunović, Dimitrov and Vechev (2023), FARE, ICML. w_k is the leaf's
share of the rows; m_k and Gini_s count each row of group s with weight 1 / (2 n_s), so that both
groups weigh one half and m_k Gini_s is a matter of the groups' laws on the cells, not of their
sizes. Gini is 2 r (1 - r), at most 1/2. A split that lowers nothing is not made: uneven cells only
cost, and with γ = 1 there is no split.

Numbers are cut by value. Categories are put in order once, on all training rows, and cut like
numbers: by the rate of y, by that of s, and by six mixes of the two. Orders of a cell's own rows
follow their noise: on Washington's workers they cost a point of accuracy and more.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from sklearn.tree import DecisionTreeClassifier

DIRECTIONS = np.arange(8) * np.pi / 8
NOTHING = 1e-12


@dataclass(frozen=True)
class Split:
    """Rows of ``cell`` whose code is not in ``left`` move to a new cell."""

    cell: int
    column: int
    left: np.ndarray  # (codes of the column,), booleans


class Codes:
    """Every column as small integers: ranks of numbers, categories + 1 (0 = unseen).

    Args:
        x: training rows (n, p), category codes >= -1 in the columns that are categorical.
        cardinality: the number of a column's categories; 0 = a number.
    """

    def __init__(self, x: np.ndarray, cardinality: list[int]) -> None:
        values = [None if c else np.unique(column) for c, column in zip(cardinality, x.T)]
        self.edges = [None if v is None else (v[:-1] + v[1:]) / 2 for v in values]
        self.sizes = [c + 1 if c else len(e) + 1 for c, e in zip(cardinality, self.edges)]
        self.categorical = [bool(c) for c in cardinality]

    def of(self, x: np.ndarray) -> np.ndarray:
        """Codes (n, p) of rows (n, p)."""
        columns = [
            column.astype(np.int64) + 1 if edges is None else np.searchsorted(edges, column)
            for edges, column in zip(self.edges, x.T)
        ]
        return np.stack(columns, 1)


@dataclass(frozen=True)
class Growth:
    """How a tree grows."""

    gamma: float
    leaves: int
    min_rows: int  # of a leaf
    smoothing: float  # rows of the average kind that join each category before it is ordered


def grow(
    codes: np.ndarray, columns: Codes, y: np.ndarray, s: np.ndarray, how: Growth
) -> list[Split]:
    """Splits in the order of their gain: the first K - 1 of them make the tree with K leaves.

    Args:
        codes: training rows (n, p).
        columns: what coded them.
        y: labels 0 and 1 (n,).
        s: groups 0 and 1 (n,).
        how: the criterion, and when to stop.
    """
    scale = 0.5 / np.bincount(s, minlength=2)
    start = np.concatenate([[0], np.cumsum(columns.sizes)])
    bins = (codes + start[:-1]) * 4 + (2 * y + s)[:, None]

    def tables(rows: np.ndarray) -> list[np.ndarray]:
        counts = np.bincount(bins[rows].ravel(), minlength=4 * start[-1])
        return np.split(counts.reshape(-1, 2, 2), start[1:-1])

    everything = np.arange(len(codes))
    ways = [
        orders(table, how.smoothing) if categorical else np.arange(len(table))[None]
        for table, categorical in zip(tables(everything), columns.categorical)
    ]
    queue: list[tuple[float, int, int, np.ndarray, np.ndarray]] = []

    def offer(cell: int, rows: np.ndarray) -> None:
        gain, column, left = best_split(tables(rows), ways, scale, how)
        if column >= 0:
            heapq.heappush(queue, (-gain, cell, column, left, rows))

    offer(0, everything)
    splits: list[Split] = []
    while queue and len(splits) < how.leaves - 1:
        _, cell, column, left, rows = heapq.heappop(queue)
        splits.append(Split(cell, column, left))
        stays = left[codes[rows, column]]
        offer(cell, rows[stays])
        offer(len(splits), rows[~stays])
    return splits


def orders(table: np.ndarray, smoothing: float) -> np.ndarray:
    """Orders (D, m) of categories along mixes of their rates of y and s; counts (m, y, s)."""
    share = table.sum((1, 2)) / table.sum()
    smooth = table + max(smoothing, NOTHING) * table.sum(0) / table.sum()
    rows = smooth.sum((1, 2))
    rates = np.stack([smooth[:, 1].sum(1) / rows, smooth[:, :, 1].sum(1) / rows])
    rates -= (rates @ share)[:, None]
    spread = np.sqrt(rates**2 @ share)[:, None]
    rates /= np.where(spread > 0, spread, 1)
    along = np.cos(DIRECTIONS)[:, None] * rates[0] + np.sin(DIRECTIONS)[:, None] * rates[1]
    return np.argsort(along, axis=1, kind="stable")


def best_split(
    tables: list[np.ndarray], ways: list[np.ndarray], scale: np.ndarray, how: Growth
) -> tuple[float, int, np.ndarray]:
    """Gain, column (-1 = none) and left codes of a cell's best split; tables count (m, y, s)."""
    best: tuple[float, int, np.ndarray] = (NOTHING, -1, np.zeros(0, bool))
    total = tables[0].sum(0)
    own = worth(total, scale, how.gamma)
    for column, (table, way) in enumerate(zip(tables, ways)):
        left = table[way].cumsum(1)[:, :-1]  # (D, m - 1, y, s)
        right = total - left
        fewest = np.minimum(left.sum((-2, -1)), right.sum((-2, -1)))
        gains = own - worth(left, scale, how.gamma) - worth(right, scale, how.gamma)
        gains[fewest < how.min_rows] = -np.inf
        if gains.size and gains.max() > best[0]:
            d, cut = np.unravel_index(int(gains.argmax()), gains.shape)
            mask = np.zeros(len(table), bool)
            mask[way[d, : cut + 1]] = True
            best = (float(gains[d, cut]), column, mask)
    return best


def worth(counts: np.ndarray, scale: np.ndarray, gamma: float) -> np.ndarray:
    """What a leaf adds to the criterion, but for γ/2 m_k, which sums to a constant.

    Args:
        counts: rows by label and group (..., 2, 2).
        scale: weight of a row in each group, 1 / (2 n_s).
        gamma: weight of s, the rest is y's.
    """
    rows = (0.5 / scale).sum()
    y, s = counts.sum(-1) / rows, counts.sum(-2) * scale
    return (1 - gamma) * weighted_gini(y) - gamma * weighted_gini(s)


def weighted_gini(pair: np.ndarray) -> np.ndarray:
    """Total weight times 2 r (1 - r), of two weights (..., 2)."""
    return 2 * pair[..., 0] * pair[..., 1] / np.maximum(pair.sum(-1), 1e-300)


def cells(splits: list[Split], codes: np.ndarray) -> np.ndarray:
    """The cell (n,) of every row."""
    cell = np.zeros(len(codes), np.int64)
    for new, split in enumerate(splits, 1):
        rows = np.flatnonzero(cell == split.cell)
        cell[rows[~split.left[codes[rows, split.column]]]] = new
    return cell


def main() -> None:
    """With γ = 0 and numbers alone the leaves are as pure as those of scikit-learn's tree."""
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(20_000, 6)), 2)
    s = (x[:, 0] + rng.normal(size=len(x)) > 0).astype(np.int64)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(np.int64)
    columns = Codes(x, [0] * 6)
    codes = columns.of(x)
    for leaves in (2, 8, 32, 128):
        theirs = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=50, random_state=0)
        theirs.fit(x, y)
        for gamma in (0.0, 0.5, 0.9):
            how = Growth(gamma, leaves, min_rows=50, smoothing=0)
            cell = cells(grow(codes, columns, y, s, how), codes)
            one, other = impurity(cell, y), impurity(theirs.apply(x), y)
            print(
                f"{leaves:3d} leaves, γ = {gamma:.1f}: Gini of y {one:.6f}, scikit-learn's "
                f"{other:.6f}, of s {impurity(cell, s):.4f}"
            )
            if gamma == 0 and abs(one - other) > 1e-9:
                raise SystemExit("The tree with γ = 0 must be scikit-learn's.")


def impurity(cell: np.ndarray, label: np.ndarray) -> float:
    """Mean Gini of the leaves, weighted by their rows."""
    _, leaf = np.unique(cell, return_inverse=True)
    counts = np.stack([np.bincount(leaf[label == v], minlength=leaf.max() + 1) for v in (0, 1)], 1)
    return float(weighted_gini(counts / len(cell)).sum())


if __name__ == "__main__":
    main()
