"""Predictions of several models of one task → figures, files and the table of a method's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fairrep.app.method_rows import MethodRows, Split
from fairrep.app.results import plain_figures
from fairrep.app.run_folder import METHOD, RunFolder
from fairrep.evaluation import groupings, task_metrics
from fairrep.evaluation.figures_of_task import Metrics
from fairrep.reporting import figures, method_figure
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


def measured(
    rows: MethodRows, models: Mapping[str, Candidate], *, seed: int
) -> dict[str, dict[str, Any]]:
    """Figures of every model on validation rows, and with intervals on test rows."""
    val = figures_of(rows, rows.val, {key: m.val for key, m in models.items()}, seed=seed)
    twins = {key: BEFORE for key in models if key != BEFORE}
    test = figures_of(rows, rows.test, {k: m.test for k, m in models.items()}, twins, seed=seed)
    return {
        key: {
            "value": model.value,
            "settings": dict(model.settings),
            "val": plain_figures(val[key]),
            "test": test[key],
        }
        for key, model in models.items()
    }


def figures_of(
    rows: MethodRows,
    split: Split,
    predicted: Mapping[str, np.ndarray],
    twins: Mapping[str, str] | None = None,
    *,
    seed: int,
) -> dict[str, Metrics]:
    """Figures of several predictions of one split's rows."""
    ways = groupings(rows.data.groups, rows.data.attributes)
    seed = derive_seed(seed, "bootstrap", rows.task.name)
    return task_metrics(rows.task, predicted, split.y, split.s, ways, seed=seed, twins=twins)


def write_method(
    content: Content, rows: MethodRows, models: Mapping[str, Candidate], folder: RunFolder
) -> None:
    """Write predictions and pictures, then ``method.json``, which marks a finished run."""
    names = np.array(rows.groups)
    table = pd.DataFrame({"group": names[rows.test.s], f"{rows.task.name}/label": rows.test.y})
    for key in (BEFORE, AFTER):
        table[f"{rows.task.name}/{key}"] = models[key].test
    folder.write_predictions(table)
    figures.save(method_figure.method_figure(content, table), folder.path / "method.png")
    folder.write_json(METHOD, content)
