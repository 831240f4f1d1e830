r"""Group fairness of decisions, from counts.

*update*: :func:`group_confusion` counts (group, true class, decided class) of a batch; counts of
batches and processes add. *compute*: every other function maps counts (G, C, C) to a number.
Groups are known by code; a group without rows takes no part. Refs: Hardt, Price, Srebro (2016);
Agarwal et al. (2018).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def group_confusion(
    decision: Int[Tensor, " n"],
    target: Float[Tensor, " n"],
    group: Int[Tensor, " n"],
    *,
    classes: int,
    groups: int,
) -> Int[Tensor, "g c c"]:
    """Count rows by group, true class and decided class.

    Rows without a label (NaN) or of an unknown group (-1) are not counted.
    """
    known = ~torch.isnan(target) & (group >= 0)
    cell = (group[known] * classes + target[known].long()) * classes + decision[known]
    return torch.bincount(cell, minlength=groups * classes * classes).view(groups, classes, classes)


def decision_rates(counts: Int[Tensor, "g c c"]) -> Float[Tensor, "g c"]:
    """P(decision = k | group); NaN for a group without rows."""
    decided = counts.sum(1).double()
    return decided / decided.sum(1, keepdim=True)


def hit_rates(counts: Int[Tensor, "g c c"]) -> Float[Tensor, "g c"]:
    """P(decision = k | true class = k, group): true-positive rates; NaN where there is no row."""
    by_class = counts.double()
    return torch.diagonal(by_class, dim1=1, dim2=2) / by_class.sum(2)


def false_rates(counts: Int[Tensor, "g c c"]) -> Float[Tensor, "g c"]:
    """P(decision = k | true class ≠ k, group): false-positive rates."""
    total = counts.double()
    others = total.sum((1, 2)).unsqueeze(1) - total.sum(2)
    wrong = total.sum(1) - torch.diagonal(total, dim1=1, dim2=2)
    return wrong / others


def largest_gap(rates: Float[Tensor, "g c"]) -> Float[Tensor, ""]:
    """Largest difference between two groups over the columns; NaN with fewer than two groups."""
    known = ~torch.isnan(rates)
    highest = torch.where(known, rates, -torch.inf).amax(0)
    lowest = torch.where(known, rates, torch.inf).amin(0)
    gap = torch.where(known.sum(0) >= 2, highest - lowest, -torch.inf).max()
    return torch.where(torch.isinf(gap), torch.nan, gap)


def demographic_parity_difference(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """max_{a,b} |P(ŷ = k | a) - P(ŷ = k | b)|, the largest over classes k."""
    return largest_gap(_columns(decision_rates(counts)))


def demographic_parity_ratio(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """min_{a,b} P(ŷ = k | a) / P(ŷ = k | b), the smallest over classes k (binary: k = 1)."""
    rates = _columns(decision_rates(counts))
    known = ~torch.isnan(rates)
    highest = torch.where(known, rates, -torch.inf).amax(0)
    lowest = torch.where(known, rates, torch.inf).amin(0)
    return torch.where(highest > 0, lowest / highest, torch.nan).nan_to_num(1.0).min()


def equal_opportunity_difference(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """Largest difference of true-positive rates (binary: of class 1)."""
    return largest_gap(_columns(hit_rates(counts)))


def equalized_odds_difference(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """Largest difference of true-positive or false-positive rates, whichever is larger."""
    false_positive = largest_gap(_columns(false_rates(counts)))
    return torch.fmax(equal_opportunity_difference(counts), false_positive)


def accuracy(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """Share of correct decisions."""
    pooled = counts.sum(0).double()
    return pooled.diagonal().sum() / pooled.sum()


def balanced_accuracy(counts: Int[Tensor, "g c c"]) -> Float[Tensor, ""]:
    """Mean over the classes present of the share of them decided right."""
    return hit_rates(counts.sum(0, keepdim=True)).nanmean()


def _columns(rates: Float[Tensor, "g c"]) -> Float[Tensor, "g k"]:
    """Two classes mirror each other, so class 1 alone; all of them otherwise."""
    return rates[:, 1:] if rates.shape[1] == 2 else rates
