"""How much the cells of rows say about the rows: what keeps cells in use."""

import torch
from jaxtyping import Float
from torch import Tensor


def cell_usage(q: Float[Tensor, "*B n K"]) -> Float[Tensor, "*B"]:
    r"""Mutual information of row and cell, :math:`H(\bar q) - \frac1n\sum_i H(q_i)`, in nats.

    Between 0 (all rows have the same probabilities) and log K (each row has one cell, all cells are
    equally common). Without a reward for it, training leaves most cells empty.

    Args:
        q: each row's probabilities of the K cells.

    Ref: Bridle, Heading and MacKay (1991), NeurIPS.
    """
    return _entropy(q.mean(dim=-2)) - _entropy(q).mean(dim=-1)


def _entropy(p: Float[Tensor, "*B K"]) -> Float[Tensor, "*B"]:
    return -torch.special.xlogy(p, p.clamp_min(torch.finfo(p.dtype).tiny)).sum(-1)
