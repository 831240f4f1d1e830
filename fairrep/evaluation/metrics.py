"""One task's figures from predictions: utility, gaps with intervals, the groups' sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from fairrep.evaluation.bootstrap import gap_interval, ks_interval
from fairrep.functional import group_rates
from fairrep.functional.group_distributions import largest_ks_distance
from fairrep.types import TaskSpec

Metrics = dict[str, Any]


def task_metrics(
    task: TaskSpec,
    prediction: np.ndarray,
    y: np.ndarray,
    s: np.ndarray,
    groups: Sequence[str],
    *,
    seed: int,
) -> Metrics:
    """Figures of one task on the rows that have a label.

    Args:
        task: the task.
        prediction: (n,) probability of class 1, (n, K) probabilities, or (n,) regression values
            in the label's unit.
        y: labels (n,), NaN = none.
        s: group codes (n,), -1 = unknown group (counts for utility, not for gaps).
        groups: names in code order.
        seed: of the bootstrap.

    Returns:
        JSON-ready: ``accuracy``, ``balanced_accuracy``, ``auc`` (or ``rmse``, ``r2``), the
        differences with ``…_ci`` (95%), and ``groups`` with each group's n and rates.
    """
    known = ~np.isnan(y)
    rows = prediction[known], y[known], s[known]
    figures = (
        _regression(*rows, groups, seed)
        if task.kind == "regression"
        else _classes(task, *rows, groups, seed)
    )
    return {"n": int(known.sum()), **figures}


def decide(prediction: np.ndarray) -> np.ndarray:
    """Class decisions: probability above one half, or the most probable class."""
    return (prediction > 0.5).astype(int) if prediction.ndim == 1 else prediction.argmax(1)


def _classes(
    task: TaskSpec,
    prediction: np.ndarray,
    y: np.ndarray,
    s: np.ndarray,
    groups: Sequence[str],
    seed: int,
) -> Metrics:
    decision = decide(prediction)
    counts = group_rates.group_confusion(
        torch.from_numpy(decision),
        torch.from_numpy(y),
        torch.from_numpy(s),
        classes=task.classes,
        groups=len(groups),
    )
    table = counts.numpy()
    return {
        "accuracy": float((decision == y).mean()),
        "balanced_accuracy": float(group_rates.balanced_accuracy(counts)),
        "auc": _auc(prediction, y),
        **_gap("demographic_parity_difference", counts, table, _decided, seed),
        "demographic_parity_ratio": float(group_rates.demographic_parity_ratio(counts)),
        **_gap("equal_opportunity_difference", counts, table, _hits, seed),
        **_gap("equalized_odds_difference", counts, table, _hits_and_false, seed),
        "groups": {
            name: {"n": int(table[g].sum()), "rates": _decided_all(table[g : g + 1])[0].tolist()}
            for g, name in enumerate(groups)
            if table[g].sum()
        },
    }


def _regression(
    prediction: np.ndarray, y: np.ndarray, s: np.ndarray, groups: Sequence[str], seed: int
) -> Metrics:
    residual = float(np.square(prediction - y).mean())
    gap = largest_ks_distance(torch.from_numpy(prediction), torch.from_numpy(s), groups=len(groups))
    return {
        "rmse": residual**0.5,
        "r2": 1 - residual / float(y.var()) if y.var() > 0 else float("nan"),
        # the gap of the worst threshold on the prediction: the KS distance
        "demographic_parity_difference": float(gap),
        "demographic_parity_difference_ci": list(ks_interval(prediction, s, seed=seed)),
        "groups": {
            name: {"n": int((s == g).sum()), "mean": float(prediction[s == g].mean())}
            for g, name in enumerate(groups)
            if (s == g).any()
        },
    }


def _auc(prediction: np.ndarray, y: np.ndarray) -> float:
    """Area under the ROC curve, one class against the rest; NaN where a class is absent."""
    classes = 2 if prediction.ndim == 1 else prediction.shape[1]
    if len(np.unique(y)) < classes:
        return float("nan")
    return float(roc_auc_score(y, prediction, multi_class="ovr"))


def _gap(name: str, counts: torch.Tensor, table: np.ndarray, rates: Any, seed: int) -> Metrics:
    return {
        name: float(getattr(group_rates, name)(counts)),
        f"{name}_ci": list(gap_interval(table, rates, seed=seed)),
    }


def _decided_all(table: np.ndarray) -> np.ndarray:
    return table.sum(-2) / table.sum((-2, -1))[..., None]


def _decided(table: np.ndarray) -> np.ndarray:
    return _binary(_decided_all(table))


def _hits(table: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return _binary(np.diagonal(table, axis1=-2, axis2=-1) / table.sum(-1))


def _hits_and_false(table: np.ndarray) -> np.ndarray:
    diagonal = np.diagonal(table, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):
        wrong = (table.sum(-2) - diagonal) / (table.sum((-2, -1))[..., None] - table.sum(-1))
    return np.concatenate([_hits(table), _binary(wrong)], axis=-1)


def _binary(rates: np.ndarray) -> np.ndarray:
    return rates[..., 1:] if rates.shape[-1] == 2 else rates
