"""Boosted trees on Adult, post-processed to a bound on the gap, on the splits of encoders.py front.

    pip install oxonfair==0.3
    python benchmarks/post_processed.py          # five seeds, a split each
    python benchmarks/post_processed.py --methods thresholds --seeds 1

The trees are those of encoders.py tables: scikit-learn's histogram boosting, chosen on validation
rows. Every method is fitted on validation rows for a range of bounds; of all its settings whose
validation gap is within .02, .05 or .10 the one with the best validation accuracy is read on test
rows. So it is with the λ of encoders.py front, and the figures are laid out as there.

inferred    OxonFair, groups of trees that predict s from x: s not needed at prediction time
known       OxonFair with s at prediction time
thresholds  fairlearn's ThresholdOptimizer (randomised), s at prediction time

Writes benchmarks/results/post-processed.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import encoders as front
import numpy as np
from fairlearn.postprocessing import ThresholdOptimizer
from oxonfair import FairPredictor
from oxonfair import group_metrics as gm
from sklearn.base import BaseEstimator, ClassifierMixin

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import Rows
from fairrep.encoders.saved import cardinalities

RESULTS = Path(__file__).resolve().parent / "results" / "post-processed.json"
UNSURE = (0, 0.6, 2 / 3, 0.8, 0.9)  # where P(s | x) is below, a row is in a group of its own
TOLERANCES = np.linspace(0, 0.16, 33)


@dataclass(frozen=True)
class Part:
    """Labels, groups, and what the trees say of both."""

    y: np.ndarray
    s: np.ndarray
    income: np.ndarray
    group: np.ndarray

    @property
    def oxon(self) -> dict[str, Any]:
        two = (np.stack([1 - p, p], axis=1) for p in (self.income, self.group))
        return {"data": np.concatenate([*two], axis=1), "target": self.y, "groups": self.s}

    def figures(self, decided: np.ndarray) -> dict[str, float]:
        rates = [decided[self.s == group].mean() for group in (0, 1)]
        return {
            "accuracy": float((decided == self.y).mean()),
            "gap": float(abs(rates[0] - rates[1])),
        }


def split(seed: int) -> dict[str, Part]:
    """Validation and test rows with the trees' probabilities."""
    settings = [*front.TABLES["adult"], f"seed={seed}", f"split_seed={seed}"]
    data = build_data(compose_config("train", settings))
    sizes = cardinalities(data.schema)
    said: dict[str, list[np.ndarray]] = {"val": [], "test": []}
    for labels in (income, group):
        train, val = ((rows.x.numpy(), labels(rows)) for rows in (data.train, data.val))
        model, trees = front.best_trees(train, val, sizes, seed)
        for name, found in said.items():
            x = getattr(data, name).x.numpy()
            found.append(front.trees_probability(model, trees, x))
    return {
        name: Part(income(rows), group(rows), *said[name])
        for name, rows in (("val", data.val), ("test", data.test))
    }


def income(rows: Rows) -> np.ndarray:
    return rows.y[:, 0].numpy().astype(int)


def group(rows: Rows) -> np.ndarray:
    return rows.s.numpy().astype(int)


Decide = Callable[[Part], np.ndarray]


def known(val: Part, seed: int) -> Iterator[Decide]:
    yield from oxon_front(FairPredictor(lambda d: d[:, :2], val.oxon))


def inferred(val: Part, seed: int) -> Iterator[Decide]:
    groups: dict[str, Any] = {"inferred_groups": lambda d: d[:, 2:]}
    for threshold in UNSURE:
        predictor = FairPredictor(lambda d: d[:, :2], val.oxon, threshold=threshold, **groups)
        yield from oxon_front(predictor)
    yield from oxon_front(FairPredictor(lambda d: d[:, :2], val.oxon, use_fast=False, **groups))


def oxon_front(predictor: FairPredictor) -> Iterator[Decide]:
    """Every setting on the front that OxonFair finds on validation rows."""
    predictor.fit(gm.accuracy, gm.demographic_parity, 0.05)
    offsets = predictor.frontier_thresholds()
    for k in range(offsets.shape[-1]):
        predictor.set_threshold(offsets[..., k])
        yield lambda part: np.asarray(predictor.predict(part.oxon))


class Said(ClassifierMixin, BaseEstimator):
    """A classifier whose one column is its probability."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Said:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.concatenate([1 - X, X], axis=1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return (X[:, 0] > 0.5).astype(int)


def thresholds(val: Part, seed: int) -> Iterator[Decide]:
    for tolerance in TOLERANCES:
        model = ThresholdOptimizer(
            estimator=Said(), predict_method="predict_proba", tol=float(tolerance)
        ).fit(val.income[:, None], val.y, sensitive_features=val.s)
        yield partial(randomised, model, seed=seed)


def randomised(model: ThresholdOptimizer, part: Part, *, seed: int) -> np.ndarray:
    said = part.income[:, None]
    return model.predict(said, sensitive_features=part.s, random_state=seed)


METHODS: dict[str, Callable[[Part, int], Iterator[Decide]]] = {
    "inferred": inferred,
    "known": known,
    "thresholds": thresholds,
}


def points(method: str, seed: int, parts: dict[str, Part]) -> list[dict[str, Any]]:
    return [
        {"penalty": method, "weight": k, "seed": seed}
        | {name: part.figures(decide(part)) for name, part in parts.items()}
        for k, decide in enumerate(METHODS[method](parts["val"], seed))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    quieten()
    found: dict[str, list[dict[str, Any]]] = {method: [] for method in asked.methods}
    trees = []
    for seed in range(asked.seeds):
        parts = split(seed)
        trees.append({n: part.figures(part.income > 0.5) for n, part in parts.items()})
        for method in asked.methods:
            found[method] += points(method, seed, parts)
        tables = {
            method: {str(bound): front.chosen(own, bound) for bound in front.BOUNDS}
            for method, own in found.items()
        }
        content = {"environment": environment(), "trees": trees, "tables": tables}
        asked.out.write_text(json.dumps(content, indent=1) + "\n")
        front.show_fronts(tables)


if __name__ == "__main__":
    main()
