"""Prepared data: one split, and all of them with what was done to get there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fairrep.data.registry import DatasetSpec
from fairrep.data.schema import TableSchema
from fairrep.types import AttributeSpec, TaskSpec


@dataclass(frozen=True)
class Rows:
    """One split as tensors on the CPU."""

    x: Tensor  # (n, p) float32
    y: Tensor  # (n, T) float32, a column per task, seen ones first; NaN = no label
    s: Tensor  # (n,) int64 group codes, -1 = a group that training never saw
    a: Tensor  # (n, k) float32, the sensitive attributes as numbers (AttributeSpec)
    index: np.ndarray  # (n,) row numbers in the source table

    def __len__(self) -> int:
        return len(self.x)

    @property
    def target(self) -> Tensor:
        """What heads learn, seen tasks first: y."""
        return self.y


@dataclass(frozen=True)
class TaughtRows(Rows):
    """Rows whose heads learn what a teacher says."""

    said: Tensor  # (n, seen T) float32

    @property
    def target(self) -> Tensor:
        """What heads learn: what the teacher says."""
        return self.said


@dataclass(frozen=True)
class PreparedData:
    """Everything that training and evaluation read, and what was done to get there."""

    spec: DatasetSpec
    tasks: tuple[TaskSpec, ...]
    attributes: tuple[AttributeSpec, ...]
    groups: tuple[str, ...]
    schema: TableSchema
    train: Rows
    val: Rows
    test: Rows
    calibration: Rows
    """Rows that nothing but a certificate reads; none unless ``data.calibration`` asks for them."""
    dropped: dict[str, str]
    """Column → why it is not in x."""
    surprises: dict[str, dict[str, dict[str, int]]]
    """Split → missing and unseen values per column."""
    left_out: int = 0
    """Rows of the source that have no label for any of the tasks."""
    notes: tuple[str, ...] = ()
    """What a reader should know about the files at hand."""

    @property
    def seen(self) -> tuple[TaskSpec, ...]:
        """Tasks that the encoder is trained on."""
        return tuple(task for task in self.tasks if task.seen)

    @property
    def sensitive(self) -> tuple[str, ...]:
        """Names of the sensitive attributes."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def splits(self) -> dict[str, Rows]:
        """The splits by name; the calibration rows only where there are any."""
        usual = {"train": self.train, "val": self.val, "test": self.test}
        return usual | ({"calibration": self.calibration} if len(self.calibration) else {})
