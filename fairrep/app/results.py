"""Figures of a run → metrics.json, predictions, TensorBoard, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from omegaconf import DictConfig

from fairrep.app.configs import plain
from fairrep.app.run_folder import METRICS, PLANE, RunFolder
from fairrep.data import PreparedData
from fairrep.evaluation import Certificate, Evaluation, Representation, principal_plane
from fairrep.reporting import figures
from fairrep.training import FitResult

Metrics = dict[str, Any]
SCALARS = ("accuracy", "auc", "rmse", "r2", "demographic_parity_difference")


@dataclass(frozen=True)
class PartResult:
    """What was measured on one encoder."""

    metrics: Metrics
    z: Representation
    evaluation: Evaluation


def part_metrics(
    config: DictConfig,
    data: PreparedData,
    fitted: FitResult,
    evaluation: Evaluation,
    certificate: Certificate | None,
    *,
    weight: float,
    twin: bool,
) -> Metrics:
    """What ``metrics.json`` says of one encoder."""
    return {
        "schema": 1,
        "dataset": data.spec.name,
        "sensitive": list(data.sensitive),
        "penalty": "none" if twin else config.penalty.name,
        "notion": config.notion.name,
        "weight": float(f"{weight:.4g}"),
        "seed": config.seed,
        "split_seed": config.split_seed,
        "epochs": fitted.epochs,
        "seconds": round(fitted.seconds, 3),
        "head": config.evaluation.headline,
        "tasks": {
            task.name: {"kind": task.kind, "seen": task.seen}
            for task in data.tasks
            if task.name in evaluation.test
        },
        "val": {
            task: {head: plain_figures(figures) for head, figures in by_head.items()}
            for task, by_head in evaluation.val.items()
        },
        "test": evaluation.test,
        "certificate": None if certificate is None else certificate.to_json(),
        "twin": None,
        "leakage": {
            "trained": evaluation.leakage,
            "twin": None,
            "probe": evaluation.probe,  # that reads most on validation rows
            "chance": 1 / len(data.groups),  # of balanced accuracy
        },
    }


def plain_figures(metrics: Metrics) -> dict[str, float]:
    """Figures without intervals and groups."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


def with_twin(metrics: Metrics, twin: Metrics | None) -> Metrics:
    """Put the twin's figures beside the trained encoder's."""
    if twin is None:
        return metrics
    beside = {key: twin[key] for key in ("seconds", "epochs", "test", "certificate")}
    leakage = metrics["leakage"] | {"twin": twin["leakage"]["trained"]}
    return metrics | {"twin": beside, "leakage": leakage}


def write_results(
    results: Sequence[PartResult], config: DictConfig, folders: Sequence[RunFolder]
) -> Metrics:
    """Write the twin's results, then the run's own, whose metrics mark a finished run.

    Args:
        results: of the trained encoder, and of its twin if there is one.
        config: of the run.
        folders: where each goes.

    Returns:
        The run's metrics.
    """
    trained, *twins = results
    for result, folder in zip(twins, folders[1:]):
        _write_part(result, config, folder)
    metrics = with_twin(trained.metrics, twins[0].metrics if twins else None)
    _write_part(replace(trained, metrics=metrics), config, folders[0])
    return metrics


def _write_part(result: PartResult, config: DictConfig, folder: RunFolder) -> None:
    """Write predictions, events and pictures, then the metrics."""
    metrics = result.metrics
    folder.write_predictions(result.evaluation.predictions)
    groups = result.evaluation.predictions["group"].to_numpy()
    picture = figures.representation(*write_plane(folder, result.z.test, groups, config.seed))
    _log_to_tensorboard(folder, config, metrics, picture)
    if metrics["twin"] is not None:
        figures.save(figures.cost_and_benefit(metrics), folder.path / "figures" / "fairness.png")
    figures.save(picture, folder.path / "figures" / "representation.png")
    folder.write_json(METRICS, metrics)


def write_plane(
    folder: RunFolder, z: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Write some test rows on two principal components; return them, and whose they are."""
    plane, rows = principal_plane(z, seed=seed)
    total = float(z[rows].var(0).sum())
    content = {
        "schema": 1,
        "points": [[float(f"{value:.4g}") for value in row] for row in plane],
        "groups": groups[rows].tolist(),
        "variance": [float(v) / total if total > 0 else 0.0 for v in plane.var(0)],  # shares
    }
    folder.write_json(PLANE, content)
    return plane, groups[rows]


def _log_to_tensorboard(
    folder: RunFolder, config: DictConfig, metrics: Metrics, picture: Any
) -> None:
    logger = folder.logger(config.logger.name)
    if logger is None:
        return
    final = {
        f"test/{task}/{name}": heads[metrics["head"]][name]
        for task, heads in metrics["test"].items()
        for name in SCALARS
        if heads[metrics["head"]].get(name) is not None
    }
    logger.log_metrics(final, step=metrics["epochs"])
    logger.log_hyperparams(_flat(plain(config)) | {"penalty.weight": metrics["weight"]}, final)
    logger.experiment.add_figure("representation/principal_plane", picture, metrics["epochs"])
    logger.finalize("success")


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``a.b`` → primitive, as TensorBoard's HPARAMS tab wants them."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value if isinstance(value, (int, float, str, bool)) else str(value)
    return flat
