"""Metrics of the joint heads on the validation rows, each epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep.functional import group_rates
from fairrep.functional.group_distributions import largest_ks_distance
from fairrep.types import TaskSpec


def joint_metrics(
    outputs: Float[Tensor, "n o"],
    y: Float[Tensor, "n t"],
    s: Int[Tensor, " n"],
    tasks: Sequence[TaskSpec],
    *,
    groups: int,
) -> dict[str, dict[str, float]]:
    """Task → ``utility`` (accuracy or R²) and ``demographic_parity_difference`` (decisions; KS
    distance of the predictions for regression).
    """
    parts = outputs.split([task.outputs for task in tasks], dim=1)
    return {
        task.name: _regression(part, y[:, t], s, task, groups)
        if task.kind == "regression"
        else _classes(part, y[:, t], s, task, groups)
        for t, (task, part) in enumerate(zip(tasks, parts))
    }


def decide(outputs: Float[Tensor, "n k"]) -> Int[Tensor, " n"]:
    """Class decisions from logits: probability above one half, or the largest."""
    return (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)


def _classes(
    outputs: Tensor, y: Tensor, s: Tensor, task: TaskSpec, groups: int
) -> dict[str, float]:
    counts = group_rates.group_confusion(decide(outputs), y, s, classes=task.classes, groups=groups)
    return {
        "utility": float(group_rates.accuracy(counts)),
        "demographic_parity_difference": float(group_rates.demographic_parity_difference(counts)),
    }


def _regression(
    outputs: Tensor, y: Tensor, s: Tensor, task: TaskSpec, groups: int
) -> dict[str, float]:
    known = ~torch.isnan(y)
    values, target = outputs[known, 0], (y[known] - task.mean) / task.scale
    residual = (values - target).square().mean() / target.var(correction=0)
    gap = largest_ks_distance(values, s[known], groups=groups)
    return {"utility": float(1 - residual), "demographic_parity_difference": float(gap)}
