"""The protocol's machinery: rows as every representation shows them, heads fitted for all of them.

Test rows come sealed (:class:`fairrep.evaluation.sealed.Sealed`) and are opened when all heads are
fitted and everything is selected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep import data as tables
from fairrep.data import PreparedData
from fairrep.encoders import SavedHeads
from fairrep.evaluation.figures_of_task import Grouping, groupings
from fairrep.evaluation.heads import HEADS, Fit, Predict, Rows, Stacked, fit_heads
from fairrep.evaluation.leakage import Probe, probe_labels, probes
from fairrep.evaluation.view import View
from fairrep.types import TaskSpec

Predicted = dict[str, dict[str, dict[str, np.ndarray]]]
"""head → representation → task or probe → prediction."""


@dataclass(frozen=True)
class Questions:
    """What is asked of every representation.

    Attributes:
        tasks: the tasks to predict.
        heads: names of the heads that predict them; all heads are probes for s.
        ways: groupings of the rows.
        probes: what of s is to be read.
    """

    tasks: tuple[TaskSpec, ...]
    heads: tuple[str, ...]
    ways: tuple[Grouping, ...]
    probes: tuple[Probe, ...]

    def of(self, head: str) -> list[TaskSpec]:
        """What a head is fitted for: its tasks, and what is probed."""
        return [*self._predicted(head), *(probe.task for probe in self._probed(head))]

    def columns(self, head: str) -> list[int]:
        """Columns of these among the labels of :class:`Part`."""
        first, probed = range(len(self._predicted(head))), len(self._probed(head))
        return [*first, *range(len(self.tasks), len(self.tasks) + probed)]

    def _predicted(self, head: str) -> tuple[TaskSpec, ...]:
        return self.tasks if head in self.heads else ()

    def _probed(self, head: str) -> tuple[Probe, ...]:
        return self.probes if head in HEADS else ()


@dataclass(frozen=True)
class Part:
    """One split's rows: every representation of them, their labels and groups."""

    views: dict[str, View]
    y: Float[Tensor, "n t+p"]  # tasks, then probes; NaN = none
    s: Int[Tensor, " n"]


@dataclass(frozen=True)
class FittedHeads:
    """All heads of all representations, fitted and selected."""

    questions: Questions
    by_head: dict[str, Predict]

    def predict(self, views: Mapping[str, View]) -> Predicted:
        """Predict other rows, given in the same representations and order."""
        found: Predicted = {}
        for head, predict in self.by_head.items():
            names = [task.name for task in self.questions.of(head)]
            rows = predict(list(views.values()))
            found[head] = {view: dict(zip(names, row)) for view, row in zip(views, rows)}
        return found

    def networks(self, view: int) -> dict[str, SavedHeads]:
        """The heads of the tasks on one representation that are layers, by name; no probe for s."""
        found = {}
        for head in self.questions.heads:
            if isinstance(predict := self.by_head[head], Stacked):
                network = predict.network(view, self.questions.tasks)
                found[head] = SavedHeads(network, self.questions.tasks)
        return found


def questions(data: PreparedData, heads: Sequence[str], tasks: Sequence[TaskSpec]) -> Questions:
    """Ask for ``tasks`` with the named heads, and for every sensitive attribute."""
    ways = groupings(data.groups, data.attributes)
    return Questions(tuple(tasks), tuple(heads), ways, tuple(probes(ways, data.attributes)))


def part(views: dict[str, View], rows: tables.Rows, data: PreparedData, asked: Questions) -> Part:
    """Put a split's labels beside its representations."""
    chosen = [data.tasks.index(task) for task in asked.tasks]
    y = torch.cat([rows.y[:, chosen].double(), probe_labels(asked.probes, rows.s, rows.a)], dim=1)
    return Part(views, y, rows.s)


def fit_all(
    train: Part,
    val: Part,
    asked: Questions,
    *,
    seed: int,
    others: Mapping[str, Fit] | None = None,
) -> FittedHeads:
    """Fit every head on training rows and select on validation rows.

    Args:
        train: training rows.
        val: validation rows.
        asked: what is asked.
        seed: of the heads.
        others: heads that predict tasks without probing for s, by name.
    """
    by_head: dict[str, Predict] = {}
    for head, fit in (HEADS | dict(others or {})).items():
        columns = asked.columns(head)
        if not columns:
            continue
        rows, rows_val = (
            Rows(list(own.views.values()), own.y[:, columns], own.s) for own in (train, val)
        )
        by_head |= fit_heads({head: fit}, rows, rows_val, asked.of(head), seed=seed)
    return FittedHeads(asked, by_head)
