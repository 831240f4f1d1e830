"""Fresh MLP heads on a frozen representation: all tasks at once, each stopped on its own.

One hidden layer of 50 units, as in the FARE protocol (Jovanović et al. 2023). The heads of all
tasks are one stack of matrices and share batches, so T heads cost little more than one; every
step is elementwise in the stack, so each head is what it would be alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.seeds import generator
from fairrep.training.loss import base_rate_logits, task_losses
from fairrep.types import TaskSpec


@dataclass(frozen=True)
class MLPHeadSettings:
    """Size and training of the heads.

    Attributes:
        hidden: units of the hidden layer.
        lr: Adam's learning rate.
        batch_size: rows.
        epochs: largest number of passes.
        patience: epochs without a better validation loss before a task's head is settled.
    """

    hidden: int = 50
    lr: float = 2e-3
    batch_size: int = 256
    epochs: int = 30
    patience: int = 4


class StackedMLP(nn.Module):
    """T one-hidden-layer heads side by side; forward returns their outputs side by side."""

    def __init__(
        self, dim: int, tasks: Sequence[TaskSpec], hidden: int, draws: torch.Generator
    ) -> None:
        super().__init__()
        self.sizes = [task.outputs for task in tasks]
        width = max(self.sizes)

        def uniform(*shape: int) -> nn.Parameter:
            bound = shape[-2] ** -0.5
            return nn.Parameter((torch.rand(*shape, generator=draws) * 2 - 1) * bound)

        self.w1, self.w2 = uniform(len(tasks), dim, hidden), uniform(len(tasks), hidden, width)
        self.b1 = nn.Parameter(torch.zeros(len(tasks), 1, hidden))
        self.b2 = nn.Parameter(torch.zeros(len(tasks), 1, width))

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n o"]:
        """Outputs of all heads."""
        hidden = torch.relu(z @ self.w1 + self.b1)  # (T, n, hidden)
        out = hidden @ self.w2 + self.b2  # (T, n, width)
        return torch.cat([out[t, :, :size] for t, size in enumerate(self.sizes)], dim=1)


def fit_mlp_heads(
    z: Float[Tensor, "n d"],
    y: Float[Tensor, "n t"],
    z_val: Float[Tensor, "v d"],
    y_val: Float[Tensor, "v t"],
    tasks: Sequence[TaskSpec],
    *,
    seed: int,
    settings: MLPHeadSettings | None = None,
) -> StackedMLP:
    """Train on training rows; each task keeps the epoch with its lowest validation loss."""
    settings = settings or MLPHeadSettings()
    heads = StackedMLP(z.shape[1], tasks, settings.hidden, generator(seed, "head", "init"))
    _start_at_base_rates(heads, y, tasks)
    optimizer = torch.optim.Adam(heads.parameters(), lr=settings.lr)
    best = torch.full((len(tasks),), torch.inf)
    kept = [p.detach().clone() for p in heads.parameters()]
    since = torch.zeros(len(tasks))
    for epoch in range(settings.epochs):
        order = torch.randperm(len(z), generator=generator(seed, "head", "batches", epoch))
        for rows in order.split(settings.batch_size):
            optimizer.zero_grad()
            _mean_losses(heads(z[rows]), y[rows], tasks).sum().backward()
            optimizer.step()
        with torch.no_grad():
            losses = _mean_losses(heads(z_val), y_val, tasks)
        better = losses < best
        best = torch.where(better, losses, best)
        since = torch.where(better, 0, since + 1)
        for keep, value in zip(kept, heads.parameters()):
            keep[better] = value.detach()[better]
        if (since >= settings.patience).all():
            break
    with torch.no_grad():
        for keep, value in zip(kept, heads.parameters()):
            value.copy_(keep)
    return heads


def _mean_losses(outputs: Tensor, y: Tensor, tasks: Sequence[TaskSpec]) -> Tensor:
    known = ~torch.isnan(y)
    losses = task_losses(outputs, y.nan_to_num(), tasks) * known
    return losses.sum(0) / known.sum(0).clamp_min(1)


@torch.no_grad()
def _start_at_base_rates(heads: StackedMLP, y: Tensor, tasks: Sequence[TaskSpec]) -> None:
    for t, part in enumerate(base_rate_logits(y, tasks).split(heads.sizes)):
        heads.b2[t, 0, : len(part)] = part
