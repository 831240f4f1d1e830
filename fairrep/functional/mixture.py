"""Several divergences at once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor


def mixture(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    parts: Mapping[str, Callable[..., Tensor]],
    shares: Mapping[str, float],
    generator: torch.Generator | None = None,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Weighted sum of divergences, :math:`\sum_k w_k D_k(x, y)`.

    What one of them is blind to another may see: transport moves far groups together, a narrow
    kernel finds what differs at its own scale. Each part keeps its own unit, so shares are no
    percentages: a squared MMD is far smaller than a Sinkhorn divergence of the same samples.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        parts: Name → divergence of this package, its settings bound.
        shares: Name → w, at least 0; a part with share 0 is not computed.
        generator: Source of the random parts' directions or frequencies.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: Shares of other names than the parts', negative, or all 0.
    """
    if set(parts) != set(shares):
        raise ValueError(f"shares must name the parts ({', '.join(parts)}), got {dict(shares)}.")
    if any(share < 0 for share in shares.values()) or not any(shares.values()):
        raise ValueError(f"shares must be >= 0 and not all 0, got {dict(shares)}.")
    terms = []
    for name, part in parts.items():
        if shares[name]:
            random = "generator" in inspect.signature(part).parameters
            options = {"generator": generator} if random else {}
            terms.append(shares[name] * part(x, y, a=a, b=b, **options))
    return torch.stack(terms).sum(0)
