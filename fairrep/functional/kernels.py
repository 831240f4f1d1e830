"""Radial kernels as functions of squared distances, and the bandwidths that go with them.

Every kernel is given minus its value at zero distance, k(u, v) - k(u, u): divergences compare
measures of equal mass, so the constant cancels, and what is left keeps its relative precision
however small the distances are.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import require_choice, require_positive

KernelName = Literal["gaussian", "gaussian_mixture", "imq", "energy"]
Bandwidth = float | Sequence[float] | Literal["median"]

KERNELS = ("gaussian", "gaussian_mixture", "imq", "energy")
LADDER = (0.25, 0.5, 1.0, 2.0, 4.0)  # a mixture's bandwidths around a single number


@dataclass(frozen=True)
class RadialKernel:
    """k(u, v) - k(u, u) as a function of r2 = |u - v|^2 / unit^2, and its slope in r2."""

    name: KernelName
    unit: float | Float[Tensor, "*B 1 1"] = 1.0
    widths: tuple[float, ...] = (1.0,)  # bandwidths in units of `unit`

    def value(self, r2: Float[Tensor, "*B n m"]) -> Float[Tensor, "*B n m"]:
        """k(u, v) - k(u, u), at most 0."""
        if self.name == "energy":
            return -safe_sqrt(r2)
        if self.name == "imq":
            return torch.expm1(-0.5 * torch.log1p(r2))
        return functools.reduce(torch.add, self._gaussians(r2))

    def value_and_slope(
        self, r2: Float[Tensor, "*B n m"]
    ) -> tuple[Float[Tensor, "*B n m"], Float[Tensor, "*B n m"], float]:
        """The value and its derivative in r2, the latter as a matrix plus a number.

        A kink has slope 0. The number spares a pass over the matrix for every Gaussian.
        """
        if self.name == "energy":
            value = self.value(r2)
            return value, (0.5 / value).masked_fill(value == 0, 0), 0.0
        if self.name == "imq":
            value = self.value(r2)
            return value, -0.5 * (value + 1) ** 3, 0.0
        parts, rates = self._gaussians(r2), self._rates()
        slopes = [part * rate for part, rate in zip(parts, rates, strict=True)]
        total = functools.reduce(torch.add, parts), functools.reduce(torch.add, slopes)
        return *total, sum(rates)

    def _gaussians(self, r2: Tensor) -> list[Tensor]:
        return [(r2 * rate).expm1_() for rate in self._rates()]

    def _rates(self) -> list[float]:
        return [-0.5 / width**2 for width in self.widths]


def radial_kernel(
    name: KernelName, bandwidth: Bandwidth, pooled: Float[Tensor, "*B n d"], present: Tensor
) -> RadialKernel:
    """The named kernel at this bandwidth; "median" is measured on the pooled rows."""
    require_choice(name, KERNELS, name="kernel")
    if name == "energy":
        return RadialKernel(name)
    if not isinstance(bandwidth, (int, float, str)):
        if name != "gaussian_mixture":
            raise ValueError(
                f"kernel={name!r} takes one bandwidth, got {bandwidth!r}. "
                "Give a number, or choose kernel='gaussian_mixture'."
            )
        return RadialKernel(name, 1.0, _checked_widths(bandwidth))
    widths = LADDER if name == "gaussian_mixture" else (1.0,)
    return RadialKernel(name, bandwidth_unit(bandwidth, pooled, present), widths)


def _checked_widths(bandwidths: Sequence[float]) -> tuple[float, ...]:
    if len(bandwidths) == 0:
        raise ValueError("A mixture needs at least one bandwidth, got none. Give a number.")
    for width in bandwidths:
        require_positive(width, name="bandwidth")
    return tuple(float(width) for width in bandwidths)


def bandwidth_unit(
    bandwidth: float | str, pooled: Float[Tensor, "*B n d"], present: Tensor
) -> float | Float[Tensor, "*B 1 1"]:
    """A bandwidth as a number, or as a tensor where it is the median distance."""
    if isinstance(bandwidth, str):
        require_choice(bandwidth, ("median",), name="bandwidth given as a word")
        return median_distance(pooled, present)[..., None, None]
    require_positive(bandwidth, name="bandwidth")
    return float(bandwidth)


def median_distance(
    points: Float[Tensor, "*B n d"], present: Float[Tensor, "*B n"] | None = None
) -> Float[Tensor, "*B"]:
    """Median distance over pairs of different present rows, detached.

    Where more than half of the pairs coincide: the mean distance; where all do: 1.
    Ref: Gretton et al. (2012), JMLR 13, section 8.
    """
    with torch.no_grad():
        n = points.shape[-2]
        rows, columns = torch.triu_indices(n, n, offset=1, device=points.device)
        distance = pairwise_distances(points, points)[..., rows, columns]  # (*B, pairs)
        if present is not None:
            pair = (present[..., rows] > 0) & (present[..., columns] > 0)
            distance = torch.where(pair, distance, torch.nan)
        if distance.shape[-1] == 0:
            return points.new_ones(points.shape[:-2])
        median = distance.nanmedian(dim=-1).values
        mean = distance.nanmean(dim=-1)
        fallback = torch.where(mean > 0, mean, torch.ones_like(mean))
        return torch.where(median > 0, median, fallback)


def squared_distances(
    x: Float[Tensor, "*B n d"], y: Float[Tensor, "*B m d"]
) -> Float[Tensor, "*B n m"]:
    """|x_i - y_j|^2 in one matrix product: (x, |x|^2, 1) times (-2y, 1, |y|^2).

    Rounding is relative to |x|^2 + |y|^2: centre the rows first.
    """
    x2, y2 = x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    left = torch.cat([x, x2, torch.ones_like(x2)], -1)  # (*B, n, d + 2)
    right = torch.cat([-2 * y, torch.ones_like(y2), y2], -1)  # (*B, m, d + 2)
    return (left @ right.mT).clamp_min_(0)


def resolved_squared_distances(
    x: Float[Tensor, "*B n d"], y: Float[Tensor, "*B m d"]
) -> Float[Tensor, "*B n m"]:
    """Squared distances with everything below the rounding level set to exactly 0.

    A square root has no slope there: noise in place of 0 would become a huge gradient.
    """
    r2 = squared_distances(x, y)
    if 0 in r2.shape[-2:]:
        return r2
    scale = x.detach().square().sum(-1).amax(-1) + y.detach().square().sum(-1).amax(-1)
    floor = 8 * torch.finfo(x.dtype).eps * scale[..., None, None]
    return r2.masked_fill(r2 <= floor, 0)


def pairwise_distances(
    x: Float[Tensor, "*B n d"], y: Float[Tensor, "*B m d"]
) -> Float[Tensor, "*B n m"]:
    """|x_i - y_j| in the precision of the input, with subgradient 0 where points coincide.

    Computed in float64: the square root of a rounding error of 1e-7 is 3e-4, of 1e-16 it is 1e-8.
    """
    centre = pooled_mean(x, y)
    r2 = resolved_squared_distances(x.double() - centre, y.double() - centre)
    return safe_sqrt(r2).to(x.dtype)


def safe_sqrt(r2: Tensor) -> Tensor:
    """The square root, with derivative 0 at 0."""
    zero = r2 == 0
    return r2.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


def pooled_mean(x: Float[Tensor, "*B n d"], y: Float[Tensor, "*B m d"]) -> Float[Tensor, "*B 1 d"]:
    """A detached centre for both samples: distances do not see it, rounding errors do."""
    pooled = torch.cat([x.detach(), y.detach()], -2)
    return pooled.mean(-2, keepdim=True)
