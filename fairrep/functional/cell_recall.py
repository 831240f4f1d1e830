"""How much of the rows' own columns a cell tells: what keeps in it more than the seen tasks ask."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cell_recall(
    q: Float[Tensor, "*B n K"],
    values: Float[Tensor, "*B n v"],
    columns: Int[Tensor, " v"],
) -> Float[Tensor, "*B"]:
    r"""Share of the columns' variance that lies between cells, the mean over the columns.

    Of a column with the values :math:`f_v` (one for a number, an indicator per category), with
    :math:`\pi_k = \bar q_k` and the cell's mean :math:`m_{kv}`,

    .. math:: \eta^2 = \frac{\sum_v \sum_k \pi_k (m_{kv} - \bar f_v)^2}
                            {\sum_v \overline{(f_v - \bar f_v)^2}}.

    For a number it is the squared correlation ratio, for categories Goodman and Kruskal's τ; both
    are what the best guess of the column from the cell saves of its squared error: a
    reconstruction without a decoder. Between 0 (the cell tells nothing) and 1 (the cell tells the
    column); a column that is constant on these rows counts as 0.

    Args:
        q: each row's probabilities of the K cells.
        values: of all columns, side by side.
        columns: number of the column that each of them belongs to, 0 to the largest.

    Ref: Goodman and Kruskal (1954), JASA 49.
    """
    rows, count = q.shape[-2], int(columns.max()) + 1
    mean = values.mean(dim=-2)  # (*B, v)
    joint = q.mT @ (values - mean.unsqueeze(-2)) / rows  # (*B, K, v), π_k (m_kv - mean_v)
    shares = q.mean(dim=-2).clamp_min(torch.finfo(q.dtype).tiny)  # (*B, K)
    between = (joint.square() / shares.unsqueeze(-1)).sum(dim=-2)  # (*B, v)
    total = values.var(dim=-2, correction=0)
    member = torch.nn.functional.one_hot(columns, count).to(q.dtype)  # (v, columns)
    between, total = between @ member, total @ member
    constant = total <= torch.finfo(q.dtype).eps
    return torch.where(constant, 0.0, between / total.masked_fill(constant, 1.0)).mean(dim=-1)
