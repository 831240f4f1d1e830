"""Boosted trees on Adult made fair, by thresholds or anew, on the splits of encoders.py front.

    pip install oxonfair==0.3
    python benchmarks/post_processed.py          # five seeds, a split each
    python benchmarks/post_processed.py --methods thresholds --seeds 1

The trees are those of encoders.py tables: scikit-learn's histogram boosting, chosen on validation
rows. Every method is fitted for a range of bounds, reductions on training rows, the others on
validation rows; of all its settings whose validation gap is within .02, .05 or .10 the one with the
best validation accuracy is read on test rows. So it is with the λ of encoders.py front, and the
figures are laid out as there.

inferred    OxonFair, groups of trees that predict s from x: s not needed at prediction time
known       OxonFair with s at prediction time
thresholds  fairlearn's ThresholdOptimizer (randomised), s at prediction time
reductions  fairlearn's ExponentiatedGradient of the trees (randomised), s not needed; takes longest

Writes benchmarks/results/post-processed.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import encoders as front
import numpy as np
from fairlearn.metrics import demographic_parity_difference
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from oxonfair import FairPredictor
from oxonfair import group_metrics as gm
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten
from fairrep.app.run_folder import environment
from fairrep.data import Rows
from fairrep.encoders.saved import cardinalities

RESULTS = Path(__file__).resolve().parent / "results" / "post-processed.json"
UNSURE = (0, 0.6, 2 / 3, 0.8, 0.9)  # where P(s | x) is below, a row is in a group of its own
TOLERANCES = np.linspace(0, 0.16, 33)
VIOLATIONS = [k / 1000 for k in (0.5, 1, 2, 4, 7, 10, 15, 20, 25, 30, 40, 50, 65, 80)]


@dataclass(frozen=True)
class Part:
    """Columns, labels, groups, and what the trees say of both."""

    x: np.ndarray
    y: np.ndarray
    s: np.ndarray
    income: np.ndarray
    group: np.ndarray

    @property
    def oxon(self) -> dict[str, Any]:
        two = (np.stack([1 - p, p], axis=1) for p in (self.income, self.group))
        return {"data": np.concatenate([*two], axis=1), "target": self.y, "groups": self.s}

    def figures(self, decided: np.ndarray) -> dict[str, float]:
        gap = demographic_parity_difference(self.y, decided, sensitive_features=self.s)
        return {"accuracy": float((decided == self.y).mean()), "gap": float(gap)}


@dataclass(frozen=True)
class Split:
    """Rows, a number for whatever is random, and the trees' settings."""

    train: Part
    val: Part
    test: Part
    seed: int
    trees: HistGradientBoostingClassifier

    @property
    def read(self) -> dict[str, Part]:
        return {"val": self.val, "test": self.test}


def split(seed: int) -> Split:
    settings = [*front.TABLES["adult"], f"seed={seed}", f"split_seed={seed}"]
    data = build_data(compose_config("train", settings))
    models = [
        front.best_trees(
            (data.train.x.numpy(), labels(data.train)),
            (data.val.x.numpy(), labels(data.val)),
            cardinalities(data.schema),
            seed,
        )
        for labels in (income, group)
    ]

    def part(rows: Rows) -> Part:
        x = rows.x.numpy()
        said = (front.trees_probability(*model, x) for model in models)
        return Part(x, income(rows), group(rows), *said)

    model, trees = models[0]
    again = clone(model).set_params(max_iter=trees)
    return Split(part(data.train), part(data.val), part(data.test), seed, again)


def income(rows: Rows) -> np.ndarray:
    return rows.y[:, 0].numpy().astype(int)


def group(rows: Rows) -> np.ndarray:
    return rows.s.numpy().astype(int)


Decide = Callable[[Part], np.ndarray]


def inferred(rows: Split) -> Iterator[Decide]:
    for threshold in UNSURE:
        yield from oxon_front(rows, threshold=threshold, inferred_groups=said_of_groups)
    yield from oxon_front(rows, use_fast=False, inferred_groups=said_of_groups)


def said_of_groups(data: np.ndarray) -> np.ndarray:
    return data[:, 2:]


def oxon_front(rows: Split, **options: Any) -> Iterator[Decide]:
    """Every setting on the front that OxonFair finds on validation rows."""
    predictor = FairPredictor(lambda data: data[:, :2], rows.val.oxon, **options)
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


def thresholds(rows: Split) -> Iterator[Decide]:
    for tolerance in TOLERANCES:
        model = ThresholdOptimizer(
            estimator=Said(), predict_method="predict_proba", tol=float(tolerance)
        ).fit(rows.val.income[:, None], rows.val.y, sensitive_features=rows.val.s)
        yield lambda part, model=model: model.predict(
            part.income[:, None], sensitive_features=part.s, random_state=rows.seed
        )


def reductions(rows: Split) -> Iterator[Decide]:
    for violation in VIOLATIONS:
        constraint = DemographicParity(difference_bound=violation)
        model = ExponentiatedGradient(clone(rows.trees), constraint, eps=violation)
        model.fit(rows.train.x, rows.train.y, sensitive_features=rows.train.s)
        yield lambda part, model=model: model.predict(part.x, random_state=rows.seed)


METHODS: dict[str, Callable[[Split], Iterator[Decide]]] = {
    "inferred": inferred,
    "known": oxon_front,
    "thresholds": thresholds,
    "reductions": reductions,
}


def points(method: str, rows: Split) -> list[dict[str, Any]]:
    return [
        {"penalty": method, "weight": k, "seed": rows.seed}
        | {name: part.figures(decide(part)) for name, part in rows.read.items()}
        for k, decide in enumerate(METHODS[method](rows))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    quieten()
    trees: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        rows = split(seed)
        trees.append({name: part.figures(part.income > 0.5) for name, part in rows.read.items()})
        for method in asked.methods:
            found += points(method, rows)
        tables = front.front_tables(found)
        content = {"environment": environment(), "trees": trees, "tables": tables}
        asked.out.write_text(json.dumps(content, indent=1) + "\n")
        front.show_fronts(tables)


if __name__ == "__main__":
    main()
