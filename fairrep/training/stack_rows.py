"""Rows for a stack: every model's own batches of the same tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fairrep.data import OrderedSampler, PreparedData, Rows, StratifiedSampler
from fairrep.encoders.inputs import InputLayer
from fairrep.training.fit import FitSettings
from fairrep.types import GroupCounts


@dataclass(frozen=True)
class StackBatch:
    """A batch of every model, or one that all of them share (then without the leading axis)."""

    x: Tensor  # ([k,] n, p)
    rows: Tensor  # ([k,] n, w) after the input layer
    y: Tensor  # ([k,] n, t)
    s: Tensor  # ([k,] n)
    a: Tensor  # ([k,] n, attributes)
    weight: Tensor  # ([k,] n)
    counts: GroupCounts
    target: Tensor  # ([k,] n, t)


class StackRows:
    """One split on the device, the input layer's output formed once if it fits.

    Args:
        split: the rows.
        inputs: the input layer, which has no parameters.
        tasks: number of leading label columns.
        device: where the stack is trained.
        dtype: in which precision.
        room: bytes that the encoded rows may take.
    """

    def __init__(
        self,
        split: Rows,
        inputs: InputLayer,
        *,
        tasks: int,
        device: torch.device,
        dtype: torch.dtype,
        room: float,
    ) -> None:
        self._inputs = inputs.to(device)
        self._x = split.x.to(device, dtype)
        wide = len(split) * inputs.width * self._x.element_size() <= room
        self._wide = self._inputs(self._x) if wide else None
        self._y = split.y[:, :tasks].to(device, dtype)
        self._target = split.target[:, :tasks].to(device, dtype)
        self._s = split.s.to(device)
        self._a = split.a.to(device, dtype)

    def batch(self, index: Tensor, counts: GroupCounts, group_weights: Tensor) -> StackBatch:
        """Gather rows (n,) for all models, or (k, n) of each its own."""
        index = index.to(self._s.device)
        s = self._s[index]
        x = self._x[index]
        rows = self._inputs(x) if self._wide is None else self._wide[index]
        weight = group_weights.to(rows.device)[s].to(rows.dtype)
        y, target = self._y[index], self._target[index]
        return StackBatch(x, rows, y, s, self._a[index], weight, counts, target)


class EpochBatches:
    """Row numbers of an epoch's batches, each seed's own: those of its single run.

    Args:
        data: rows and groups.
        settings: of every model.
        min_rows: rows that every group has in a batch, for every model.
    """

    def __init__(
        self, data: PreparedData, settings: Sequence[FitSettings], min_rows: Sequence[int]
    ) -> None:
        self._keys = [(one.seed, least) for one, least in zip(settings, min_rows)]
        self._samplers = {
            key: StratifiedSampler(
                data.train.s,
                groups=len(data.groups),
                batch_size=one.batch_size,
                seed=one.seed,
                min_rows=key[1],
                allocation=one.allocation,
            )
            for key, one in dict(zip(self._keys, settings)).items()
        }
        self._rows: dict[tuple[int, int], Tensor] = {}
        self.steps = len(self._samplers[self._keys[0]])

    def set_epoch(self, epoch: int) -> None:
        """Draw the epoch's batches; they depend on the seed and this number alone."""
        for key, sampler in self._samplers.items():
            sampler.set_epoch(epoch)
            self._rows[key] = torch.stack([batch.rows for batch in sampler])  # (steps, n)

    def index(self, models: Sequence[int], step: int) -> Tensor:
        """Rows (n,) of a step if the models share their seed, else (k, n)."""
        keys = [self._keys[m] for m in models]
        if len(set(keys)) == 1:
            return self._rows[keys[0]][step]
        return torch.stack([self._rows[key][step] for key in keys])

    def sampler(self, model: int) -> StratifiedSampler:
        """The sampler of a model."""
        return self._samplers[self._keys[model]]


def validation_batches(
    data: PreparedData, rows: StackRows, batch_size: int
) -> Iterator[tuple[StackBatch, int]]:
    """Every validation row once, in the batches of single runs, and how many rows each has."""
    sampler = OrderedSampler(data.val.s, groups=len(data.groups), batch_size=batch_size)
    for index, counts in sampler:
        yield rows.batch(index, counts, sampler.group_weights), len(index)
