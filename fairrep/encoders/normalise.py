"""The output's scale is not the encoder's to choose: standardise it, without learnable scale.

A penalty that falls when z shrinks is paid by shrinking, and the next linear layer undoes it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.distributed import process_count, sum_over_processes


class BatchStandardise(nn.Module):
    """Subtract the mean and divide by the standard deviation of every coordinate.

    In training these are the batch's, over all processes; in evaluation the running averages (a
    plain average over the first 1/momentum batches, an exponential one from then on). There is no
    eps: a coordinate whose standard deviation is below ``tiny`` times its magnitude carries
    nothing but rounding and becomes exactly 0, with gradient 0. Every other one is standardised
    exactly, however small its scale, so scaling the layer below changes nothing.

    The members of an ensemble are standardised by the moments of their mean.

    Args:
        dim: coordinates d.
        momentum: weight of the newest batch in the running averages.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, dim: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, h: Float[Tensor, "*m n d"]) -> Float[Tensor, "*m n d"]:
        """Standardise the rows, of all members if there are any, in at least single precision."""
        h = h.float() if h.dtype in (torch.float16, torch.bfloat16) else h
        if not self.training:
            return standardise(h, self.mean, self.variance)
        mean, variance = batch_moments(h.mean(dim=0) if h.dim() == 3 else h)
        z = standardise(h, mean, variance)
        mean, variance = mean.detach(), variance.detach()
        with torch.no_grad():
            self.batches.add_(1)
            weight = newest_weight(self.batches, self.momentum)
            self.mean.lerp_(mean, weight)
            self.variance.lerp_(variance, weight)
        return z


def standardise(
    h: Float[Tensor, "*B n d"], mean: Float[Tensor, "*B d"], variance: Float[Tensor, "*B d"]
) -> Float[Tensor, "*B n d"]:
    """(h - mean) / sqrt(variance), and 0 in coordinates that hold nothing but rounding."""
    scale = inverse_scale(variance, mean.detach())
    return (h - mean.unsqueeze(-2)) * scale.unsqueeze(-2)


def batch_moments(
    h: Float[Tensor, "*B n d"],
) -> tuple[Float[Tensor, "*B d"], Float[Tensor, "*B d"]]:
    """Mean and variance of the rows of all processes."""
    mean = global_mean(h)  # (*B, d)
    return mean, global_mean((h - mean.unsqueeze(-2)).square())


def newest_weight(batches: Float[Tensor, "*B"], momentum: float) -> Float[Tensor, "*B"]:
    """Weight of the newest batch in the running averages after so many."""
    return (1 / batches).clamp_min(momentum)


def inverse_scale(
    variance: Float[Tensor, "*B d"], mean: Float[Tensor, "*B d"]
) -> Float[Tensor, "*B d"]:
    """1/sqrt(variance), and 0 where the variance is nothing but the rounding of ``mean``."""
    info = torch.finfo(variance.dtype)
    floor = (4 * info.eps * mean.abs()).square() + info.tiny
    alive = variance > floor
    return torch.where(alive, torch.where(alive, variance, 1.0).rsqrt(), 0.0)


def global_mean(h: Float[Tensor, "*B n d"]) -> Float[Tensor, "*B d"]:
    """Mean over the rows of all processes, differentiable in each."""
    if process_count() == 1:
        return h.mean(dim=-2)
    rows = torch.tensor(float(h.shape[-2]), device=h.device, dtype=h.dtype)
    return sum_over_processes(h.sum(dim=-2)) / sum_over_processes(rows)
