"""Fresh linear heads, logistic or ridge: all tasks on all representations at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders import MultitaskHeads
from fairrep.evaluation.losses import MeanLosses, alike
from fairrep.evaluation.newton import minimise
from fairrep.types import TaskSpec

STRENGTHS = (1000.0, 100.0, 10.0, 1.0, 0.1)
"""α, the weight of ½‖w‖² beside the summed loss (scikit-learn's 1/C); ties go to the strongest."""


class LinearHeads:
    """Standardised representations → outputs of all tasks side by side.

    Attributes:
        strength: (r, t) the α that was selected.
    """

    def __init__(
        self, mean: Tensor, scale: Tensor, weights: Float[Tensor, "r d o"], strength: Tensor
    ) -> None:
        self.mean, self.scale = mean, scale
        self.weights, self.strength = weights, strength

    def __call__(self, z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n o"]:
        """Logits, or regressions in units of the training deviation."""
        return with_ones((z - self.mean) / self.scale) @ self.weights

    @torch.no_grad()
    def network(self, representation: int, tasks: Sequence[TaskSpec]) -> MultitaskHeads:
        """The heads of one representation and of the first tasks, which these are, as layers."""
        weights = self.weights[representation].cpu().double()  # (d + 1, o)
        heads = MultitaskHeads(tasks, len(weights) - 1, hidden=[]).double()
        layer = heads.heads[0]
        assert isinstance(layer, nn.Linear)
        outputs = sum(task.outputs for task in tasks)
        layer.weight.copy_(weights[:-1, :outputs].T)
        layer.bias.copy_(weights[-1, :outputs])
        heads.absorb(*(part[representation, 0].cpu().double() for part in (self.mean, self.scale)))
        return heads.float()


def fit_linear_heads(
    z: Float[Tensor, "r n d"],
    y: Float[Tensor, "n t"],
    z_val: Float[Tensor, "r v d"],
    y_val: Float[Tensor, "v t"],
    tasks: Sequence[TaskSpec],
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearHeads:
    """Fit on training rows every strength of the penalty, keep the best on validation rows."""
    mean, scale = moments(z)
    axes = principal_axes((z - mean) / scale)
    design, design_val = (with_ones((part - mean) / scale @ axes) for part in (z, z_val))
    alphas = torch.tensor(strengths, device=z.device, dtype=z.dtype)
    weights = z.new_empty(len(z), design.shape[2], sum(task.outputs for task in tasks))
    chosen = z.new_empty(len(z), len(tasks))
    for group in alike(tasks):
        w = minimise(
            design,
            group.targets(y, tasks).to(z.dtype),
            group.kind,
            classes=len(group.outputs) // len(group.tasks),
            strengths=alphas,
        )  # (r, d, a, l, k)
        own = [tasks[t] for t in group.tasks]
        losses = [
            MeanLosses(own)(design_val @ w[:, :, :, k].flatten(2), y_val[:, group.tasks])
            for k in range(len(alphas))
        ]
        best = torch.stack(losses, dim=-1).nan_to_num(torch.inf).argmin(-1)  # (r, a)
        index = best[:, None, :, None, None].expand(-1, w.shape[1], -1, 1, w.shape[4])
        weights[..., group.outputs] = w.gather(3, index).squeeze(3).flatten(2)
        chosen[:, group.tasks] = alphas[best]
    return LinearHeads(mean, scale, torch.cat([axes @ weights[:, :-1], weights[:, -1:]], 1), chosen)


def moments(z: Float[Tensor, "r n d"]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (1 where 0) of every column, (r, 1, d)."""
    scale = z.std(1, correction=0, keepdim=True)
    constant = scale <= 1e-6 * z.abs().amax(1, keepdim=True)
    return z.mean(1, keepdim=True), torch.where(constant, 1.0, scale)


def principal_axes(z: Float[Tensor, "r n d"]) -> Float[Tensor, "r d d"]:
    """Orthogonal axes on which the columns are uncorrelated."""
    return torch.linalg.eigh(z.mT @ z / z.shape[1]).eigenvectors


def with_ones(z: Float[Tensor, "r n d"]) -> Float[Tensor, "r n e"]:
    """Append the intercept's column."""
    return torch.cat([z, torch.ones_like(z[..., :1])], dim=-1)
