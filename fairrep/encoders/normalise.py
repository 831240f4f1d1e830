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

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Standardise the rows, in at least single precision."""
        h = h.float() if h.dtype in (torch.float16, torch.bfloat16) else h
        if not self.training:
            return (h - self.mean) * inverse_scale(self.variance, self.mean)
        mean = global_mean(h)  # (d,)
        variance = global_mean((h - mean).square())  # (d,)
        self._remember(mean.detach(), variance.detach())
        return (h - mean) * inverse_scale(variance, mean.detach())

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.batches.add_(1)
        weight = (1 / self.batches).clamp_min(self.momentum)
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)


def inverse_scale(variance: Float[Tensor, " d"], mean: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """1/sqrt(variance), and 0 where the variance is nothing but the rounding of ``mean``."""
    info = torch.finfo(variance.dtype)
    floor = (4 * info.eps * mean.abs()).square() + info.tiny
    alive = variance > floor
    return torch.where(alive, torch.where(alive, variance, 1.0).rsqrt(), 0.0)


def global_mean(h: Float[Tensor, "n d"]) -> Float[Tensor, " d"]:
    """Mean over the rows of all processes, differentiable in each."""
    if process_count() == 1:
        return h.mean(dim=-2)
    rows = torch.tensor(float(h.shape[-2]), device=h.device, dtype=h.dtype)
    return sum_over_processes(h.sum(dim=-2)) / sum_over_processes(rows)
