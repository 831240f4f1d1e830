"""A measure of dependence becomes a penalty on sensitive attributes that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
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

Measure = Callable[..., Tensor]
"""(z (n, d), a (n, k), weights=(n,)) → scalar, e.g. ``hsic`` or ``distance_covariance2``."""


class DependencePenalty:
    """Dependence between the representation and the attributes, no binning.

    A real number (an age) is one column; groups are indicator columns, so that several attributes
    of both kinds are side by side. With fewer than ``min_rows`` rows the penalty is exactly 0, and
    counted; rows that are not finite are treated as by ``GroupPenalty``.

    Args:
        measure: of dependence between two samples of the same rows; takes row ``weights``.
        groups: of no matter; every penalty is told the groups' names.
        min_rows: rows that must be there; unbiased estimators need four.
        notion: which rows are looked at.
        combine: ``intersections`` measures the dependence on all attributes jointly, ``sum`` on
            one at a time, and adds up.
        attributes: what the columns of ``a`` are; needed by ``sum``.
        check_finite: raise if z is not finite (a wait for the device a call).
    """

    reads: Literal["s", "a"] = "a"

    def __init__(
        self,
        measure: Measure,
        groups: Sequence[str] = (),
        *,
        min_rows: int = 4,
        notion: Notion | None = None,
        combine: Combine = "intersections",
        attributes: Sequence[AttributeSpec] = (),
        check_finite: bool = False,
    ) -> None:
        require_min_rows(min_rows)
        require_attributes(combine, attributes)
        self.measure = measure
        self.groups = tuple(groups)
        self.min_rows = min_rows
        self.notion = notion or Notion()
        self.widths = [attribute.width for attribute in attributes] if combine == "sum" else None
        self.check_finite = check_finite

    @property
    def random(self) -> bool:
        """No measure of dependence here is random."""
        return False

    def reseed(self, seed: int) -> None:
        """Do nothing: no measure of dependence here is random."""

    def __call__(
        self,
        z: Float[Tensor, "n d"],
        s: Float[Tensor, "n k"] | Float[Tensor, " n"],
        y: Float[Tensor, "n t"] | None = None,
        *,
        counts: GroupCounts | None = None,
    ) -> Float[Tensor, ""]:
        """Return the penalty of a batch.

        Args:
            z: representations.
            s: the attributes as numbers, see :class:`fairrep.types.AttributeSpec`.
            y: labels, for notions that condition on them.
            counts: of no matter.

        Raises:
            ValueError: s holds codes instead of numbers.
        """
        return self.evaluate(z, s, y, counts=counts).value

    def evaluate(
        self,
        z: Float[Tensor, "*B n d"],
        s: Float[Tensor, "*B n k"] | Float[Tensor, " n"],
        y: Float[Tensor, "*B n t"] | None = None,
        *,
        counts: GroupCounts | None = None,
    ) -> PenaltyValue:
        """Return the penalty and what was left out of it; arguments as above.

        Leading dimensions are batches of different models.
        """
        if not s.is_floating_point():
            raise ValueError(
                f"s must hold real numbers or indicator columns, got {s.dtype}; codes have no "
                "order: use a GroupPenalty, or torch.nn.functional.one_hot(s).float()."
            )
        z, finite = usable_rows(z, check_finite=self.check_finite)
        s = s if s.dim() > 1 else s[:, None]  # (*B, n, k)
        value = z.new_zeros(z.shape[:-2])
        absent = torch.zeros(z.shape[:-2], dtype=torch.int64, device=z.device)
        with in_full_precision(z):
            for weights in condition_weights(self.notion, y, finite, z.dtype):
                enough = weights.sum(-1) >= self.min_rows  # (*B,)
                weights = torch.where(enough[..., None], weights, 1.0)
                for columns in s.split(self.widths, dim=-1) if self.widths else (s,):
                    term = self.measure(z, columns, weights=weights)
                    value = value + torch.where(enough, term, 0.0)
                absent = absent + (~enough).long()
        return PenaltyValue(value, absent, (~finite).sum(-1))
