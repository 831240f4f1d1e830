"""Total variation between laws on finitely many cells."""

from jaxtyping import Float
from torch import Tensor


def total_variation(p: Float[Tensor, "*B K"], q: Float[Tensor, "*B K"]) -> Float[Tensor, "*B"]:
    r"""Total variation distance :math:`\frac12 \sum_k |p_k - q_k|` of two laws on K cells.

    The largest difference that any event can show, between 0 and 1, dimensionless. No classifier
    that sees only the cell has a larger demographic-parity difference.

    Args:
        p: Probabilities of the cells in one group.
        q: Probabilities of the cells in the other.

    Raises:
        ValueError: Different numbers of cells.

    The surprise: p and q are taken as they are, not normalised; the subgradient where p_k = q_k
    is 0.

    Ref: Levin and Peres (2017), Markov Chains and Mixing Times, Proposition 4.2.
    """
    if p.dim() < 1 or q.dim() < 1 or p.shape[-1] != q.shape[-1]:
        raise ValueError(
            "p and q must be probabilities of the same cells, got shapes "
            f"{tuple(p.shape)} and {tuple(q.shape)}. Count both groups over all K cells."
        )
    return 0.5 * (p - q).abs().sum(-1)


def cell_total_variation(
    x: Float[Tensor, "*B n K"],
    y: Float[Tensor, "*B m K"],
    *,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Total variation between the cells of two samples, :math:`\frac12\sum_k|\bar x_k-\bar y_k|`.

    Each row holds probabilities of K cells, or a 1 for its cell; the laws are their (weighted)
    means, so the value lies between 0 and 1. On average it is larger than the distance of the laws
    that the rows were drawn from, by about :math:`\sqrt{K(1/n + 1/m)/2\pi}` for K equal cells:
    read it on many rows.

    Args:
        x: cells of the one sample.
        y: cells of the other.
        a: weights of the rows of x, ≥ 0; all alike if absent.
        b: weights of the rows of y.

    Raises:
        ValueError: different numbers of cells.
    """
    return total_variation(cell_shares(x, a), cell_shares(y, b))


def cell_shares(
    x: Float[Tensor, "*B n K"], weights: Float[Tensor, "*B n"] | None = None
) -> Float[Tensor, "*B K"]:
    """The (weighted) share of each cell among rows that hold probabilities or indicators."""
    if weights is None:
        return x.mean(dim=-2)
    weights = weights.to(x.dtype)
    return (weights.unsqueeze(-1) * x).sum(-2) / weights.sum(-1, keepdim=True)
