"""Heads by name: fit on training rows, select on validation rows, predict test rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairrep.evaluation.mlp_head import fit_mlp_heads
from fairrep.types import TaskSpec

Arrays = tuple[np.ndarray, np.ndarray]
"""Representations (n, d) and labels (n, T)."""
FitHeads = Callable[[Arrays, Arrays, np.ndarray, Sequence[TaskSpec], int], list[np.ndarray]]
"""(train, val, z_test, tasks, seed) → predictions on the test rows, one array a task."""


def logistic_heads(
    train: Arrays, val: Arrays, z_test: np.ndarray, tasks: Sequence[TaskSpec], seed: int
) -> list[np.ndarray]:
    """Logistic regression per task (ridge for regression) on standardised representations."""
    return [_linear(train, t, z_test, task) for t, task in enumerate(tasks)]


def mlp_heads(
    train: Arrays, val: Arrays, z_test: np.ndarray, tasks: Sequence[TaskSpec], seed: int
) -> list[np.ndarray]:
    """MLPs with one hidden layer of 50 units, stopped on validation rows."""
    scaler = StandardScaler().fit(train[0])
    z, z_val, z_last = (
        torch.from_numpy(scaler.transform(part).astype(np.float32))
        for part in (train[0], val[0], z_test)
    )
    y, y_val = (torch.from_numpy(part[1].astype(np.float32)) for part in (train, val))
    heads = fit_mlp_heads(z, y, z_val, y_val, tasks, seed=seed)
    with torch.no_grad():
        return predictions(heads(z_last), tasks)


HEADS: dict[str, FitHeads] = {"logistic": logistic_heads, "mlp": mlp_heads}


def predictions(outputs: torch.Tensor, tasks: Sequence[TaskSpec]) -> list[np.ndarray]:
    """Turn heads' outputs into probabilities, or regression values in the labels' units."""
    parts = outputs.detach().cpu().double().split([task.outputs for task in tasks], dim=1)
    return [_prediction(part, task) for part, task in zip(parts, tasks)]


def _prediction(outputs: torch.Tensor, task: TaskSpec) -> np.ndarray:
    if task.kind == "multiclass":
        return outputs.softmax(1).numpy()
    column = outputs[:, 0]
    if task.kind == "binary":
        return column.sigmoid().numpy()
    return (column * task.scale + task.mean).numpy()


def _linear(train: Arrays, t: int, z_test: np.ndarray, task: TaskSpec) -> np.ndarray:
    known = ~np.isnan(train[1][:, t])
    z, y = train[0][known], train[1][known, t]
    model: Any = Ridge() if task.kind == "regression" else LogisticRegression(max_iter=2000)
    fitted = make_pipeline(StandardScaler(), model).fit(z, y)
    if task.kind == "regression":
        return fitted.predict(z_test)
    probabilities = fitted.predict_proba(z_test)
    return probabilities[:, 1] if task.kind == "binary" else probabilities
