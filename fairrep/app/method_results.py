"""Predictions of several models of one task → figures, files and the table of a method's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from fairrep.app.method_rows import MethodRows, Split
from fairrep.app.results import plain_figures
from fairrep.app.run_folder import DATA, METHOD, RunFolder
from fairrep.data import describe
from fairrep.evaluation import groupings, task_metrics
from fairrep.evaluation.figures_of_task import Metrics
from fairrep.evaluation.resample import DRAWS
from fairrep.reporting import figures as pictures
from fairrep.reporting import method_figure, method_tables, tables
from fairrep.seeds import derive_seed

BEFORE, AFTER = "before", "after"
Content = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One model's predictions: probabilities of class 1, or values in the label's unit.

    Attributes:
        val: (n,) of the validation rows.
        test: (n,) of the test rows.
        value: of the front's parameter, where it lies on the front.
        settings: what else was chosen for it.
    """

    val: np.ndarray
    test: np.ndarray
    value: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def _measured(
    rows: MethodRows, models: Mapping[str, Candidate], *, seed: int
) -> dict[str, dict[str, Any]]:
    """Figures of every model on validation rows, and with intervals on test rows."""
    # no interval of validation rows is kept
    val = _figures(rows, rows.val, {k: m.val for k, m in models.items()}, seed=seed, draws=2)
    twins = {key: BEFORE for key in models if key != BEFORE}
    test = _figures(rows, rows.test, {k: m.test for k, m in models.items()}, twins, seed=seed)
    return {
        key: {
            "value": model.value,
            "settings": dict(model.settings),
            "val": plain_figures(val[key]),
            "test": test[key],
        }
        for key, model in models.items()
    }


def _figures(
    rows: MethodRows,
    split: Split,
    predicted: Mapping[str, np.ndarray],
    twins: Mapping[str, str] | None = None,
    *,
    seed: int,
    draws: int = DRAWS,
) -> dict[str, Metrics]:
    """Figures of several predictions of one split's rows."""
    ways = groupings(rows.data.groups, rows.data.attributes)
    seed = derive_seed(seed, "bootstrap", rows.task.name)
    return task_metrics(
        rows.task, predicted, split.y, split.s, ways, seed=seed, twins=twins, draws=draws
    )


def start(config: DictConfig, path: Path) -> RunFolder:
    """The run's folder, which no other run has used; nothing is written yet."""
    folder = RunFolder(path)
    folder.refuse_used(resume=False)
    return folder


def finish(
    about: Content,
    rows: MethodRows,
    models: Mapping[str, Candidate],
    config: DictConfig,
    folder: RunFolder,
) -> Content:
    """Measure all models, write the run's folder and print the table.

    Args:
        about: the method, its notion, base and parameter, and what else is worth saving.
        rows: what was fitted on.
        models: by name: ``before``, ``after``, baselines, and points of the front, whose names
            begin with the parameter's.
        config: of the run.
        folder: where it goes.

    Returns:
        What ``method.json`` holds, which marks a finished run.
    """
    described = describe(rows.data)
    tables.print_data(described)
    figures = _measured(rows, models, seed=config.seed)
    on_front = about["parameter"] + " = "
    content = {
        "schema": 1,
        "dataset": rows.data.spec.name,
        "title": rows.data.spec.title,
        "sensitive": list(rows.data.sensitive),
        "task": {"name": rows.task.name, "kind": rows.task.kind},
        "features": rows.features,
        "rows": {name: len(split) for name, split in rows.data.splits.items()},
        "seed": config.seed,
        "split_seed": config.split_seed,
        **about,
        "models": {k: found for k, found in figures.items() if not k.startswith(on_front)},
        "front": [found for k, found in figures.items() if k.startswith(on_front)],
    }
    folder.start(config)
    folder.write_json(DATA, described)
    table = _predictions(rows, models)
    folder.write_predictions(table)
    pictures.save(method_figure.method_figure(content, table), folder.path / "method.png")
    folder.write_json(METHOD, content)
    method_tables.print_method(content, str(folder.path))
    return content


def _predictions(rows: MethodRows, models: Mapping[str, Candidate]) -> pd.DataFrame:
    """Test rows: group, label, and the prediction before and after."""
    name = rows.task.name
    found = {"group": np.array(rows.groups)[rows.test.s], f"{name}/label": rows.test.y}
    return pd.DataFrame(found | {f"{name}/{key}": models[key].test for key in (BEFORE, AFTER)})
