"""Sums of distances between points on a line, by sorting in place of every pair."""

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.kernel_sums import CrossSum, Sum


def line_sums(
    x: Float[Tensor, "*B n 1"],
    y: Float[Tensor, "*B m 1"],
    a: Float[Tensor, "*B n"],
    b: Float[Tensor, "*B m"],
) -> tuple[Sum, Sum, CrossSum]:
    """The energy kernel's sums within x, within y and between them, each with its gradients.

    Those of ``self_sum`` and ``cross_sum``, in time (n + m) log(n + m).
    """
    return _within(x, a), _within(y, b), _between(x, y, a, b)


def _within(x: Tensor, a: Tensor) -> Sum:
    distance, side = _to_sample(x[..., 0], x[..., 0], a)
    return -(a * distance).sum(-1), -2 * (a * side)[..., None]


def _between(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> CrossSum:
    distance, side_x = _to_sample(x[..., 0], y[..., 0], b)
    _, side_y = _to_sample(y[..., 0], x[..., 0], a)
    return -(a * distance).sum(-1), -(a * side_x)[..., None], -(b * side_y)[..., None]


def _to_sample(
    points: Float[Tensor, "*B n"], sample: Float[Tensor, "*B m"], weights: Float[Tensor, "*B m"]
) -> tuple[Float[Tensor, "*B n"], Float[Tensor, "*B n"]]:
    """For every point the sample's weighted distances, and its weight below less that above."""
    sample, order = sample.sort(-1)
    weights = weights.gather(-1, order)
    mass, moment = _sums_before(weights), _sums_before(weights * sample)  # (*B, m + 1)
    lower = torch.searchsorted(sample.contiguous(), points.contiguous())
    upper = torch.searchsorted(sample.contiguous(), points.contiguous(), right=True)
    side, sides_moment = (
        sums.gather(-1, lower) + sums.gather(-1, upper) - sums[..., -1:] for sums in (mass, moment)
    )
    return points * side - sides_moment, side


def _sums_before(values: Tensor) -> Tensor:
    """Cumulative sums, a 0 first."""
    return torch.cat([torch.zeros_like(values[..., :1]), values.cumsum(-1)], -1)
