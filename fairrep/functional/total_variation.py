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
