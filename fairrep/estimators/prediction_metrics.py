"""Metrics of predictions by name, as the evaluation names them: what a search may bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from fairrep.estimators.groups import fit_groups
from fairrep.estimators.unfairness import prediction_difference
from fairrep.functional.group_distributions import largest_ks_distance

Metric = Callable[[Any, Any, Any], float]


def class_metrics(classes: np.ndarray) -> dict[str, Metric]:
    """Metrics (y_true, y_pred, sensitive_features) → number of predicted labels.

    Differences are the largest between two groups, as
    :func:`fairrep.estimators.unfairness.prediction_difference` says; the ratio is the smallest of
    two groups' positive rates, 1 where nobody is predicted positive.

    Args:
        classes: the labels' values, sorted; of two the larger is the positive one.
    """
    notions = ("demographic_parity", "equal_opportunity", "equalized_odds")
    found: dict[str, Metric] = {
        f"{notion}_difference": partial(_difference, notion=notion, classes=classes)
        for notion in notions
    }
    return found | {
        "demographic_parity_ratio": partial(_ratio, classes=classes),
        "accuracy": lambda y_true, y_pred, _: float(accuracy_score(y_true, y_pred)),
        "balanced_accuracy": lambda y_true, y_pred, _: float(
            balanced_accuracy_score(y_true, y_pred)
        ),
    }


def probability_metrics() -> dict[str, Metric]:
    """Metrics (y_true, probability, sensitive_features) → number of the positive class's chances.

    The AUC, and the largest difference of mean probability between two groups: what thresholds
    chosen later can still bring to light.
    """
    return {
        "auc": lambda y_true, chances, _: float(roc_auc_score(y_true, chances)),
        "score_mean_difference": partial(_difference, notion="demographic_parity", classes=None),
    }


def number_metrics() -> dict[str, Metric]:
    """The same of predicted numbers: KS distance and difference of means between groups."""
    return {
        "demographic_parity_difference": _largest_ks,
        "mean_difference": partial(_difference, notion="demographic_parity", classes=None),
        "rmse": lambda y_true, y_pred, _: float(root_mean_squared_error(y_true, y_pred)),
        "r2": lambda y_true, y_pred, _: float(r2_score(y_true, y_pred)),
    }


def _difference(y_true: Any, y_pred: Any, s: Any, *, notion: str, classes: Any) -> float:
    return prediction_difference(
        y_true, y_pred, sensitive_features=s, notion=notion, classes=classes
    )


def _ratio(y_true: Any, y_pred: Any, s: Any, *, classes: np.ndarray) -> float:
    groups, codes = fit_groups(s, rows=len(y_pred))
    ratios = [1.0]
    for positive in classes[1:] if len(classes) == 2 else classes:
        rates = np.bincount(codes, np.ravel(y_pred) == positive) / groups.counts
        if rates.max() > 0:
            ratios.append(float(rates.min() / rates.max()))
    return min(ratios)


def _largest_ks(y_true: Any, y_pred: Any, s: Any) -> float:
    groups, codes = fit_groups(s, rows=len(y_pred))
    values = torch.as_tensor(np.ravel(y_pred), dtype=torch.float64)
    return float(largest_ks_distance(values, torch.as_tensor(codes), groups=len(groups.values)))
