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


def decision_rates(
    counts: Int[Tensor, "*r g c c"], added: Float[Tensor, "*r g 2"] | None = None
) -> Float[Tensor, "*r g c"]:
    """P(decision = k | group); NaN for a group without rows.

    Args:
        counts: of :func:`group_confusion`, with any leading dimensions.
        added: made-up rows of each group, (hits, misses), counted into each of its rates; Agresti
            and Caffo (2000) add one of each.
    """
    decided = counts.sum(-2).double()
    return _shares(decided, decided.sum(-1, keepdim=True), added)


def hit_rates(
    counts: Int[Tensor, "*r g c c"], added: Float[Tensor, "*r g 2"] | None = None
) -> Float[Tensor, "*r g c"]:
    """P(decision = k | true class = k, group): true-positive rates; NaN where there is no row."""
    by_class = counts.double()
    return _shares(torch.diagonal(by_class, dim1=-2, dim2=-1), by_class.sum(-1), added)


def false_rates(
    counts: Int[Tensor, "*r g c c"], added: Float[Tensor, "*r g 2"] | None = None
) -> Float[Tensor, "*r g c"]:
    """P(decision = k | true class ≠ k, group): false-positive rates."""
    total = counts.double()
    others = total.sum((-2, -1)).unsqueeze(-1) - total.sum(-1)
    wrong = total.sum(-2) - torch.diagonal(total, dim1=-2, dim2=-1)
    return _shares(wrong, others, added)


def compared_rates(
    counts: Int[Tensor, "*r g c c"], added: Float[Tensor, "*r g 2"] | None = None
) -> dict[str, Float[Tensor, "*r g k"]]:
    """The rates whose largest difference between groups is each gap, by the gap's name."""
    hits = _columns(hit_rates(counts, added))
    return {
        "demographic_parity_difference": _columns(decision_rates(counts, added)),
        "equal_opportunity_difference": hits,
        "equalized_odds_difference": torch.cat(
            [hits, _columns(false_rates(counts, added))], dim=-1
        ),
    }


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


def accuracy(counts: Int[Tensor, "*r g c c"]) -> Float[Tensor, "*r"]:
    """Share of correct decisions."""
    pooled = counts.sum(-3).double()
    return torch.diagonal(pooled, dim1=-2, dim2=-1).sum(-1) / pooled.sum((-2, -1))


def balanced_accuracy(counts: Int[Tensor, "*r g c c"]) -> Float[Tensor, "*r"]:
    """Mean over the classes present of the share of them decided right."""
    return hit_rates(counts.sum(-3, keepdim=True)).squeeze(-2).nanmean(-1)


def _shares(part: Tensor, whole: Tensor, added: Tensor | None) -> Tensor:
    if added is None:
        return part / whole
    shares = (part + added[..., :1]) / (whole + added.sum(-1, keepdim=True))
    return torch.where(whole > 0, shares, torch.nan)


def _columns(rates: Float[Tensor, "*r g c"]) -> Float[Tensor, "*r g k"]:
    """Two classes mirror each other, so class 1 alone; all of them otherwise."""
    return rates[..., 1:] if rates.shape[-1] == 2 else rates
