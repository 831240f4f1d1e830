"""A divergence between two samples becomes a penalty over groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fairrep.penalties.notion import Notion
from fairrep.types import GroupCounts

Divergence = Callable[..., Tensor]
"""(x (n, d), y (m, d), a=weights (n,) or None, b=weights (m,) or None) → scalar."""


class PenaltyValue(NamedTuple):
    """The penalty of a batch and how many comparisons had too few rows to be made."""

    value: Float[Tensor, ""]
    absent: Int[Tensor, ""]


class Side(NamedTuple):
    """One sample of a comparison: rows and their 0/1 weights (``None`` = all of them)."""

    rows: Float[Tensor, "n d"]
    weights: Float[Tensor, " n"] | None


class GroupPenalty:
    r"""Sum of a divergence between the groups' rows, :math:`\sum_{a<b} D(z_a, z_b)`.

    Groups are codes 0..G-1 known from the training data, never positions in a batch. A comparison
    in which a side has fewer than ``min_rows`` rows contributes exactly 0 and is counted.

    Args:
        divergence: compares two samples; takes row weights ``a`` and ``b``.
        groups: names of the groups in code order.
        pairs: ``all`` compares every pair; ``pooled`` each group with the pooled rows.
        min_rows: rows that both sides of a comparison must have.
        notion: which rows are compared.
    """

    def __init__(
        self,
        divergence: Divergence,
        groups: Sequence[str],
        *,
        pairs: Literal["all", "pooled"] = "all",
        min_rows: int = 2,
        notion: Notion | None = None,
    ) -> None:
        if pairs not in ("all", "pooled"):
            raise ValueError(f"pairs must be all or pooled, got '{pairs}'.")
        if min_rows < 1:
            raise ValueError(f"min_rows must be at least 1, got {min_rows}.")
        self.divergence = divergence
        self.groups = tuple(groups)
        self.pairs = pairs
        self.min_rows = min_rows
        self.notion = notion or Notion()

    def __call__(
        self,
        z: Float[Tensor, "n d"],
        s: Int[Tensor, " n"],
        y: Float[Tensor, "n t"] | None = None,
        *,
        counts: GroupCounts | None = None,
    ) -> Float[Tensor, ""]:
        """Return the penalty of a batch.

        Args:
            z: representations.
            s: group codes; rows of other codes (-1) are ignored.
            y: labels, for notions that condition on them.
            counts: rows per group if the rows are ordered by group; without it the rows are
                sorted here, which waits for the device.
        """
        return self.evaluate(z, s, y, counts=counts).value

    def evaluate(
        self,
        z: Float[Tensor, "n d"],
        s: Int[Tensor, " n"],
        y: Float[Tensor, "n t"] | None = None,
        *,
        counts: GroupCounts | None = None,
    ) -> PenaltyValue:
        """Return the penalty and the number of comparisons left out; arguments as above."""
        if counts is None:
            z, s, y, counts = sort_by_group(z, s, y, len(self.groups))
        value, absent = z.new_zeros(()), torch.zeros((), dtype=torch.int64, device=z.device)
        for mask in self.notion.conditions(y):
            for one, other in self._comparisons(z, mask, counts):
                term, missing = self._compare(one, other)
                value, absent = value + term, absent + missing
        return PenaltyValue(value, absent)

    def _comparisons(
        self, z: Tensor, mask: Bool[Tensor, " n"] | None, counts: GroupCounts
    ) -> Iterator[tuple[Side, Side]]:
        sides = _sides(z, mask, counts)
        if self.pairs == "pooled":
            pooled = _side(z, mask)
            yield from ((side, pooled) for side in sides)
        else:
            yield from combinations(sides, 2)

    def _compare(self, one: Side, other: Side) -> PenaltyValue:
        if min(len(one.rows), len(other.rows)) < self.min_rows:  # known without looking at labels
            return PenaltyValue(one.rows.new_zeros(()), torch.tensor(1))
        if one.weights is None or other.weights is None:
            return PenaltyValue(self.divergence(one.rows, other.rows), torch.tensor(0))
        enough = (one.weights.sum() >= self.min_rows) & (other.weights.sum() >= self.min_rows)
        # a comparison that will not count runs on all rows, so that it stays finite
        a = torch.where(enough, one.weights, 1.0)
        b = torch.where(enough, other.weights, 1.0)
        value = self.divergence(one.rows, other.rows, a=a, b=b)
        return PenaltyValue(torch.where(enough, value, 0.0), (~enough).long())


def _sides(z: Tensor, mask: Tensor | None, counts: GroupCounts) -> list[Side]:
    masks = [None] * len(counts) if mask is None else list(mask.split(list(counts)))
    return [_side(rows, part) for rows, part in zip(z.split(list(counts)), masks)]


def _side(rows: Tensor, mask: Tensor | None) -> Side:
    return Side(rows, None if mask is None else mask.to(rows.dtype))


def sort_by_group(
    z: Tensor, s: Tensor, y: Tensor | None, groups: int
) -> tuple[Tensor, Tensor, Tensor | None, GroupCounts]:
    """Order rows by group, drop unknown ones, and count the rows of each group."""
    order = torch.argsort(s, stable=True)
    order = order[s[order] >= 0]
    s = s[order]
    counts = tuple(torch.bincount(s, minlength=groups).tolist())
    return z[order], s, None if y is None else y[order], counts
