"""A divergence between two samples becomes a penalty over groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep.penalties.notion import Notion
from fairrep.penalties.penalty import (
    Combine,
    PenaltyValue,
    condition_weights,
    in_full_precision,
    require_attributes,
    require_min_rows,
    usable_rows,
)
from fairrep.types import AttributeSpec, GroupCounts

Divergence = Callable[..., Tensor]
"""(x (n, d), y (m, d), a=weights (n,), b=weights (m,)[, generator=]) → scalar."""
Codes = tuple[int, ...]
"""The groups whose rows make one side of a comparison."""


class Side(NamedTuple):
    """One sample of a comparison: rows and their 0/1 weights."""

    rows: Float[Tensor, "*B n d"]
    weights: Float[Tensor, "*B n"]


class GroupPenalty:
    r"""Sum of a divergence between the groups' rows, :math:`\sum_{a<b} D(z_a, z_b)`.

    Groups are codes 0..G-1 known from the training data, never positions in a batch. A comparison
    in which a side has fewer than ``min_rows`` rows contributes exactly 0 and is counted. So are
    rows of z that hold NaN or Inf: they are left out of the comparisons (their loss is not finite
    either, which ends training), or named in an error with ``check_finite``. Computed in at least
    single precision, under autocast too.

    Args:
        divergence: compares two samples; takes row weights ``a`` and ``b``, and a ``generator`` if
            it is random.
        groups: names of the groups in code order.
        pairs: ``all`` compares every pair; ``pooled`` each group with the pooled rows.
        min_rows: rows that both sides of a comparison must have.
        notion: which rows are compared.
        combine: several attributes: ``intersections`` compares the groups as they are, ``sum``
            each attribute's own groups, and adds up over the attributes.
        attributes: what the groups are in each attribute; needed by ``sum``.
        check_finite: raise if z is not finite (a wait for the device a call).
    """

    reads: Literal["s", "a"] = "s"

    def __init__(
        self,
        divergence: Divergence,
        groups: Sequence[str],
        *,
        pairs: Literal["all", "pooled"] = "all",
        min_rows: int = 2,
        notion: Notion | None = None,
        combine: Combine = "intersections",
        attributes: Sequence[AttributeSpec] = (),
        check_finite: bool = False,
    ) -> None:
        if pairs not in ("all", "pooled"):
            raise ValueError(f"pairs must be all or pooled, got '{pairs}'.")
        require_min_rows(min_rows)
        require_attributes(combine, attributes)
        self.divergence = divergence
        self.groups = tuple(groups)
        self.pairs = pairs
        self.min_rows = min_rows
        self.notion = notion or Notion()
        self.check_finite = check_finite
        self.partitions = (
            [_own_groups(attribute) for attribute in attributes]
            if combine == "sum"
            else [tuple((code,) for code in range(len(self.groups)))]
        )
        self._draws = torch.Generator() if _is_random(divergence) else None

    @property
    def random(self) -> bool:
        """Whether the divergence draws random directions or frequencies."""
        return self._draws is not None

    def reseed(self, seed: int) -> None:
        """Start the stream of random directions or frequencies anew; the same on all processes."""
        if self._draws is not None:
            self._draws.manual_seed(seed)

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
        z: Float[Tensor, "*B n d"],
        s: Int[Tensor, "*B n"],
        y: Float[Tensor, "*B n t"] | None = None,
        *,
        counts: GroupCounts | None = None,
    ) -> PenaltyValue:
        """Return the penalty and what was left out of it; arguments as above.

        With ``counts``, leading dimensions are batches of different models with the same counts.
        """
        if counts is None:
            z, s, y, counts = sort_by_group(z, s, y, len(self.groups))
        z, finite = usable_rows(z, check_finite=self.check_finite)
        value = z.new_zeros(z.shape[:-2])
        absent = torch.zeros(z.shape[:-2], dtype=torch.int64, device=z.device)
        with in_full_precision(z):
            comparisons = (
                sides
                for weights in condition_weights(self.notion, y, finite, z.dtype)
                for sides in self._comparisons(z, weights, counts)
            )
            for place, (one, other) in enumerate(comparisons):
                term, missing = self._compare(one, other, place)
                value, absent = value + term, absent + missing
        return PenaltyValue(value, absent, (~finite).sum(-1))

    def _comparisons(
        self, z: Tensor, weights: Tensor, counts: GroupCounts
    ) -> Iterator[tuple[Side, Side]]:
        rows, masks = z.split(list(counts), dim=-2), weights.split(list(counts), dim=-1)
        for partition in self.partitions:
            sides = [
                Side(_joined([rows[c] for c in codes], -2), _joined([masks[c] for c in codes], -1))
                for codes in partition
            ]
            if self.pairs == "pooled":
                yield from ((side, Side(z, weights)) for side in sides)
            else:
                yield from combinations(sides, 2)

    def _compare(self, one: Side, other: Side, place: int) -> tuple[Tensor, Tensor]:
        """The divergence of two sides, and whether one of them was too small for it."""
        sides = one.weights, other.weights
        batch = sides[0].shape[:-1]
        if min(side.shape[-1] for side in sides) < self.min_rows:  # known without looking
            return one.rows.new_zeros(batch), torch.ones(
                batch, dtype=torch.int64, device=one.rows.device
            )
        enough = torch.stack([side.sum(-1) >= self.min_rows for side in sides]).all(0)  # (*B,)
        # a comparison that will not count runs on all rows, so that it stays finite
        a, b = (torch.where(enough[..., None], side, 1.0) for side in sides)
        value = self._value(Side(one.rows, a), Side(other.rows, b), place)
        return torch.where(enough, value, 0.0), (~enough).long()

    def _value(self, one: Side, other: Side, place: int) -> Tensor:
        """The divergence of the comparison at this place in the penalty's order."""
        options = {} if self._draws is None else {"generator": self._draws}
        return self.divergence(one.rows, other.rows, a=one.weights, b=other.weights, **options)


def sort_by_group(
    z: Tensor, s: Tensor, y: Tensor | None, groups: int
) -> tuple[Tensor, Tensor, Tensor | None, GroupCounts]:
    """Order rows by group, drop unknown ones, and count the rows of each group."""
    order = torch.argsort(s, stable=True)
    order = order[s[order] >= 0]
    s = s[order]
    counts = tuple(torch.bincount(s, minlength=groups).tolist())
    return z[order], s, None if y is None else y[order], counts


def _own_groups(attribute: AttributeSpec) -> tuple[Codes, ...]:
    """Per group of the attribute, the codes of the intersections that make it up."""
    return tuple(
        tuple(code for code, place in enumerate(attribute.of_group) if place == own)
        for own in range(len(attribute.groups))
    )


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)


def _is_random(divergence: Divergence) -> bool:
    return "generator" in inspect.signature(divergence).parameters
