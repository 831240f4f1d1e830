"""How differently a real-valued prediction is distributed in the groups."""

from __future__ import annotations

from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def ks_distance(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """Kolmogorov–Smirnov distance sup_t |F_x(t) - F_y(t)| of two samples, in [0, 1].

    Raises:
        ValueError: an empty sample.
    """
    if min(len(x), len(y)) == 0:
        raise ValueError(f"ks_distance needs rows on both sides, got {len(x)} and {len(y)}.")
    points = torch.cat([x, y])
    below_x = torch.searchsorted(x.sort().values, points, right=True).double() / len(x)
    below_y = torch.searchsorted(y.sort().values, points, right=True).double() / len(y)
    return (below_x - below_y).abs().max()


def largest_ks_distance(
    values: Float[Tensor, " n"], group: Int[Tensor, " n"], *, groups: int
) -> Float[Tensor, ""]:
    """Largest KS distance between two groups; NaN with fewer than two groups present.

    The demographic-parity difference of the worst threshold on the prediction.
    """
    samples = [values[group == g] for g in range(groups)]
    present = [sample for sample in samples if len(sample)]
    distances = [ks_distance(a, b) for a, b in combinations(present, 2)]
    return torch.stack(distances).max() if distances else torch.tensor(torch.nan)


def wasserstein1(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """W₁ = ∫ |F_x(t) - F_y(t)| dt of two samples, in their own unit.

    Raises:
        ValueError: an empty sample.
    """
    if min(len(x), len(y)) == 0:
        raise ValueError(f"wasserstein1 needs rows on both sides, got {len(x)} and {len(y)}.")
    points = torch.cat([x, y]).double().sort().values
    below_x, below_y = (
        torch.searchsorted(sample.double().sort().values, points[:-1], right=True).double()
        / len(sample)
        for sample in (x, y)
    )
    return ((below_x - below_y).abs() * points.diff()).sum()


def largest_wasserstein1(
    values: Float[Tensor, " n"], group: Int[Tensor, " n"], *, groups: int
) -> Float[Tensor, ""]:
    """Largest W₁ distance between two groups; NaN with fewer than two groups present."""
    present = [values[group == g] for g in range(groups) if (group == g).any()]
    distances = [wasserstein1(a, b) for a, b in combinations(present, 2)]
    return torch.stack(distances).max() if distances else torch.tensor(torch.nan)
