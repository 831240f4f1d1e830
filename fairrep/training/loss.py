"""The multitask loss: every task's mean over its own labelled rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fairrep.distributed import process_count, sum_over_processes
from fairrep.types import TaskSpec


def multitask_loss(
    outputs: Float[Tensor, "*B n o"],
    y: Float[Tensor, "*B n t"],
    tasks: Sequence[TaskSpec],
    *,
    row_weights: Float[Tensor, "*B n"],
    task_weights: Float[Tensor, "*B t"],
) -> Float[Tensor, "*B"]:
    r"""Return :math:`\sum_t w_t \sum_i r_i m_{it} \ell_t / \sum_i r_i m_{it}`, m = has a label.

    :math:`\ell_t` is cross-entropy in nats (binary, multiclass) or the squared error in units of
    the training variance (regression). A task without a labelled row in the batch contributes 0.
    With several processes the sums run over all of them. Leading dimensions are models.

    Args:
        outputs: the heads' outputs side by side.
        y: labels, NaN = none; regression in the label's own unit.
        tasks: the tasks in column order.
        row_weights: r, see :class:`fairrep.types.Batch`.
        task_weights: w.
    """
    known = ~torch.isnan(y)
    weights = known * row_weights.unsqueeze(-1)  # (*B, n, t)
    losses = task_losses(outputs, y.nan_to_num(), tasks)  # (*B, n, t)
    rows = sum_over_processes(weights.sum(-2)).clamp_min(1e-12)  # (*B, t)
    means = (losses * weights).sum(-2) * process_count() / rows  # DDP averages over processes
    return (means * task_weights).sum(-1)


def task_losses(
    outputs: Float[Tensor, "*B n o"], y: Float[Tensor, "*B n t"], tasks: Sequence[TaskSpec]
) -> Float[Tensor, "*B n t"]:
    """Loss of each row on each task; all binary tasks, and all regressions, in one call each."""
    columns: dict[int, Tensor] = {}
    y = y.expand(*outputs.shape[:-1], -1)
    parts = outputs.split([task.outputs for task in tasks], dim=-1)
    for kind in ("binary", "regression"):
        where = [t for t, task in enumerate(tasks) if task.kind == kind]
        if where:
            values = torch.cat([parts[t] for t in where], dim=-1)
            losses = _column_losses(kind, values, y[..., where], [tasks[t] for t in where])
            columns |= dict(zip(where, losses.unbind(-1)))
    for t, task in enumerate(tasks):
        if task.kind == "multiclass":
            codes = y[..., t].long()
            losses = F.cross_entropy(parts[t].flatten(0, -2), codes.flatten(), reduction="none")
            columns[t] = losses.view(codes.shape)
    return torch.stack([columns[t] for t in range(len(tasks))], dim=-1)


def base_rate_logits(y: Float[Tensor, "n t"], tasks: Sequence[TaskSpec]) -> Float[Tensor, " o"]:
    """Outputs that predict every task's training base rates: where the heads' biases start.

    Without it the first hundreds of steps go into moving the biases there.
    """
    values: list[Tensor] = []
    for t, task in enumerate(tasks):
        labels = y[:, t][~torch.isnan(y[:, t])]
        if task.kind == "regression":
            values.append(torch.zeros(1))
        else:
            counts = torch.bincount(labels.long(), minlength=task.classes).float() + 0.5
            logs = counts.log()
            values.append(logs[1:] - logs[0] if task.kind == "binary" else logs - logs.mean())
    return torch.cat(values)


def _column_losses(kind: str, values: Tensor, y: Tensor, tasks: Sequence[TaskSpec]) -> Tensor:
    if kind == "binary":
        return F.binary_cross_entropy_with_logits(values, y, reduction="none")
    mean = y.new_tensor([task.mean for task in tasks])
    scale = y.new_tensor([task.scale for task in tasks])
    return (values - (y - mean) / scale).square()
