"""A linear baseline: project the differences of the groups' means out of the data."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def mean_difference_directions(
    x: Float[Tensor, "n d"], group: Int[Tensor, " n"], *, groups: int
) -> Float[Tensor, "d k"]:
    """Orthonormal basis of the span of all pairwise differences of the groups' means.

    Rows of an unknown group (-1) and groups without rows take no part; k < groups.
    Ref: Donini, Oneto, Ben-David, Shawe-Taylor, Pontil (2018), NeurIPS, section 3.1.
    """
    present = [g for g in range(groups) if (group == g).any()]
    means = torch.stack([x[group == g].double().mean(0) for g in present])
    differences = (means[1:] - means[:1]).T  # (d, groups - 1)
    basis, sizes, _ = torch.linalg.svd(differences, full_matrices=False)
    largest = sizes.max() if len(sizes) else sizes.sum()
    return basis[:, sizes > 1e-9 * largest.clamp_min(1e-30)].to(x.dtype)


def project_out(x: Float[Tensor, "n d"], basis: Float[Tensor, "d k"]) -> Float[Tensor, "n d"]:
    """X - x B Bᵀ: no linear function of the result differs in mean between the groups."""
    return x - (x @ basis) @ basis.T
