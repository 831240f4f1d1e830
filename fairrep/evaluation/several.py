"""Many frozen representations measured as one: heads fitted together, test rows opened once.

Between the last fit and the test rows stands ``settle``: whatever is to be selected is selected
there, from validation figures alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from fairrep.data import PreparedData
from fairrep.evaluation.figures_of_task import Metrics, groupings
from fairrep.evaluation.leakage import strongest
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.protocol import Part, Predicted, Questions, fit_all, part, questions
from fairrep.evaluation.representation import (
    Evaluation,
    Representation,
    Z,
    group_leakage,
    prediction_table,
)
from fairrep.evaluation.resample import DRAWS
from fairrep.evaluation.sealed import Sealed
from fairrep.evaluation.transfer import majority
from fairrep.evaluation.view import View
from fairrep.seeds import derive_seed
from fairrep.types import TaskSpec

MAJORITY, JOINT = "majority", "joint"
Joint = Mapping[str, Mapping[str, np.ndarray]]
"""Representation → seen task → prediction of the head trained with it."""
ViewFigures = dict[str, dict[str, dict[str, Metrics]]]
"""Representation → task → head → figures."""
Settled = TypeVar("Settled")


@dataclass(frozen=True)
class Several(Generic[Settled]):
    """What was measured on many representations.

    Attributes:
        val: figures on validation rows, without intervals; ``majority`` with head ``majority``.
        test: everything on test rows, by representation.
        majority: figures of the majority on test rows, by task.
        settled: what ``settle`` returned before the test rows were opened.
    """

    val: ViewFigures
    test: dict[str, Evaluation]
    majority: dict[str, Metrics]
    settled: Settled


def evaluate_several(
    train: Part,
    val: Part,
    test: Sealed[tuple[Part, Joint]],
    data: PreparedData,
    asked: Questions,
    *,
    settle: Callable[[ViewFigures], Settled],
    seed: int,
) -> Several[Settled]:
    """Fit fresh heads and probes on every representation, settle, then open the test rows.

    Args:
        train: training rows in all representations.
        val: validation rows.
        test: test rows, and the joint heads' predictions on them, sealed.
        data: names of the groups and numbers of the rows.
        asked: tasks, heads, groupings and probes.
        settle: receives the validation figures and selects what is to be selected.
        seed: of heads and bootstrap.
    """
    fitted = fit_all(train, val, asked, seed=seed)
    found = fitted.predict(val.views)
    figures = _by_view(_figures(found, {}, train, val, asked, seed=seed, draws=2))
    probe = {
        view: strongest(group_leakage(found, asked, train, val, view=view)) for view in val.views
    }
    settled = settle(figures)
    rows, joint = test.open()
    found = fitted.predict(rows.views)
    tested = _figures(found, joint, train, rows, asked, seed=seed, draws=DRAWS)
    by_view = _by_view(tested)
    return Several(
        figures,
        {
            view: Evaluation(
                figures[view],
                by_view[view],
                group_leakage(found, asked, train, rows, view=view),
                probe[view],
                prediction_table(
                    _predictions(found, joint, asked, view),
                    rows.y.numpy(),
                    rows.s.numpy(),
                    data,
                ),
            )
            for view in rows.views
        },
        {task: by_key[MAJORITY, MAJORITY] for task, by_key in tested.items()},
        settled,
    )


def validation_figures(train: Part, val: Part, asked: Questions, *, seed: int) -> ViewFigures:
    """Fit fresh heads on every representation and measure them on validation rows alone."""
    found = fit_all(train, val, asked, seed=seed).predict(val.views)
    return _by_view(_figures(found, {}, train, val, asked, seed=seed, draws=2))


def evaluate_representation(
    z: Representation,
    data: PreparedData,
    tasks: Sequence[TaskSpec],
    *,
    heads: Sequence[str],
    seed: int,
) -> Evaluation:
    """Train fresh heads for every task and probes for s on z; read the test rows once.

    Args:
        z: the representation of every split.
        data: labels, groups and tasks.
        tasks: those that are evaluated.
        heads: names of fresh heads; the joint heads are scored beside them on the seen tasks.
        seed: of head initialisation and bootstrap.
    """
    asked = questions(data, heads, tasks)
    show = lambda rows, split: part({Z: View(torch.from_numpy(rows))}, split, data, asked)  # noqa: E731
    joint = {Z: {task.name: own for task, own in zip(data.seen, z.joint)}}
    found = evaluate_several(
        show(z.train, data.train),
        show(z.val, data.val),
        Sealed(lambda: (show(z.test, data.test), joint)),
        data,
        asked,
        settle=lambda _: None,
        seed=seed,
    )
    return found.test[Z]


def figure_names(task: TaskSpec) -> tuple[str, ...]:
    """Names of the figures that a task of this kind has, from made-up predictions."""
    classes = max(task.classes, 2)
    y = np.arange(4.0 * classes) % classes
    one_hot = np.eye(classes)[y.astype(int)]
    prediction = {"binary": one_hot[:, 1], "multiclass": one_hot, "regression": y}[task.kind]
    s = np.arange(len(y)) // 2 % 2
    ways = groupings(("a", "b"))
    found = task_metrics(task, {"": prediction}, y, s, ways, seed=0, draws=2)[""]
    return tuple(name for name, value in found.items() if isinstance(value, float))


def _figures(
    found: Predicted,
    joint: Joint,
    train: Part,
    rows: Part,
    asked: Questions,
    *,
    seed: int,
    draws: int,
) -> dict[str, dict[tuple[str, str], Metrics]]:
    """Task → (representation, head) → figures, all on the same resamples."""
    figures = {}
    for t, task in enumerate(asked.tasks):
        predicted: dict[Hashable, np.ndarray] = {
            (view, head): values
            for view in rows.views
            for head, values in _predictions(found, joint, asked, view)[task.name].items()
        }
        constant = majority(task, train.y[:, t].numpy(), len(rows.y))
        figures[task.name] = task_metrics(
            task,
            predicted | {(MAJORITY, MAJORITY): constant},
            rows.y[:, t].numpy(),
            rows.s.numpy(),
            asked.ways,
            seed=derive_seed(seed, "bootstrap", task.name),
            draws=draws,
        )
    return figures  # type: ignore[return-value]


def _predictions(
    found: Predicted, joint: Joint, asked: Questions, view: str
) -> dict[str, dict[str, np.ndarray]]:
    """Task → head → prediction of one representation, the joint head first."""
    return {
        task.name: ({JOINT: joint[view][task.name]} if task.name in joint.get(view, {}) else {})
        | {head: found[head][view][task.name] for head in asked.heads}
        for task in asked.tasks
    }


def _by_view(figures: Mapping[str, Mapping[tuple[str, str], Metrics]]) -> ViewFigures:
    nested: ViewFigures = {}
    for task, by_key in figures.items():
        for (view, head), metrics in by_key.items():
            nested.setdefault(view, {}).setdefault(task, {})[head] = metrics
    return nested
