"""Batches by index from tensors that already lie on the training device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fairrep.data.prepared import Rows
from fairrep.data.samplers import IndexSampler
from fairrep.types import Batch


class IndexLoader:
    """An iterable of :class:`Batch`: one gather per tensor and batch, no per-row work.

    Args:
        rows: a split; its tensors are moved to ``device`` once.
        sampler: yields the row indices (Lightning finds it here and calls ``set_epoch``).
        tasks: number of leading label columns to hand out (the seen tasks come first).
        device: where the batches live.
    """

    def __init__(
        self, rows: Rows, sampler: IndexSampler, *, tasks: int, device: torch.device | str = "cpu"
    ) -> None:
        self.sampler = sampler
        self.batch_sampler = None  # Lightning looks here for a shuffling sampler
        self._x = rows.x.to(device)
        self._y = rows.y[:, :tasks].to(device)
        self._target = rows.target[:, :tasks].to(device)
        self._s = rows.s.to(device)
        self._a = rows.a.to(device)
        self._group_weights: Tensor = sampler.group_weights.to(device)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        for rows, counts in self.sampler:
            index = rows.to(self._x.device)
            s = self._s[index]
            weight = self._group_weights[s]
            x, y, target = self._x[index], self._y[index], self._target[index]
            yield Batch(x, y, s, self._a[index], weight, counts, target)
