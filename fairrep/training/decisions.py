"""What a penalty compares: the representation, or what the joint heads would decide."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.types import TaskSpec


def soft_decisions(
    outputs: Float[Tensor, "*B n o"], tasks: Sequence[TaskSpec], *, temperature: float
) -> Float[Tensor, "*B n o"]:
    """Decisions that can be differentiated: with temperature → 0 they become 0 and 1.

    Binary: sigmoid(logit / temperature); multiclass: softmax of the same; regression: the
    standardised prediction itself. The means of two groups' decisions differ by their
    demographic-parity difference, up to the softening.

    Args:
        outputs: the heads' outputs side by side.
        tasks: the tasks in column order.
        temperature: width of the softened threshold in units of the logits, > 0.
    """
    parts = outputs.split([task.outputs for task in tasks], dim=-1)
    return torch.cat([_soft(p / temperature, p, task) for p, task in zip(parts, tasks)], dim=-1)


def _soft(logits: Tensor, plain: Tensor, task: TaskSpec) -> Tensor:
    if task.kind == "binary":
        return logits.sigmoid()
    return logits.softmax(dim=-1) if task.kind == "multiclass" else plain
