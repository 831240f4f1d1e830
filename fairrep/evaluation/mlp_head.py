"""Fresh MLP heads: all tasks on all representations at once, each stopped on its own.

One hidden layer of 50 units, as in the FARE protocol (Jovanović et al. 2023). The heads are one
stack of matrices and share batches, so many cost little more than one; every step is elementwise
in the stack and every head's start is drawn from a stream of its own task, so each head is what it
would be alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.evaluation.losses import MeanLosses
from fairrep.seeds import generator
from fairrep.training.loss import base_rate_logits
from fairrep.types import TaskSpec


@dataclass(frozen=True)
class MLPHeadSettings:
    """Size and training of the heads.

    Attributes:
        hidden: units of the hidden layer.
        lr: Adam's learning rate.
        batch_size: rows.
        epochs: largest number of passes.
        patience: epochs without a better validation loss before a head is settled.
    """

    hidden: int = 50
    lr: float = 4e-3
    batch_size: int = 512
    epochs: int = 30
    patience: int = 4


class StackedMLP(nn.Module):
    """r · t one-hidden-layer heads; forward returns each representation's outputs side by side."""

    def __init__(
        self, representations: int, dim: int, tasks: Sequence[TaskSpec], hidden: int, seed: int
    ) -> None:
        super().__init__()
        self.sizes = [task.outputs for task in tasks]
        width = max(self.sizes)
        first, second = [], []
        for task in tasks:  # the same start on every representation
            draws = generator(seed, "head", "init", task.name)
            first.append(_uniform(dim, hidden, draws))
            own = _uniform(hidden, task.outputs, draws)
            second.append(nn.functional.pad(own, (0, width - task.outputs)))
        r, t = representations, len(tasks)
        self.w1 = nn.Parameter(torch.stack(first).repeat(r, 1, 1, 1))  # (r, t, d, hidden)
        self.b1 = nn.Parameter(torch.zeros(r, t, 1, hidden))
        self.w2 = nn.Parameter(torch.stack(second).repeat(r, 1, 1, 1))  # (r, t, hidden, width)
        self.b2 = nn.Parameter(torch.zeros(r, t, 1, width))

    def forward(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n o"]:
        """Outputs of all heads."""
        hidden = (z[:, None] @ self.w1).add_(self.b1).relu_()  # (r, t, n, hidden)
        out = (hidden @ self.w2 + self.b2).transpose(1, 2)  # (r, n, t, width)
        if max(self.sizes) == 1:
            return out.flatten(2)
        return torch.cat([out[:, :, t, :size] for t, size in enumerate(self.sizes)], dim=2)


def fit_mlp_heads(
    z: Float[Tensor, "r n d"],
    y: Float[Tensor, "n t"],
    z_val: Float[Tensor, "r v d"],
    y_val: Float[Tensor, "v t"],
    tasks: Sequence[TaskSpec],
    *,
    seed: int,
    settings: MLPHeadSettings | None = None,
) -> StackedMLP:
    """Train on training rows; each head keeps the epoch with its lowest validation loss."""
    settings = settings or MLPHeadSettings()
    heads = StackedMLP(len(z), z.shape[2], tasks, settings.hidden, seed).to(z.device)
    mean_losses = MeanLosses(tasks)
    _start_at_base_rates(heads, y, tasks)
    optimizer = torch.optim.Adam(heads.parameters(), lr=settings.lr, fused=True)
    best = torch.full((len(z), len(tasks)), torch.inf, device=z.device)
    kept = [p.detach().clone() for p in heads.parameters()]
    since = torch.zeros_like(best)
    for epoch in range(settings.epochs):
        order = torch.randperm(z.shape[1], generator=generator(seed, "head", "batches", epoch))
        for rows in order.to(z.device).split(settings.batch_size):
            optimizer.zero_grad()
            mean_losses(heads(z[:, rows]), y[rows]).sum().backward()
            optimizer.step()
        with torch.no_grad():
            losses = mean_losses(heads(z_val), y_val)
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


@torch.no_grad()
def _start_at_base_rates(heads: StackedMLP, y: Tensor, tasks: Sequence[TaskSpec]) -> None:
    for t, part in enumerate(base_rate_logits(y.cpu(), tasks).split(heads.sizes)):
        heads.b2[:, t, 0, : len(part)] = part.to(heads.b2)


def _uniform(rows: int, columns: int, draws: torch.Generator) -> Tensor:
    return (torch.rand(rows, columns, generator=draws) * 2 - 1) * rows**-0.5
