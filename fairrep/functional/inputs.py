"""What every divergence asks of its inputs.

Weights. A row of weight 0 is absent: its coordinates may be anything, NaN included, and its
gradient is 0. Weights are normalised here and are data: no gradient flows to them. They are not
checked for negative entries, which would make the host wait for the device. Where a whole side
has no weight, or no rows, the value is exactly 0 and so is the gradient.

Non-finite numbers. A NaN or an Inf in a row of positive weight makes the value NaN, always: a
pure function does not guess. Guarding a training run against it is the caller's business.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class WeightedRows(NamedTuple):
    """Rows with weights that sum to 1, or are all 0 when no row is present."""

    points: Float[Tensor, "*B n d"]  # absent rows lie at the mean of the others
    weights: Float[Tensor, "*B n"]
    size: Float[Tensor, "*B"]  # rows present

    @property
    def some(self) -> Bool[Tensor, "*B"]:
        """Where there is at least one row."""
        return self.size > 0


class TwoSamples(NamedTuple):
    """Two weighted samples with the same batch dimensions."""

    x: Float[Tensor, "*B n d"]
    y: Float[Tensor, "*B m d"]
    a: Float[Tensor, "*B n"]
    b: Float[Tensor, "*B m"]
    size_x: Float[Tensor, "*B"]
    size_y: Float[Tensor, "*B"]

    @property
    def both(self) -> Bool[Tensor, "*B"]:
        """Where neither side is empty."""
        return (self.size_x > 0) & (self.size_y > 0)


def weighted_rows(
    points: Float[Tensor, "*B n d"], weights: Tensor | None, *, name: str
) -> WeightedRows:
    """Check one sample, normalise its weights and blank its absent rows."""
    if not points.is_floating_point() or points.dim() < 2:
        raise ValueError(
            f"{name} must be a floating-point tensor of shape (*B, n, d), got "
            f"{points.dtype} of shape {tuple(points.shape)}. Convert it with .float() or unsqueeze."
        )
    if points.dtype in (torch.float16, torch.bfloat16):
        points = points.float()  # squared distances lose every digit in half precision
    if weights is None:
        return _uniform(points)
    if weights.shape[-1:] != points.shape[-2:-1] or weights.dim() > points.dim() - 1:
        raise ValueError(
            f"The weights of {name} must have shape (*B, n) with n = {points.shape[-2]} rows, got "
            f"{tuple(weights.shape)}. Give one weight a row."
        )
    weights = weights.detach().to(points.dtype).expand(points.shape[:-1])  # (*B, n)
    present = weights > 0
    total = weights.sum(-1, keepdim=True)  # (*B, 1)
    normal = torch.where(total > 0, weights / torch.where(total > 0, total, 1), 0)
    blanked = torch.where(present[..., None], points, 0)
    centre = (normal[..., None] * blanked.detach()).sum(-2, keepdim=True)  # (*B, 1, d)
    blanked = torch.where(present[..., None], points, centre)
    return WeightedRows(blanked, normal, present.sum(-1).to(points.dtype))


def _uniform(points: Float[Tensor, "*B n d"]) -> WeightedRows:
    n = points.shape[-2]
    batch = points.shape[:-2]
    weights = points.new_full((*batch, n), 1 / max(n, 1))
    return WeightedRows(points, weights, points.new_full(batch, n))


def two_samples(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    a: Float[Tensor, "*B n"] | None,
    b: Float[Tensor, "*B m"] | None,
) -> TwoSamples:
    """Check a pair of samples and bring them to common batch dimensions and precision."""
    left, right = weighted_rows(x, a, name="x"), weighted_rows(y, b, name="y")
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"x and y must have the same number of columns, got {x.shape[-1]} and {y.shape[-1]}. "
            "Compare representations of one encoder."
        )
    dtype = torch.promote_types(left.points.dtype, right.points.dtype)
    batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    points = [rows.points.to(dtype).expand(*batch, -1, -1) for rows in (left, right)]
    weights = [rows.weights.to(dtype).expand(*batch, -1) for rows in (left, right)]
    sizes = [rows.size.to(dtype).expand(batch) for rows in (left, right)]
    return TwoSamples(*points, *weights, *sizes)


def require_positive(value: float, *, name: str) -> None:
    """Raise unless a scalar setting is a positive, finite number."""
    if not 0 < value < float("inf"):
        raise ValueError(
            f"{name} must be a positive finite number, got {value}. It is a length in the units "
            "of the representation: the square root of its dimension is a fair start."
        )


def require_choice(value: object, choices: tuple[object, ...], *, name: str) -> None:
    """Raise unless a setting is one of the known ones."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}. Choose one of these.")


def require_count(value: int, *, name: str) -> None:
    """Raise unless a setting sizes at least one thing."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}. Raise it to 1 or more.")


def both_or_zero(value: Float[Tensor, "*B"], present: Bool[Tensor, "*B"]) -> Float[Tensor, "*B"]:
    """The value where the comparison exists, exactly 0 (and no gradient) where it does not."""
    return torch.where(present, value, torch.zeros_like(value))


def require_probability(value: float, *, name: str) -> None:
    """Raise unless a scalar setting lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(
            f"{name} must lie strictly between 0 and 1, got {value}. It is a probability of "
            "failure: 0.05 is usual."
        )


def require_positive_scale(value: float, *, name: str) -> None:
    """Raise unless a bound is a positive, finite number."""
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a positive finite number, got {value}. Give its bound.")
