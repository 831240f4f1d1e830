"""Losses of many heads at once: stacked outputs → one mean a representation and task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fairrep.types import Kind, TaskSpec


@dataclass(frozen=True)
class Alike:
    """Tasks of one kind and size: their columns among the labels and among the outputs."""

    kind: Kind
    tasks: list[int]
    outputs: list[int]  # those of the first task, then of the second, …

    def targets(self, y: Float[Tensor, "n t"], specs: Sequence[TaskSpec]) -> Float[Tensor, "n a"]:
        """Labels as the loss takes them: regressions in units of the training deviation."""
        chosen = y[:, self.tasks]
        if self.kind != "regression":
            return chosen
        mean = y.new_tensor([specs[t].mean for t in self.tasks])
        return (chosen - mean) / y.new_tensor([specs[t].scale for t in self.tasks])


def alike(tasks: Sequence[TaskSpec]) -> list[Alike]:
    """Group the tasks by kind and number of outputs."""
    found: dict[tuple[Kind, int], Alike] = {}
    column = 0
    for t, task in enumerate(tasks):
        group = found.setdefault((task.kind, task.outputs), Alike(task.kind, [], []))
        group.tasks.append(t)
        group.outputs.extend(range(column, column + task.outputs))
        column += task.outputs
    return list(found.values())


class MeanLosses:
    """Mean loss over labelled rows: cross-entropy in nats, or squared error over the variance."""

    def __init__(self, tasks: Sequence[TaskSpec]) -> None:
        self.tasks = tasks
        self.groups = alike(tasks)

    def __call__(
        self, outputs: Float[Tensor, "r n o"], y: Float[Tensor, "n t"]
    ) -> Float[Tensor, "r t"]:
        """Return one mean a representation and task; 0 where no row has a label."""
        means = outputs.new_zeros(len(outputs), len(self.tasks))
        known = (~torch.isnan(y)).to(outputs.dtype)
        rows = known.sum(0).clamp_min(1)
        for group in self.groups:
            part = outputs if len(self.groups) == 1 else outputs[..., group.outputs]
            part = part.unflatten(-1, (len(group.tasks), -1))  # (r, n, a, k)
            losses = row_losses(group.kind, part, group.targets(y, self.tasks).nan_to_num())
            own = (losses * known[:, group.tasks]).sum(1) / rows[group.tasks]  # (r, a)
            means = own if len(self.groups) == 1 else means.index_add(1, _index(group, y), own)
        return means


def row_losses(
    kind: Kind, outputs: Float[Tensor, "*n k"], y: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """Loss of every row, given its k outputs."""
    if kind == "multiclass":
        chosen = _one_hot(y, outputs)
        return outputs.logsumexp(-1) - (outputs * chosen).sum(-1)
    values = outputs.squeeze(-1)
    return (values - y).square() if kind == "regression" else F.softplus(values) - values * y


def row_slopes(
    kind: Kind, outputs: Float[Tensor, "*n k"], y: Float[Tensor, "*n"]
) -> Float[Tensor, "*n k"]:
    """Derivatives of :func:`row_losses` in the outputs."""
    if kind == "multiclass":
        return outputs.softmax(-1) - _one_hot(y, outputs)
    if kind == "regression":
        return 2 * (outputs - y[..., None])
    return outputs.sigmoid() - y[..., None]


def _one_hot(y: Tensor, outputs: Tensor) -> Tensor:
    classes = torch.arange(outputs.shape[-1], device=y.device)
    return (y[..., None] == classes).to(outputs.dtype)


def _index(group: Alike, y: Tensor) -> Tensor:
    return torch.tensor(group.tasks, device=y.device)
