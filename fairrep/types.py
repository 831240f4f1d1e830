"""The nouns that every layer shares: a batch, a task, the rows per group."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

Kind = Literal["binary", "multiclass", "regression"]

GroupCounts = tuple[int, ...]
"""Rows of each group in a batch whose rows are ordered by group: group 0 first, then group 1, …"""


class Batch(NamedTuple):
    """Rows ordered by group, with everything a training step reads."""

    x: Float[Tensor, "n p"]
    """Preprocessed features (:class:`fairrep.data.TableSchema`)."""
    y: Float[Tensor, "n t"]
    """A column per seen task; NaN where the row has no label."""
    s: Int[Tensor, " n"]
    """Group codes, ascending."""
    a: Float[Tensor, "n k"]
    """The sensitive attributes as numbers, see :class:`AttributeSpec`."""
    weight: Float[Tensor, " n"]
    """Population share of the row's group over its share of the batch: weighted batch means
    estimate population means even where small groups are over-sampled."""
    counts: GroupCounts
    target: Float[Tensor, "n t"]
    """What the heads learn: y, or what a teacher says."""


@dataclass(frozen=True)
class AttributeSpec:
    """One sensitive attribute; groups are the intersections of all of them.

    As numbers it is one column in training standard deviations if real-valued, else one
    indicator column for each of its own groups.

    Attributes:
        name: the attribute's name.
        groups: names of its own groups; of a real-valued one, its bins.
        of_group: for each intersection's code, the position of this attribute's group.
        real: whether it is a real number.
    """

    name: str
    groups: tuple[str, ...]
    of_group: tuple[int, ...]
    real: bool = False

    @property
    def width(self) -> int:
        """Columns it takes as numbers."""
        return 1 if self.real else len(self.groups)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> AttributeSpec:
        """The inverse of :meth:`to_json`."""
        lists = {key: tuple(saved[key]) for key in ("groups", "of_group")}
        return cls(**{**saved, **lists})


@dataclass(frozen=True)
class TaskSpec:
    """One prediction task.

    Attributes:
        name: the task's name, as in tables and logs.
        kind: ``binary`` (labels 0/1), ``multiclass`` (codes 0..K-1) or ``regression``.
        labels: names of the classes in code order; empty for regression.
        seen: whether the encoder is trained on it; novel tasks are only ever evaluated.
        mean: training mean of a regression label, in the label's own unit; 0 otherwise.
        scale: training standard deviation of a regression label; 1 otherwise.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    seen: bool = True
    mean: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        """Numbers a head returns for this task: K logits for K > 2 classes, else one."""
        return len(self.labels) if self.kind == "multiclass" else 1

    @property
    def classes(self) -> int:
        """Number of classes, 0 for regression."""
        return len(self.labels)

    def to_json(self) -> dict[str, Any]:
        """As a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> TaskSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**{**saved, "labels": tuple(saved["labels"])})
