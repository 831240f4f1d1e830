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
from fairrep.evaluation.heads import HEADS, predictions
from fairrep.evaluation.leakage import leakage
from fairrep.evaluation.metrics import Metrics, task_metrics
from fairrep.seeds import derive_seed


@dataclass(frozen=True)
class Representation:
    """z of every split, and the joint heads' predictions on the test rows."""

    train: np.ndarray  # (n, d)
    val: np.ndarray
    test: np.ndarray
    joint: list[np.ndarray]  # per seen task


@dataclass(frozen=True)
class Evaluation:
    """Figures on test rows: task → head → metrics; probe → leakage; and what they came from."""

    test: dict[str, dict[str, Metrics]]
    leakage: dict[str, dict[str, float]]
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
    z: Representation, data: PreparedData, *, heads: Sequence[str], seed: int
) -> Evaluation:
    """Train fresh heads for every task and probes for s on z; read the test rows once.

    Args:
        z: the representation of every split.
        data: labels, groups and tasks.
        heads: names of fresh heads; the joint heads are scored beside them on the seen tasks.
        seed: of head initialisation and bootstrap.
    """
    y = {name: rows.y.double().numpy() for name, rows in data.splits.items()}
    by_head = {"joint": z.joint} | {
        name: HEADS[name]((z.train, y["train"]), (z.val, y["val"]), z.test, data.tasks, seed)
        for name in heads
    }
    s = data.test.s.numpy()
    test = {
        task.name: {
            head: task_metrics(
                task,
                predicted[t],
                y["test"][:, t],
                s,
                data.groups,
                seed=derive_seed(seed, "bootstrap", task.name),
            )
            for head, predicted in by_head.items()
            if t < len(predicted)
        }
        for t, task in enumerate(data.tasks)
    }
    probes = leakage(z.train, data.train.s.numpy(), z.test, s, seed=derive_seed(seed, "probe"))
    return Evaluation(test, probes, _prediction_table(by_head, y["test"], data))


def _prediction_table(
    by_head: dict[str, list[np.ndarray]], y: np.ndarray, data: PreparedData
) -> pd.DataFrame:
    """One row a test row: its number in the source table, its group, labels and predictions."""
    names = np.array([*data.groups, "(unseen)"], dtype=object)
    columns: dict[str, Any] = {"row": data.test.index, "group": names[data.test.s.numpy()]}
    for t, task in enumerate(data.tasks):
        columns[f"{task.name}/label"] = y[:, t]
        for head, predicted in by_head.items():
            if t < len(predicted):
                columns |= _prediction_columns(f"{task.name}/{head}", predicted[t])
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
