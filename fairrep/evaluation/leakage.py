"""How well the sensitive attributes can be read from a representation.

Reading them is a prediction task like any other: the same fresh heads, fitted beside the tasks'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch import Tensor

from fairrep.evaluation.figures_of_task import Grouping
from fairrep.types import AttributeSpec, TaskSpec

GROUPS = "groups"


@dataclass(frozen=True)
class Probe:
    """One thing to be read: the intersections, an attribute's group, or its real value."""

    name: str
    task: TaskSpec
    way: Grouping | None  # of a group
    column: int = 0  # of a real value, among the attributes as numbers


def probes(ways: Sequence[Grouping], attributes: Sequence[AttributeSpec]) -> list[Probe]:
    """Say what is to be read: every grouping, and every real-valued attribute as a number."""
    found = []
    for way in ways:
        kind = "binary" if len(way.groups) == 2 else "multiclass"
        name = way.name or (attributes[0].name if len(attributes) == 1 else GROUPS)
        found.append(Probe(name, TaskSpec(f"s/{name}", kind, way.groups), way))  # type: ignore[arg-type]
    column = 0
    for attribute in attributes:
        if attribute.real:
            name = f"{attribute.name} (real)"
            found.append(Probe(name, TaskSpec(f"s/{name}", "regression"), None, column))
        column += attribute.width
    return found


def probe_labels(asked: Sequence[Probe], s: Tensor, a: Tensor) -> Tensor:
    """Labels (n, p): group codes, NaN = unknown; real values in training standard deviations."""
    columns = []
    for probe in asked:
        if probe.way is None:
            columns.append(a[:, probe.column].double())
        else:
            codes = torch.from_numpy(probe.way.codes(s.numpy())).double()
            columns.append(torch.where(codes < 0, torch.nan, codes))
    return torch.stack(columns, dim=1) if columns else torch.empty(len(s), 0, dtype=torch.float64)


def leakage(
    probe: Probe, prediction: np.ndarray, y: np.ndarray, y_train: np.ndarray
) -> dict[str, float]:
    """Score one head's reading of s on rows of known groups.

    Probabilities are divided by the training shares before the largest decides, so groups count
    alike: chance is balanced accuracy 1/G, AUC 0.5 (one group against the rest, averaged) or
    R² 0.
    """
    known = ~np.isnan(y)
    y, prediction = y[known], prediction[known]
    if probe.way is None:
        spread = np.square(y - y.mean()).mean()
        return {"r2": float(1 - np.square(prediction - y).mean() / spread)}
    both = np.stack([1 - prediction, prediction], 1) if prediction.ndim == 1 else prediction
    shares = np.bincount(y_train[~np.isnan(y_train)].astype(int), minlength=both.shape[1])
    decided = (both / np.maximum(shares, 1)).argmax(1)
    complete = len(np.unique(y)) == both.shape[1]
    auc = roc_auc_score(y, prediction, multi_class="ovr") if complete else float("nan")
    return {
        "balanced_accuracy": float(balanced_accuracy_score(y, decided)),
        "auc": float(auc),
    }


def strongest(by_head: Mapping[str, Mapping[str, float]]) -> str:
    """Name the head that reads most."""
    key = "r2" if "r2" in next(iter(by_head.values())) else "balanced_accuracy"
    return max(by_head, key=lambda head: by_head[head][key])
