"""Everything measured on one frozen representation: heads per task, leakage, predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairrep.data import PreparedData
from fairrep.encoders import Encoder, MultitaskHeads
from fairrep.evaluation.figures_of_task import Metrics
from fairrep.evaluation.heads import predictions
from fairrep.evaluation.leakage import leakage
from fairrep.evaluation.protocol import Part, Predicted, Questions

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
        for name, rows in (("train", data.train), ("val", data.val), ("test", data.test))
    }
    joint = predictions(heads(z["test"]), data.seen)
    return Representation(**{name: rows.cpu().numpy() for name, rows in z.items()}, joint=joint)


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
