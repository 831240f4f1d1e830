"""The penalty that a certificate is about: total variation between the groups' cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.total_variation import (
    cell_shares,
    cell_total_variation,
    total_variation,
)
from fairrep.penalties.group import GroupPenalty, Side


class CellPenalty(GroupPenalty):
    r"""Sum of the total variation between the groups' cells, :math:`\sum_{a<b} TV(p_a, p_b)`.

    A batch's own shares are noisy: the total variation between n and m rows of one law on K equal
    cells is about :math:`\sqrt{K(1/n + 1/m)/2\pi}`. The shares are therefore averages over the
    batches so far (of the epoch, as :meth:`reseed` starts them anew), older ones counting less,
    with the gradient of the newest batch alone.

    Args:
        groups: names of the groups in code order.
        memory: what an average keeps of the batches before, in [0, 1); with 0 each batch stands
            for itself.
        hard: count each row's most probable cell, which is what is released as argmax, with the
            gradient of the probabilities: the total variation of probabilities may be 0 where
            that of the most probable cells is not.
        **others: of :class:`fairrep.penalties.GroupPenalty`.
    """

    def __init__(self, groups: Sequence[str], *, memory: float, hard: bool, **others: Any) -> None:
        if not 0 <= memory < 1:
            raise ValueError(f"memory must lie in [0, 1), got {memory}.")
        super().__init__(cell_total_variation, groups, **others)
        self.memory = memory
        self.hard = hard
        self._sums: dict[tuple[int, int], tuple[Tensor, float]] = {}

    def reseed(self, seed: int) -> None:
        """Start the averages anew."""
        self._sums = {}

    def _value(self, one: Side, other: Side, place: int) -> Tensor:
        shares = (
            self._averaged((place, number), cell_shares(self._counted(side.rows), side.weights))
            for number, side in enumerate((one, other))
        )
        return total_variation(*shares)

    def _counted(self, q: Float[Tensor, "*B n K"]) -> Float[Tensor, "*B n K"]:
        if not self.hard:
            return q
        released = F.one_hot(q.detach().argmax(-1), q.shape[-1]).to(q.dtype)
        return released + q - q.detach()

    def _averaged(
        self, key: tuple[int, int], shares: Float[Tensor, "*B K"]
    ) -> Float[Tensor, "*B K"]:
        """The running average's value with the batch's gradient."""
        newest = shares.detach()
        total, weight = self._sums.get(key, (torch.zeros_like(newest), 0.0))
        total, weight = self.memory * total + newest, self.memory * weight + 1
        self._sums[key] = total, weight
        return total / weight + shares - newest
