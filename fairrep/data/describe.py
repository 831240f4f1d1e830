"""What a prepared data set holds, in numbers and words, for people to read before training."""

from __future__ import annotations

from typing import Any

import torch

from fairrep.data.prepared import PreparedData
from fairrep.types import TaskSpec


def describe(data: PreparedData) -> dict[str, Any]:
    """Rows, groups with base rates, tasks, columns, terms and harms; JSON-ready."""
    return {
        "name": data.spec.name,
        "title": data.spec.title,
        "source": data.spec.source,
        "licence": data.spec.licence,
        "harms": list(data.spec.harms),
        "rows": {name: len(rows) for name, rows in data.splits.items()},
        "left_out": data.left_out,
        "notes": list(data.notes),
        "sensitive": list(data.sensitive),
        "groups": {
            group: {
                "rows": {name: int((rows.s == g).sum()) for name, rows in data.splits.items()},
                "base_rates": {
                    task.name: _base_rate(task, data.train.y[data.train.s == g, t])
                    for t, task in enumerate(data.tasks)
                },
            }
            for g, group in enumerate(data.groups)
        },
        "unknown_group": {name: int((rows.s < 0).sum()) for name, rows in data.splits.items()},
        "tasks": {
            task.name: {
                "kind": task.kind,
                "seen": task.seen,
                "about": data.spec.tasks[task.name].about,
                "labels": list(task.labels),
            }
            for task in data.tasks
        },
        "features": list(data.schema.names),
        "dropped": data.dropped,
        "surprises": data.surprises,
    }


def _base_rate(task: TaskSpec, labels: torch.Tensor) -> float:
    """Mean label of the training rows: share of class 1, of the commonest class, or the mean."""
    known = labels[~torch.isnan(labels)]
    if len(known) == 0:
        return float("nan")
    if task.kind == "multiclass":
        return float(torch.bincount(known.long()).max() / len(known))
    return float(known.mean())
