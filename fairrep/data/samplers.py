"""Which rows make a batch: fixed numbers of rows per group, ordered by group, by index alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from fairrep.errors import ConfigError
from fairrep.seeds import generator
from fairrep.types import GroupCounts

Allocation = Literal["proportional", "equal"]


class RowIndices(NamedTuple):
    """Row numbers of one batch, ordered by group, and how many there are of each group."""

    rows: Tensor  # (n,) int64
    counts: GroupCounts


class IndexSampler(Protocol):
    """Yields the row indices of an epoch's batches; Lightning calls ``set_epoch``."""

    group_weights: Tensor
    """(G,) population share of each group over its share of a batch."""

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch; its batches depend on the seed and this number alone."""

    def __iter__(self) -> Iterator[RowIndices]: ...

    def __len__(self) -> int: ...


class StratifiedSampler:
    """Every batch holds the same number of rows of each group, ordered by group.

    Fixed shapes let group comparisons run without data-dependent control flow. Within a group
    rows come in a fresh random order each epoch; a group that is over-sampled starts over.
    An epoch is a function of (seed, epoch), so a resumed run sees the batches it would have seen.

    Args:
        s: group codes of the training rows (n,), 0..groups-1; every group has a row.
        groups: number of groups.
        batch_size: rows of a batch over all processes; at most n.
        seed: of the batches' own stream.
        min_rows: rows that every group has in every batch (or all it has, over several draws).
        allocation: ``proportional`` to the groups' sizes, or ``equal``.
        rank: this process's number.
        world_size: number of processes; each takes its share of every group's rows.
    """

    def __init__(
        self,
        s: Tensor,
        *,
        groups: int,
        batch_size: int,
        seed: int,
        min_rows: int = 2,
        allocation: Allocation = "proportional",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}.")
        if allocation not in ("proportional", "equal"):
            raise ConfigError(f"allocation must be proportional or equal, got '{allocation}'.")
        self._members = [torch.nonzero(s == g).flatten() for g in range(groups)]
        self._seed, self._rank, self._world_size = seed, rank, world_size
        self._epoch = 0
        sizes = [len(rows) for rows in self._members]
        size = min(batch_size, len(s))
        self._length = max(1, len(s) // size)
        self.global_counts = allocate(sizes, size, min_rows=min_rows, allocation=allocation)
        self.counts: GroupCounts = tuple(
            len(range(rank, count, world_size)) for count in self.global_counts
        )
        total, batch = sum(sizes), sum(self.global_counts)
        self.group_weights = torch.tensor(
            [(n / total) / (count / batch) for n, count in zip(sizes, self.global_counts)]
        )

    def set_epoch(self, epoch: int) -> None:
        """Move to an epoch (Lightning calls this before each)."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[RowIndices]:
        for rows in torch.cat(self._epoch_indices(), dim=1):  # (steps, n) by rows
            yield RowIndices(rows, self.counts)

    def _epoch_indices(self) -> list[Tensor]:
        """Per group a matrix (steps, rows of the group in this process's batch)."""
        draws = generator(self._seed, "batches", self._epoch)
        matrices = []
        for rows, count in zip(self._members, self.global_counts):
            needed = count * self._length
            rounds = math.ceil(needed / len(rows))
            orders = [torch.randperm(len(rows), generator=draws) for _ in range(rounds)]
            stream = rows[torch.cat(orders)[:needed]].view(self._length, count)
            matrices.append(stream[:, self._rank :: self._world_size])
        return matrices


class OrderedSampler:
    """Every row of a known group exactly once, in near-equal batches that share out each group.

    No randomness. Rows of group -1 (a group that training never saw) are left out.
    """

    def __init__(self, s: Tensor, *, groups: int, batch_size: int) -> None:
        self._parts = max(1, math.ceil(len(s) / batch_size))
        members = [torch.nonzero(s == g).flatten() for g in range(groups)]
        self._groups = [torch.tensor_split(rows, self._parts) for rows in members]
        self.group_weights = torch.ones(groups)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: every epoch is the same."""

    def __len__(self) -> int:
        return self._parts

    def __iter__(self) -> Iterator[RowIndices]:
        for pieces in zip(*self._groups):
            yield RowIndices(torch.cat(pieces), tuple(len(piece) for piece in pieces))


def allocate(
    sizes: list[int], batch_size: int, *, min_rows: int, allocation: Allocation
) -> GroupCounts:
    """Rows of each group in a batch: the shares, rounded to ``batch_size`` in all, then raised.

    Raising a small group to ``min_rows`` takes rows from the largest while it can spare them,
    and makes the batch larger otherwise.
    """
    total = sum(sizes)
    shares = [1 / len(sizes)] * len(sizes) if allocation == "equal" else [n / total for n in sizes]
    exact = [share * batch_size for share in shares]
    counts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda g: counts[g] - exact[g])
    for g in by_remainder[: batch_size - sum(counts)]:
        counts[g] += 1
    raised = [max(count, min_rows, 1) for count in counts]
    largest = max(range(len(sizes)), key=lambda g: raised[g])
    raised[largest] = max(raised[largest] - (sum(raised) - batch_size), min_rows, 1)
    return tuple(raised)
