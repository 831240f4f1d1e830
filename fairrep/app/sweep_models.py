"""The models of a finished sweep, each as the folder of an ordinary run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from fairrep.app.certificates import certificate_of
from fairrep.app.results import Metrics, part_metrics, plain_figures, with_twin, write_plane
from fairrep.app.run_folder import DATA, METRICS, RunFolder
from fairrep.app.sweep_evaluate import RAW, leading, model_name
from fairrep.app.sweep_front import Front, Table
from fairrep.app.sweep_plan import Model
from fairrep.app.table_encoder import JOINT, fitted_rows, joint_heads, table_encoder
from fairrep.data import PreparedData
from fairrep.encoders import FittedRows, save_encoder, save_heads
from fairrep.evaluation import Several
from fairrep.evaluation.several import MAJORITY
from fairrep.training import FairEncoderModule, FitResult, StackResult

MODELS = "models"


def model_metrics(
    data: PreparedData,
    models: Sequence[Model],
    modules: Sequence[FairEncoderModule],
    fitted: StackResult,
    found: Several[Front],
) -> dict[int, Metrics]:
    """What ``metrics.json`` says of every model that did not diverge, its twin apart.

    Certificates hold for all of them at once, whoever is chosen.
    """
    seconds, sound = round(fitted.seconds / len(models), 3), len(models) - len(fitted.diverged)
    return {
        k: part_metrics(
            model.config,
            data,
            FitResult(fitted.epochs[k], seconds, finished=True),
            found.test[model_name(k)],
            certificate_of(modules[k].encoder, data, model.config, candidates=sound),
            weight=modules[k].final_weight(),
            twin=model.twin is None,
        )
        for k, model in enumerate(models)
        if k not in fitted.diverged
    }


def write_models(
    folder: RunFolder,
    data: PreparedData,
    about: Mapping[str, object],
    models: Sequence[Model],
    modules: Sequence[FairEncoderModule],
    metrics: Mapping[int, Metrics],
    found: Several[Front],
) -> None:
    """Write every model as the folder of an ordinary run, its twin within.

    Of a model that diverged there is only the config: its weights mean nothing.
    """
    fitted = fitted_rows(data)
    for k, model in enumerate(models):
        own = RunFolder(folder.path / MODELS / model_name(k))
        own.start(model.config)
        if k not in metrics:
            continue
        twin = metrics.get(model.twin) if model.twin is not None else None
        if twin is not None:
            own.twin.start(models[model.twin].config)  # type: ignore[index]
            predictions = found.test[model_name(model.twin)].predictions  # type: ignore[arg-type]
            _write_one(own.twin, data, modules[model.twin], twin, predictions, fitted)  # type: ignore[index]
        own.write_json(DATA, about)
        predictions = found.test[model_name(k)].predictions
        _write_one(own, data, modules[k], with_twin(metrics[k], twin), predictions, fitted)


@torch.no_grad()
def _write_one(
    folder: RunFolder,
    data: PreparedData,
    module: FairEncoderModule,
    metrics: Metrics,
    predictions: pd.DataFrame,
    fitted: FittedRows,
) -> None:
    save_encoder(table_encoder(module.encoder.cpu().eval(), data, fitted), folder.path / "encoder")
    save_heads(joint_heads(module), folder.path / JOINT)
    folder.write_predictions(predictions)
    z = module.encoder(data.test.x).numpy()
    write_plane(folder, z, predictions["group"].to_numpy(), metrics["seed"])
    folder.write_json(METRICS, metrics)


def references(found: Several[Front], head: str) -> dict[str, dict[str, Table]]:
    """Figures of the leading head on raw features, and of the majority."""
    tested = {view: evaluation.test for view, evaluation in found.test.items()}
    return {
        RAW: {"val": leading(found.val, RAW, head), "test": leading(tested, RAW, head)},
        MAJORITY: {
            "val": leading(found.val, MAJORITY, MAJORITY),
            "test": {task: plain_figures(figures) for task, figures in found.majority.items()},
        },
    }
