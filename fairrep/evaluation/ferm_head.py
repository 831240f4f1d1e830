"""FERM as a head: the best linear head whose mean outputs differ between groups by at most ε."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import log_loss

from fairrep.estimators import FERMClassifier, FERMRegressor
from fairrep.evaluation.heads import Predict, Predictions, Rows
from fairrep.evaluation.linear_head import STRENGTHS, moments
from fairrep.evaluation.view import View
from fairrep.types import TaskSpec


@dataclass(frozen=True)
class FermHead:
    """One task's head on one representation."""

    model: Any
    mean: np.ndarray
    scale: np.ndarray
    task: TaskSpec

    def predict(self, z: np.ndarray) -> np.ndarray:
        """Probability of class 1 (n,), of every class (n, K), or values."""
        unit = (z - self.mean) / self.scale
        if self.task.kind == "regression":
            return self.model.predict(unit)
        found = self.model.predict_proba(unit)
        if self.task.kind == "binary":
            return found[:, 1]
        every = np.zeros((len(z), self.task.classes))
        every[:, self.model.classes_.astype(int)] = found  # classes that training rows hold
        return every


def ferm_heads(
    train: Rows, val: Rows, tasks: Sequence[TaskSpec], seed: int, *, notion: str, epsilon: float
) -> Predict:
    """Logistic regression (ridge for regression) under FERM's constraint; strength by ``val``.

    Args:
        train: with groups.
        val: rows that choose the penalty's strength, by the loss.
        tasks: what is predicted.
        seed: not read; as for every head.
        notion: rows among which the groups' mean outputs are compared; for a regression all.
        epsilon: ε, in units of log-odds, or of the label.

    Raises:
        EstimatorError: a group without rows that the notion is about.
    """
    heads = [
        [_fit(view, view_val, train, val, t, task, notion, epsilon) for t, task in enumerate(tasks)]
        for view, view_val in zip(train.views, val.views)
    ]

    def predict(views: Sequence[View]) -> Predictions:
        return [[head.predict(_array(view)) for head in row] for view, row in zip(views, heads)]

    return predict


def _fit(
    view: View,
    view_val: View,
    train: Rows,
    val: Rows,
    t: int,
    task: TaskSpec,
    notion: str,
    epsilon: float,
) -> FermHead:
    z, y, s = _labelled(view, train, t)
    z_val, y_val, _ = _labelled(view_val, val, t)
    mean, scale = (part[0].numpy() for part in moments(torch.from_numpy(z)[None]))  # (1, d)
    fitted = []
    for strength in STRENGTHS:
        model = _model(task, 1 / strength, notion, epsilon)
        model.fit((z - mean) / scale, y, sensitive_features=s)
        head = FermHead(model, mean, scale, task)
        fitted.append((_loss(task, head.predict(z_val), y_val), head))
    return min(fitted, key=lambda pair: pair[0])[1]  # ties go to the strongest


def _model(task: TaskSpec, C: float, notion: str, epsilon: float) -> Any:
    if task.kind == "regression":
        return FERMRegressor("ridge", C=C, epsilon=epsilon)
    return FERMClassifier("logistic", C=C, epsilon=epsilon, notion=notion)


def _labelled(view: View, rows: Rows, t: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows with a label, of a known group."""
    y, s = rows.y[:, t].cpu().numpy(), rows.s.cpu().numpy()
    kept = ~np.isnan(y) & (s >= 0)
    return _array(view)[kept], y[kept], s[kept]


def _array(view: View) -> np.ndarray:
    return view.matrix.double().cpu().numpy()


def _loss(task: TaskSpec, predicted: np.ndarray, y: np.ndarray) -> float:
    if not len(y):
        return 0.0
    if task.kind == "regression":
        return float(np.square(predicted - y).mean())
    return float(log_loss(y, predicted, labels=np.arange(task.classes)))
