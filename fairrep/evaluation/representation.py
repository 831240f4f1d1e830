"""Everything measured on one frozen representation: heads per task, leakage, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairrep.data import PreparedData
from fairrep.encoders import Encoder, MultitaskHeads
from fairrep.evaluation.figures_of_task import Metrics
from fairrep.evaluation.heads import predictions
from fairrep.evaluation.leakage import leakage, strongest
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.protocol import Part, Predicted, Questions, fit_all, part, questions
from fairrep.evaluation.resample import DRAWS
from fairrep.evaluation.sealed import Sealed
from fairrep.evaluation.view import View
from fairrep.seeds import derive_seed
from fairrep.types import TaskSpec

Z = "z"


@dataclass(frozen=True)
class Representation:
    """z of every split, and the joint heads' predictions on the test rows."""

    train: np.ndarray  # (n, d)
    val: np.ndarray
    test: np.ndarray
    joint: list[np.ndarray]  # per seen task


@dataclass(frozen=True)
class Evaluation:
    """What was measured on a representation.

    Attributes:
        val: task → head → figures on validation rows, without intervals.
        test: the same on test rows, with intervals.
        leakage: head → how well it reads the groups on test rows.
        probe: the head that reads most of the groups on validation rows.
        predictions: one row a test row.
    """

    val: dict[str, dict[str, Metrics]]
    test: dict[str, dict[str, Metrics]]
    leakage: dict[str, dict[str, float]]
    probe: str
    predictions: pd.DataFrame


@torch.no_grad()
def represent(
    encoder: Encoder,
    heads: MultitaskHeads,
    data: PreparedData,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 65_536,
) -> Representation:
    """Run the frozen encoder over all splits, in evaluation mode."""
    encoder.to(device).eval()
    heads.to(device).eval()
    z = {
        name: torch.cat([encoder(x.to(device)) for x in rows.x.split(batch_size)])
        for name, rows in data.splits.items()
    }
    joint = predictions(heads(z["test"]), data.seen)
    return Representation(**{name: rows.cpu().numpy() for name, rows in z.items()}, joint=joint)


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
    train, val = (
        part({Z: View(torch.from_numpy(rows))}, data.splits[name], data, asked)
        for name, rows in (("train", z.train), ("val", z.val))
    )
    sealed = Sealed(lambda: part({Z: View(torch.from_numpy(z.test))}, data.test, data, asked))
    fitted = fit_all(train, val, asked, seed=seed)
    found = fitted.predict(val.views)
    by_task = {task.name: {head: found[head][Z][task.name] for head in heads} for task in tasks}
    judged = _metrics(by_task, val, asked, seed=seed, draws=2)
    probe = strongest(group_leakage(found, asked, train, val, view=Z))
    rows = sealed.open()
    found = fitted.predict(rows.views)
    by_task = {
        task.name: _joint(z, data, task) | {head: found[head][Z][task.name] for head in heads}
        for task in tasks
    }
    return Evaluation(
        judged,
        _metrics(by_task, rows, asked, seed=seed, draws=DRAWS),
        group_leakage(found, asked, train, rows, view=Z),
        probe,
        prediction_table(by_task, rows.y.numpy(), rows.s.numpy(), data),
    )


def _metrics(
    by_task: dict[str, dict[str, np.ndarray]],
    rows: Part,
    asked: Questions,
    *,
    seed: int,
    draws: int,
) -> dict[str, dict[str, Metrics]]:
    return {
        task.name: task_metrics(
            task,
            by_task[task.name],
            rows.y[:, t].numpy(),
            rows.s.numpy(),
            asked.ways,
            seed=derive_seed(seed, "bootstrap", task.name),
            draws=draws,
        )
        for t, task in enumerate(asked.tasks)
    }


def _joint(z: Representation, data: PreparedData, task: TaskSpec) -> dict[str, np.ndarray]:
    return {"joint": z.joint[data.seen.index(task)]} if task.seen else {}


def group_leakage(
    found: Predicted, asked: Questions, train: Part, rows: Part, *, view: str
) -> dict[str, dict[str, float]]:
    """What is read of the groups from one representation of some rows, by probe."""
    probe, column = asked.probes[0], len(asked.tasks)
    y, y_train = rows.y[:, column].numpy(), train.y[:, column].numpy()
    return {
        head: leakage(probe, by_view[view][probe.task.name], y, y_train)
        for head, by_view in found.items()
    }


def prediction_table(
    by_task: dict[str, dict[str, np.ndarray]], y: np.ndarray, s: np.ndarray, data: PreparedData
) -> pd.DataFrame:
    """One row a test row: its number in the source table, its group, labels and predictions."""
    names = np.array([*data.groups, "(unseen)"], dtype=object)
    columns: dict[str, Any] = {"row": data.test.index, "group": names[s]}
    for t, (task, by_head) in enumerate(by_task.items()):
        columns[f"{task}/label"] = y[:, t]
        for head, predicted in by_head.items():
            columns |= _prediction_columns(f"{task}/{head}", predicted)
    return pd.DataFrame(columns)


def _prediction_columns(name: str, predicted: np.ndarray) -> dict[str, np.ndarray]:
    if predicted.ndim == 1:
        return {name: predicted}
    return {f"{name}/{k}": predicted[:, k] for k in range(predicted.shape[1])}


def principal_plane(z: np.ndarray, *, seed: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """First two principal components (m, 2) of up to ``rows`` random rows, and their numbers."""
    chosen = np.random.default_rng(seed).permutation(len(z))[:rows]
    centred = z[chosen] - z[chosen].mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane = np.zeros((len(chosen), 2))
    plane[:, : min(2, len(axes))] = centred @ axes[:2].T
    return plane, chosen
