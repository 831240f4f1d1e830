"""Fresh MLP heads: many tasks on many representations at once, each stopped on its own.

One hidden layer of 50 units, as in the FARE protocol (Jovanović et al. 2023). The heads are stacks
of matrices that share batches; gradients are written out, and a stack is no larger than the cache.
Every step is elementwise in the stack and every head's start is drawn from a stream of its own
task, so each head is what it would be alone. What is kept is an average of the weights along the
path (Polyak and Juditsky 1992), which removes the noise of the last batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders import MultitaskHeads
from fairrep.evaluation.linear_head import with_ones
from fairrep.evaluation.losses import Alike, alike, row_losses, row_slopes
from fairrep.seeds import generator
from fairrep.training.loss import base_rate_logits
from fairrep.types import TaskSpec

PIECE = 8192  # rows that are predicted at a time
STACK = {"cpu": 2**19, "cuda": 2**28}  # numbers in a stack's hidden layer


@dataclass(frozen=True)
class MLPHeadSettings:
    """Size and training of the heads.

    Attributes:
        hidden: units of the hidden layer.
        lr: Adam's learning rate.
        batch_size: rows.
        epochs: largest number of passes.
        patience: epochs without a better validation loss before a head is settled.
        averaging: weight of the past in the average of the weights, a step.
    """

    hidden: int = 50
    lr: float = 8e-3
    batch_size: int = 512
    epochs: int = 30
    patience: int = 3
    averaging: float = 0.98


class MLPHeads:
    """Fitted heads of r representations; returns each one's outputs side by side."""

    def __init__(self, outputs: int, representations: int) -> None:
        self.outputs, self.representations = outputs, representations
        self.parts: list[tuple[slice, list[int], _Stack]] = []

    def __call__(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n o"]:
        """Logits, or regressions in units of the training deviation."""
        found = z.new_empty(self.representations, z.shape[1], self.outputs)
        for views, columns, stack in self.parts:
            found[views, :, columns] = stack(z[views]).movedim(1, 2).flatten(2)
        return found

    @torch.no_grad()
    def network(self, representation: int, tasks: Sequence[TaskSpec]) -> MultitaskHeads:
        """The heads of one representation and of the first tasks, which these are, as layers."""
        width, hidden, _ = self.parts[0][2].sizes
        heads = MultitaskHeads(tasks, width - 1, hidden=[hidden]).double()
        columns = [0, *accumulate(task.outputs for task in tasks)][:-1]
        for views, outputs, stack in self.parts:
            for position in range(stack.shape[1]):
                column = outputs[position * stack.sizes[2]]
                if representation in range(views.start, views.stop) and column in columns:
                    own = (representation - views.start) * stack.shape[1] + position
                    _copy(stack, own, heads.heads[columns.index(column)])
        return heads


def fit_mlp_heads(
    z: Float[Tensor, "r n d"],
    y: Float[Tensor, "n t"],
    z_val: Float[Tensor, "r v d"],
    y_val: Float[Tensor, "v t"],
    tasks: Sequence[TaskSpec],
    *,
    seed: int,
    settings: MLPHeadSettings | None = None,
) -> MLPHeads:
    """Train on training rows; each head keeps the epoch with its lowest validation loss."""
    settings = settings or MLPHeadSettings()
    heads = MLPHeads(sum(task.outputs for task in tasks), len(z))
    for group in alike(tasks):
        for views, members in _stacks(len(z), group, settings, z.device.type):
            own = [tasks[t] for t in members.tasks]
            start = base_rate_logits(y[:, members.tasks].cpu(), own).view(len(own), -1)
            stack = _Stack(len(z[views]), z.shape[2], own, start.to(z), settings.hidden, seed)
            labels, labels_val = members.targets(y, tasks), members.targets(y_val, tasks)
            _train(stack, z[views], labels, z_val[views], labels_val, seed, settings)
            heads.parts.append((views, members.outputs, stack))
    return heads


def _stacks(
    representations: int, group: Alike, settings: MLPHeadSettings, device: str
) -> Iterator[tuple[slice, Alike]]:
    """Representations and tasks, a stack at a time."""
    most = max(1, STACK[device] // (settings.batch_size * settings.hidden))  # heads
    width = len(group.outputs) // len(group.tasks)
    views = max(1, most // len(group.tasks))
    for first in range(0, len(group.tasks), most):
        members = Alike(
            group.kind,
            group.tasks[first : first + most],
            group.outputs[first * width : (first + most) * width],
        )
        for view in range(0, representations, views):
            yield slice(view, view + views), members


class _Stack:
    """r · t heads of one kind and size: one flat row of weights each.

    Rows of data are the last dimension, so that elementwise work runs along memory.
    """

    def __init__(
        self,
        representations: int,
        dim: int,
        tasks: Sequence[TaskSpec],
        start: Float[Tensor, "t k"],
        hidden: int,
        seed: int,
    ) -> None:
        rows = []
        for task, biases in zip(tasks, start.cpu()):  # the same start on every representation
            draws = generator(seed, "head", "init", task.name)
            first = torch.cat([_uniform(dim, hidden, draws), torch.zeros(1, hidden)])
            second = _uniform(hidden, task.outputs, draws)
            rows.append(torch.cat([first.flatten(), second.T.flatten(), biases]))
        self.kind, self.shape = tasks[0].kind, (representations, len(tasks))
        self.sizes = (dim + 1, hidden, tasks[0].outputs)
        self.weights = torch.stack(rows).to(start).repeat(representations, 1)  # (r·t, …)

    def layers(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(r·t, d + 1, hidden) with the biases last, (r·t, k, hidden) and (r·t, k, 1)."""
        d, hidden, k = self.sizes
        first, second, bias = weights.split([d * hidden, k * hidden, k], dim=1)
        return first.view(-1, d, hidden), second.view(-1, k, hidden), bias.view(-1, k, 1)

    def __call__(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r t n k"]:
        """Outputs of all heads."""
        pieces = with_ones(z).mT.split(PIECE, dim=2)
        layers = self.layers(self.weights)
        found = [self._forward(self._per_head(piece), layers)[1] for piece in pieces]
        return torch.cat(found, dim=2)

    def _forward(
        self, inputs: Float[Tensor, "rt e n"], layers: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Float[Tensor, "rt h n"], Float[Tensor, "r t n k"]]:
        """Hidden units and outputs."""
        first, second, bias = layers
        hidden = torch.bmm(first.mT, inputs).relu_()
        return hidden, torch.bmm(second, hidden).add_(bias).mT.unflatten(0, self.shape)

    def gradients(
        self, inputs: Float[Tensor, "r e b"], y: Float[Tensor, "t b"], share: Float[Tensor, "t b"]
    ) -> Tensor:
        """Of the sum of losses weighted by ``share``, in the order of ``weights``."""
        inputs, layers = self._per_head(inputs), self.layers(self.weights)
        hidden, out = self._forward(inputs, layers)
        slopes = row_slopes(self.kind, out, y).mul_(share[..., None]).flatten(0, 1)
        slopes = slopes.mT.clone(memory_format=torch.contiguous_format)  # (r·t, k, b)
        second = layers[1]
        by_second = torch.bmm(slopes, hidden.mT)
        alive = hidden.sign_()
        if slopes.shape[1] == 1:  # the units' slopes are a product: no matrix of them is needed
            by_first = torch.bmm(inputs * slopes, alive.mT).mul_(second)
        else:
            by_first = inputs @ (second.mT @ slopes).mul_(alive).mT
        return torch.cat([by_first.flatten(1), by_second.flatten(1), slopes.sum(2)], dim=1)

    def _per_head(self, inputs: Tensor) -> Tensor:
        """Every representation's rows, once a head (r·t, e, n)."""
        return inputs[:, None].expand(-1, self.shape[1], -1, -1).flatten(0, 1)


def _train(
    stack: _Stack,
    z: Tensor,
    y: Tensor,
    z_val: Tensor,
    y_val: Tensor,
    seed: int,
    settings: MLPHeadSettings,
) -> None:
    """Adam on batches; the averaged weights are judged, kept and in the end put in place."""
    inputs, labels = with_ones(z), y.nan_to_num().to(z)
    known = (~torch.isnan(y)).to(z)
    share = known / (known.mean(0) * settings.batch_size).clamp_min(1e-12)  # means over batches
    steps = Adam(stack.weights, settings.lr)
    average, kept = stack.weights.clone(), stack.weights.clone()
    best = torch.full(stack.shape, torch.inf, device=z.device)
    since = torch.zeros_like(best)
    for epoch in range(settings.epochs):
        order = torch.randperm(z.shape[1], generator=generator(seed, "head", "batches", epoch))
        order = order.to(z.device)
        shuffled = (inputs.index_select(1, order), labels[order], share[order])
        batches = (part.mT.contiguous().split(settings.batch_size, -1) for part in shuffled)
        for batch in zip(*batches):
            steps.take(stack.gradients(*batch))
            past = min(settings.averaging, steps.taken / (steps.taken + 10))  # forget the start
            average.lerp_(stack.weights, 1 - past)
        losses = _validation_losses(stack, average, z_val, y_val)
        running = since < settings.patience
        better = (losses < best) & running
        best = torch.where(better, losses, best)
        since = torch.where(better, 0, since + running)
        kept = torch.where(better.flatten()[:, None], average, kept)
        if (since >= settings.patience).all():
            break
    stack.weights = kept


class Adam:
    """Kingma and Ba (2015) on one tensor, in place."""

    def __init__(self, weights: Tensor, lr: float) -> None:
        self.weights, self.lr, self.taken = weights, lr, 0
        self.first, self.second = torch.zeros_like(weights), torch.zeros_like(weights)

    def take(self, gradient: Tensor) -> None:
        """Step against the gradient."""
        self.taken += 1
        self.first.lerp_(gradient, 1 - 0.9)
        self.second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        scale = self.second.sqrt().div_((1 - 0.999**self.taken) ** 0.5).add_(1e-8)
        self.weights.addcdiv_(self.first, scale, value=-self.lr / (1 - 0.9**self.taken))


def _validation_losses(stack: _Stack, weights: Tensor, z: Tensor, y: Tensor) -> Tensor:
    """Mean losses (r, t) of other weights than the stack's own; 0 where no row has a label."""
    own, stack.weights = stack.weights, weights
    known = (~torch.isnan(y)).mT.to(z)
    losses = row_losses(stack.kind, stack(z), y.nan_to_num().mT.to(z))
    stack.weights = own
    return (losses * known).sum(2) / known.sum(1).clamp_min(1)


def _copy(stack: _Stack, own: int, head: nn.Module) -> None:
    first, second, bias = (part[own].cpu().double() for part in stack.layers(stack.weights))
    head[0].weight.copy_(first[:-1].T)  # type: ignore[index]
    head[0].bias.copy_(first[-1])  # type: ignore[index]
    head[2].weight.copy_(second)  # type: ignore[index]
    head[2].bias.copy_(bias[:, 0])  # type: ignore[index]


def _uniform(rows: int, columns: int, draws: torch.Generator) -> Tensor:
    return (torch.rand(rows, columns, generator=draws) * 2 - 1) * rows**-0.5
