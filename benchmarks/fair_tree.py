"""Cells of a decision tree that shuns the sensitive attribute: a certified rival of ours.

    python benchmarks/fair_tree.py --seeds 5       # needs the person file (FAIRREP_DATA)
    python benchmarks/fair_tree.py --check         # what tree and bounds must fulfil

Income of Washington's workers, s = sex, not in x. A tree grows best-first; a leaf k is worth
(1 - γ) w_k Gini_y(k) + γ m_k (1/2 - Gini_s(k)), to be minimised, as in Jovanović, Balunović,
Dimitrov and Vechev (2023), FARE, ICML. w_k is the leaf's share of the rows; m_k and Gini_s count
each row of group s with weight 1 / (2 n_s), so that both groups weigh one half and m_k Gini_s is a
matter of the groups' laws on the cells, not of their sizes. A split that lowers nothing is not
made. Gini is 2 r (1 - r), at most 1/2.

The held-out rows are split into validation and calibration rows. Bounds of TV from calibration
rows at δ = .05: three unions of Clopper-Pearson intervals over the cells, the least of them at
δ/3 each, and McDiarmid's, which needs no union. The head is the majority label of each cell on
training rows: no other is more accurate there. For each bound on the certificate the most accurate
tree on validation rows; with `certified at once` the certificate holds for all trees of the grid
at the same time (δ over their number), as a choice by certificates requires.
Writes benchmarks/results/certified-trees.json after every seed, and runs no seed that it holds.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cell_bounds import by_boxes, by_mcdiarmid, by_ratios, by_upper_rates, total_variation
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import PreparedData, Rows
from fairrep.encoders.saved import cardinalities

RESULTS = Path("/tmp/ct.json")
DELTA = 0.05
CALIBRATION, VALIDATION = 0.3, 0.2  # of the rows that are not test rows; of what then remains
HELD_OUT = CALIBRATION + (1 - CALIBRATION) * VALIDATION
DATA = [
    "data=acs",
    "data.states=[WA]",
    "data.year=2024",
    "data.people=income",
    "data.tasks.seen=[income]",
    "data.tasks.novel=[public_coverage,private_coverage,poverty,mobility,travel_time]",
    f"data.val_fraction={HELD_OUT}",
    "penalty=none",
    "logger=none",
]
GAMMAS = (0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)
LEAVES = (2, 4, 8, 16, 32, 64, 128, 200)
MIN_ROWS = 50
BOUNDS = (0.03, 0.05, 0.075, 0.10, 0.15, 0.2, 0.3)
DIRECTIONS = np.arange(8) * np.pi / 8


@dataclass(frozen=True)
class Split:
    """Rows of ``cell`` whose code is not in ``left`` move to a new cell."""

    cell: int
    column: int
    left: np.ndarray  # (codes of the column,), booleans


class Codes:
    """Every column as small integers: ranks of numbers, categories + 1 (0 = unseen)."""

    def __init__(self, x: np.ndarray, cardinality: list[int]) -> None:
        values = [None if c else np.unique(col) for c, col in zip(cardinality, x.T)]
        self.edges = [None if v is None else (v[:-1] + v[1:]) / 2 for v in values]
        self.sizes = [c + 1 if c else len(e) + 1 for c, e in zip(cardinality, self.edges)]

    def of(self, x: np.ndarray) -> np.ndarray:
        """Codes (n, p) of standardised numbers and category codes (n, p)."""
        columns = [
            column.astype(np.int64) + 1 if edges is None else np.searchsorted(edges, column)
            for edges, column in zip(self.edges, x.T)
        ]
        return np.stack(columns, 1)


def worth(counts: np.ndarray, scale: np.ndarray, gamma: float) -> np.ndarray:
    """A leaf's share of what is minimised, without the constant γ/2: counts (..., y, s) → (...)."""
    y, s = counts.sum(-1), counts.sum(-2) * scale

    def gini(pair: np.ndarray) -> np.ndarray:
        return 2 * pair[..., 0] * pair[..., 1] / np.maximum(pair.sum(-1), 1e-300)

    rows = 1 / (0.5 / scale).sum()
    return (1 - gamma) * gini(y) * rows - gamma * gini(s)


def orders(counts: np.ndarray, scale: np.ndarray, *, categorical: bool) -> np.ndarray:
    """Orders (D, m) in which a column's codes are cut: by value, or along mixes of two rates."""
    if not categorical:
        return np.arange(len(counts))[None]
    rows, s = counts.sum((-2, -1)), counts.sum(-2) * scale
    present = np.flatnonzero(rows)
    rates = np.stack([counts[:, 1].sum(-1) / np.maximum(rows, 1), s[:, 1] / np.maximum(s.sum(-1), 1e-300)])
    rates, weights = rates[:, present], rows[present] / rows.sum()
    centred = rates - (rates @ weights)[:, None]
    spread = np.sqrt(centred**2 @ weights)[:, None]
    centred /= np.where(spread > 0, spread, 1)
    along = np.cos(DIRECTIONS)[:, None] * centred[0] + np.sin(DIRECTIONS)[:, None] * centred[1]
    return present[np.argsort(along, axis=1, kind="stable")]


def best_split(
    tables: list[np.ndarray],
    categorical: list[bool],
    scale: np.ndarray,
    *,
    gamma: float,
    min_rows: int,
) -> tuple[float, int, np.ndarray]:
    """Gain, column and left codes of the best split of a cell; the tables are (m, y, s) counts."""
    found: tuple[float, int, np.ndarray] = (0.0, -1, np.zeros(0, bool))
    total = tables[0].sum(0)
    own = worth(total, scale, gamma)
    for column, table in enumerate(tables):
        order = orders(table, scale, categorical=categorical[column])
        left = table[order].cumsum(1)[:, :-1]  # (D, m - 1, y, s)
        if not left.size:
            continue
        right = total - left
        gains = own - worth(left, scale, gamma) - worth(right, scale, gamma)
        fewest = np.minimum(left.sum((-2, -1)), right.sum((-2, -1)))
        gains[fewest < min_rows] = -np.inf
        d, cut = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[d, cut] > found[0] + 1e-12:
            mask = np.zeros(len(table), bool)
            if categorical[column]:  # codes that the cell lacks go with the larger side
                size = left[d, cut].sum()
                mask[table.sum((-2, -1)) == 0] = 2 * size > total.sum()
            mask[order[d, : cut + 1]] = True
            found = (float(gains[d, cut]), column, mask)
    return found


def grow(
    codes: np.ndarray,
    sizes: list[int],
    categorical: list[bool],
    y: np.ndarray,
    s: np.ndarray,
    *,
    gamma: float,
    leaves: int,
    min_rows: int,
) -> list[Split]:
    """Splits in the order of their gain: the first K - 1 of them make the tree with K leaves."""
    scale = 0.5 / np.bincount(s, minlength=2)
    start = np.concatenate([[0], np.cumsum(sizes)])
    bins = (codes + start[:-1]) * 4 + (2 * y + s)[:, None]
    queue: list[tuple[float, int, int, np.ndarray, np.ndarray]] = []

    def offer(cell: int, rows: np.ndarray) -> None:
        counts = np.bincount(bins[rows].ravel(), minlength=4 * start[-1]).reshape(-1, 2, 2)
        tables = np.split(counts, start[1:-1])
        gain, column, left = best_split(tables, categorical, scale, gamma=gamma, min_rows=min_rows)
        if column >= 0:
            heapq.heappush(queue, (-gain, cell, column, left, rows))

    offer(0, np.arange(len(codes)))
    splits: list[Split] = []
    while queue and len(splits) < leaves - 1:
        _, cell, column, left, rows = heapq.heappop(queue)
        splits.append(Split(cell, column, left))
        stays = left[codes[rows, column]]
        offer(cell, rows[stays])
        offer(len(splits), rows[~stays])
    return splits


def cells(splits: list[Split], codes: np.ndarray) -> np.ndarray:
    """The cell (n,) of every row."""
    cell = np.zeros(len(codes), np.int64)
    for new, split in enumerate(splits, 1):
        rows = np.flatnonzero(cell == split.cell)
        cell[rows[~split.left[codes[rows, split.column]]]] = new
    return cell


@dataclass(frozen=True)
class Part:
    """Codes, labels and groups of one split."""

    codes: np.ndarray  # (n, p)
    y: np.ndarray  # (n,)
    s: np.ndarray  # (n,)

    def counts(self, cell: np.ndarray, k: int) -> list[np.ndarray]:
        """Rows of each group in each of k cells."""
        return [np.bincount(cell[self.s == group], minlength=k) for group in (0, 1)]


def calibration_rows(held_out: Rows, *, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of calibration rows, a share stratified by group and label, and of the others."""
    strata = 2 * held_out.s.numpy() + held_out.y[:, 0].numpy()
    other, own = train_test_split(
        np.arange(len(held_out)), test_size=share, random_state=seed, stratify=strata
    )
    return own, other


def parts(data: PreparedData, codes: Codes, seed: int) -> dict[str, Part]:
    def part(rows: Rows, chosen: np.ndarray | slice = slice(None)) -> Part:
        y = rows.y[:, 0].numpy().astype(np.int64)
        return Part(codes.of(rows.x.numpy())[chosen], y[chosen], rows.s.numpy()[chosen])

    own, other = calibration_rows(data.val, share=CALIBRATION / HELD_OUT, seed=seed)
    found = {"train": part(data.train), "test": part(data.test)}
    return found | {"val": part(data.val, other), "calibration": part(data.val, own)}


def figures(rows: Part, cell: np.ndarray, rates: np.ndarray) -> dict[str, float]:
    """Of the head that says a cell's majority label, and TV: the largest gap of any head."""
    says, counts = rates[cell] > 0.5, rows.counts(cell, len(rates))
    return {
        "accuracy": float((says == rows.y).mean()),
        "auc": float(roc_auc_score(rows.y, rates[cell])),
        "gap": float(abs(says[rows.s == 0].mean() - says[rows.s == 1].mean())),
        "tv": total_variation(*counts),
    }


def certificates(
    a: np.ndarray, b: np.ndarray, base: tuple[int, int], delta: float
) -> dict[str, float]:
    """Each bound by itself at delta, and the least of the unions at delta / 3 each."""

    def unions(own: float) -> dict[str, float]:
        return {
            "upper_rates": by_upper_rates(a, b, delta=own),
            "boxes": by_boxes(a, b, delta=own),
            "ratios": by_ratios(a, b, delta=own, base=base),
        }

    least = min(unions(delta / 3).values())
    return unions(delta) | {"per_cell": least, "mcdiarmid": by_mcdiarmid(a, b, delta=delta)}


def one_seed(seed: int) -> list[dict[str, Any]]:
    data = build_data(compose_config("train", [*DATA, f"split_seed={seed}"]))
    cardinality = cardinalities(data.schema)
    codes = Codes(data.train.x.numpy(), cardinality)
    split = parts(data, codes, seed)
    train, calibration = split["train"], split["calibration"]
    known = [split[name].s for name in ("train", "val", "calibration")]
    base = tuple(int(n) for n in np.bincount(np.concatenate(known), minlength=2))
    categorical = [bool(c) for c in cardinality]
    rows = []
    for gamma in GAMMAS:
        begin = time.perf_counter()
        options = {"gamma": gamma, "leaves": max(LEAVES), "min_rows": MIN_ROWS}
        splits = grow(train.codes, codes.sizes, categorical, train.y, train.s, **options)
        seconds = time.perf_counter() - begin
        for leaves in sorted({min(k, len(splits) + 1) for k in LEAVES} - {1}):
            own = {name: cells(splits[: leaves - 1], part.codes) for name, part in split.items()}
            sizes = np.bincount(own["train"], minlength=leaves)
            rates = np.bincount(own["train"], train.y, minlength=leaves) / sizes
            a, b = calibration.counts(own["calibration"], leaves)
            rows.append(
                {"seed": seed, "gamma": gamma, "leaves": leaves, "seconds": seconds}
                | {name: figures(split[name], own[name], rates) for name in ("val", "test")}
                | {"calibration": {"rows": [int(a.sum()), int(b.sum())], "tv": total_variation(a, b)}}
                | {"certificate": certificates(a, b, base, DELTA)}
                | {"at_once": certificates(a, b, base, DELTA / (len(GAMMAS) * len(LEAVES)))}
            )
    return rows


def front(rows: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Per bound on a certificate: each seed's most accurate tree, its test figures averaged."""
    found: dict[str, Any] = {}
    for bound in BOUNDS:
        best = []
        for seed in sorted({row["seed"] for row in rows}):
            within = [r for r in rows if r["seed"] == seed and r[kind][name] <= bound]
            if within:
                best.append(max(within, key=lambda row: row["val"]["accuracy"]))
        if best:
            values = {
                "val_accuracy": [row["val"]["accuracy"] for row in best],
                "certificate": [row[kind][name] for row in best],
                **{key: [row["test"][key] for row in best] for key in best[0]["test"]},
            }
            found[str(bound)] = {
                "seeds": len(best),
                "settings": [f"γ = {r['gamma']:g}, {r['leaves']} leaves" for r in best],
            } | {
                key: {"mean": float(np.mean(v)), "sd": float(np.std(v, ddof=len(v) > 1))}
                for key, v in values.items()
            }
    return found


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = rows[0]["certificate"]
    return {kind: {n: front(rows, kind, n) for n in names} for kind in ("certificate", "at_once")}


def show(found: dict[str, Any]) -> None:
    for kind, title in (("certificate", "certified alone"), ("at_once", "certified at once")):
        for name in ("per_cell", "mcdiarmid"):
            print(f"{title}, {name}")
            for bound, one in found[kind][name].items():
                text = "  ".join(
                    f"{key} {one[key]['mean']:.4f} ± {one[key]['sd']:.4f}"
                    for key in ("val_accuracy", "accuracy", "auc", "gap", "tv", "certificate")
                )
                print(f"  <= {bound:5s} {text}  ({one['seeds']} seeds; {one['settings'][0]})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    quieten()
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    for seed in range(asked.seeds):
        if seed not in [row["seed"] for row in rows]:
            rows += one_seed(seed)
            content = {"environment": environment(), "settings": DATA, "delta": DELTA}
            content |= {"min_rows": MIN_ROWS, "summary": summary(rows), "rows": rows}
            RESULTS.write_text(json.dumps(content, indent=1) + "\n")
            print(f"seed {seed}", flush=True)
    show(summary(rows))


if __name__ == "__main__":
    main()
