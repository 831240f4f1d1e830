"""Metrics of the joint heads on the validation rows, each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep.functional import group_rates
from fairrep.functional.group_distributions import largest_ks_distance
from fairrep.functional.total_variation import cell_shares, total_variation
from fairrep.penalties import Notion
from fairrep.types import TaskSpec

TOTAL_VARIATION = "total_variation"
"""Name of the cells' gap, beside the tasks' own."""


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


def gaps_of(
    metrics: Mapping[str, Mapping[str, float]],
    z: Float[Tensor, "n d"],
    y: Float[Tensor, "n t"],
    s: Int[Tensor, " n"],
    *,
    cells: bool,
    notion: Notion,
    groups: int,
) -> dict[str, float]:
    """Each task's demographic-parity difference; with cells, also their total variation.

    That is the largest between two groups among the rows that the notion looks at: what a
    certificate will be about.
    """
    gaps = {task: values["demographic_parity_difference"] for task, values in metrics.items()}
    if not cells:
        return gaps
    distances = [0.0]
    for mask in notion.conditions(y):
        keep = torch.ones_like(s, dtype=torch.bool) if mask is None else mask
        rows = [z[keep & (s == g)].double() for g in range(groups)]
        pairs = combinations([cell_shares(own) for own in rows if len(own)], 2)
        distances += [float(total_variation(p, q)) for p, q in pairs]
    return gaps | {TOTAL_VARIATION: max(distances)}


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
