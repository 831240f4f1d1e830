"""Task heads on the shared representation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.types import TaskSpec


class MultitaskHeads(nn.Module):
    """One head per task, linear or with hidden layers of its own.

    Linear heads are one matrix: T heads cost one product.

    Args:
        tasks: the tasks, in the order of their outputs.
        dim: size d of the representation.
        hidden: units of each head's hidden layers (ReLU); empty for linear heads.
    """

    def __init__(self, tasks: Sequence[TaskSpec], dim: int, *, hidden: Sequence[int]) -> None:
        super().__init__()
        self.dim, self.hidden = dim, list(hidden)
        self.sizes = [task.outputs for task in tasks]
        heads = [_mlp(dim, hidden, size) for size in self.sizes] if hidden else []
        self.heads = nn.ModuleList(heads or [nn.Linear(dim, sum(self.sizes))])

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n outputs"]:
        """Outputs of all heads side by side: logits, or standardised regression values."""
        return torch.cat([head(z) for head in self.heads], dim=-1)

    @torch.no_grad()
    def start_at(self, outputs: Float[Tensor, " outputs"]) -> None:
        """Set the last biases, e.g. to the base rates, so that training need not move there."""
        for head, part in zip(
            self.heads, outputs.split([_last(h).out_features for h in self.heads])
        ):
            _last(head).bias.copy_(part)

    @torch.no_grad()
    def absorb(self, mean: Float[Tensor, " d"], scale: Float[Tensor, " d"]) -> None:
        """Let heads that read (z - mean) / scale read z instead, with the same outputs."""
        for head in self.heads:
            layer = head[0] if isinstance(head, nn.Sequential) else head
            assert isinstance(layer, nn.Linear)
            layer.weight.div_(scale)
            layer.bias.sub_(layer.weight @ mean)


def task_predictions(
    outputs: Float[Tensor, "n outputs"], tasks: Sequence[TaskSpec]
) -> list[Tensor]:
    """Turn heads' outputs into what they say of each task.

    Args:
        outputs: of :class:`MultitaskHeads`.
        tasks: in the order of the outputs.

    Returns:
        By task: the probability of class 1 (n,), of every class (n, K) where there are more than
        two, or regression values (n,) in the label's own unit.
    """
    parts = outputs.split([task.outputs for task in tasks], dim=-1)
    return [_prediction(part, task) for part, task in zip(parts, tasks)]


def _prediction(outputs: Tensor, task: TaskSpec) -> Tensor:
    if task.kind == "multiclass":
        return outputs.softmax(-1)
    column = outputs[:, 0]
    if task.kind == "binary":
        return column.sigmoid()
    return column * task.scale + task.mean


def _last(head: nn.Module) -> nn.Linear:
    layer = head[-1] if isinstance(head, nn.Sequential) else head
    assert isinstance(layer, nn.Linear)
    return layer


def _mlp(dim: int, hidden: Sequence[int], outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(dim, units), nn.ReLU()]
        dim = units
    return nn.Sequential(*layers, nn.Linear(dim, outputs))
