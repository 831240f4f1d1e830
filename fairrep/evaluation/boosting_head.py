"""Fresh boosting heads: scikit-learn's histogram gradient boosting, one task at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_info, threadpool_limits

from fairrep.evaluation.view import View
from fairrep.types import TaskSpec

ITERATIONS = 100  # at most; the best of them on validation rows is kept
ROWS_A_THREAD = 200_000  # with fewer, meeting costs the threads more than they do
LARGEST = 255  # categories that the trees split as sets; columns with more are read as numbers


class BoostingHead:
    """A fitted head of one task, and how many of its trees are used."""

    def __init__(self, model: Any, task: TaskSpec, iterations: int) -> None:
        self.model, self.task, self.iterations = model, task, iterations

    def predict(self, view: View) -> np.ndarray:
        """Probability of class 1 (n,), of every class (n, K), or values in the label's unit."""
        x = view.for_trees
        with _threads(len(x)):
            return next(islice(_stages(self.model, self.task, x), self.iterations - 1, None))


def fit_boosting_head(
    train: View, y: np.ndarray, val: View, y_val: np.ndarray, task: TaskSpec, *, seed: int
) -> BoostingHead:
    """Fit on labelled training rows; the number of trees is chosen on validation rows."""
    known, known_val = ~np.isnan(y), ~np.isnan(y_val)
    kind = (
        HistGradientBoostingRegressor
        if task.kind == "regression"
        else HistGradientBoostingClassifier
    )
    with _threads(len(y)):
        model = kind(
            max_iter=ITERATIONS,
            early_stopping=False,
            categorical_features=_categorical(train),
            random_state=seed % 2**32,
        ).fit(train.for_trees[known], y[known])
        if not known_val.any():
            return BoostingHead(model, task, ITERATIONS)
        labels = y_val[known_val]
        losses = [_loss(task, p, labels) for p in _stages(model, task, val.for_trees[known_val])]
    return BoostingHead(model, task, int(np.argmin(losses)) + 1)


def _threads(rows: int) -> AbstractContextManager[Any]:
    """No more threads than the rows keep busy."""
    present = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    return threadpool_limits(min(present, 1 + rows // ROWS_A_THREAD))


def _categorical(view: View) -> list[bool] | None:
    if view.categorical is None:
        return None
    highest = view.for_trees.max(axis=0)
    return [codes and top < LARGEST for codes, top in zip(view.categorical, highest)]


def _stages(model: Any, task: TaskSpec, x: np.ndarray) -> Any:
    if task.kind == "regression":
        return model.staged_predict(x)
    return (p[:, 1] if task.kind == "binary" else p for p in model.staged_predict_proba(x))


def _loss(task: TaskSpec, prediction: np.ndarray, y: np.ndarray) -> float:
    if task.kind == "regression":
        return float(np.square(prediction - y).mean())
    if prediction.ndim == 2:
        chosen = prediction[np.arange(len(y)), y.astype(int)]
    else:
        chosen = np.where(y == 1, prediction, 1 - prediction)
    return float(-np.log(np.clip(chosen, np.finfo(float).eps, None)).mean())
