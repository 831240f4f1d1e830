"""What a search measures of every setting, out of fold, and the bounds on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from fairrep.errors import ConfigError, EstimatorError
from fairrep.estimators.out_of_fold import OutOfFold
from fairrep.estimators.prediction_metrics import (
    Metric,
    class_metrics,
    number_metrics,
    probability_metrics,
)
from fairrep.tuning import Constraint, parse_constraints

SCORE = "score"


@dataclass(frozen=True)
class Measured:
    """The figures of a setting.

    Attributes:
        of_predictions: metrics of predicted labels or numbers.
        of_chances: metrics of the positive class's probability.
        constraints: the bounds on them.
    """

    of_predictions: dict[str, Metric]
    of_chances: dict[str, Metric]
    constraints: tuple[Constraint, ...]

    def figures(self, found: OutOfFold, y: Any, groups: np.ndarray) -> dict[str, float]:
        """The folds' mean score and spread, and every metric of all rows predicted so far."""
        truth, own = np.asarray(y)[found.rows], groups[found.rows]
        both = (self.of_predictions, found.predicted), (self.of_chances, found.chances)
        return {
            SCORE: float(found.scores.mean()),
            f"{SCORE}_std": float(found.scores.std()),
            **{
                name: float(metric(truth, values, own))
                for metrics, values in both
                for name, metric in metrics.items()
            },
        }


def read_measured(estimator: Any, y: Any, constraint: Any) -> Measured:
    """Read the constraints on an estimator of these labels.

    Raises:
        EstimatorError: another form, a metric that is not known (the known ones are listed), one
            of probabilities where the estimator has none.
    """
    classes = np.unique(y) if is_classifier(estimator) else None
    known = number_metrics() if classes is None else class_metrics(classes)
    scored = {} if classes is None or len(classes) != 2 else probability_metrics()
    try:
        constraints = parse_constraints(constraint, known=[*known, *scored])
    except ConfigError as problem:
        raise EstimatorError(str(problem)) from problem
    asked = {one.metric: one.measure for one in constraints}
    of_chances = {n: scored[n] for n, own in asked.items() if own is None and n in scored}
    if of_chances and not hasattr(estimator, "predict_proba"):
        raise EstimatorError(
            f"constraint {next(iter(of_chances))} needs an estimator with predict_proba, got "
            f"{type(estimator).__name__}."
        )
    of_predictions = {n: own or known[n] for n, own in asked.items() if n not in of_chances}
    bounds = tuple(Constraint(one.metric, one.bound, one.at_least) for one in constraints)
    return Measured(of_predictions, of_chances, bounds)


def kinds_of_rows(groups: np.ndarray, y: Any | None) -> np.ndarray:
    """A number for every combination of groups (n, k) or (n,), and label if given, as (n,)."""
    columns = groups if y is None else np.column_stack([groups, y])
    return np.unique(columns.astype(str), axis=0, return_inverse=True)[1].ravel()
