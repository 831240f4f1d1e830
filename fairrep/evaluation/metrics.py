"""One task's figures from predictions: utility, gaps with intervals, the groups' sizes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from fairrep.evaluation.class_figures import class_columns, class_figures
from fairrep.evaluation.figures_of_task import Figures, Grouping, Metrics, as_metrics
from fairrep.evaluation.regression_figures import regression_columns, regression_figures
from fairrep.evaluation.resample import DRAWS, resampled_sums
from fairrep.types import TaskSpec

Key = TypeVar("Key", bound=Hashable)


def task_metrics(
    task: TaskSpec,
    predicted: Mapping[Key, np.ndarray],
    y: np.ndarray,
    s: np.ndarray,
    ways: Sequence[Grouping],
    *,
    seed: int,
    twins: Mapping[Key, Key] | None = None,
    min_rows: int = 1,
    draws: int = DRAWS,
) -> dict[Key, Metrics]:
    """Figures of several predictions of one task, on the rows that have a label.

    All predictions are resampled together, so that differences between them are paired.

    Args:
        task: the task.
        predicted: by name: (n,) probability of class 1, (n, K) probabilities, or (n,) regression
            values in the label's unit.
        y: labels (n,), NaN = none.
        s: intersection codes (n,), -1 = unknown group (counts for utility, not for gaps).
        ways: groupings; the first is of the intersections themselves.
        seed: of the bootstrap.
        twins: for which predictions differences are wanted, and against which.
        min_rows: groups with fewer labelled rows take no part in gaps.
        draws: bootstrap draws.

    Returns:
        JSON-ready, by name: ``accuracy``, ``balanced_accuracy``, ``auc`` (or ``rmse``, ``r2``),
        the differences, each with ``…_ci`` (95%), ``groups`` with each group's n and rates,
        ``attributes`` with the same by attribute, ``versus_twin``.
    """
    known = ~np.isnan(y)
    y, s = y[known], s[known]
    if not known.any():
        return {key: {"n": 0} for key in predicted}
    predicted = {key: values[known] for key, values in predicted.items()}
    figures = _figures(task, predicted, y, s, ways, seed, min_rows, draws)
    twins = twins or {}
    return {
        key: {
            "n": len(y),
            **as_metrics(
                figure,
                figures[twins[key]] if key in twins else None,
                min_rows=min_rows,
            ),
        }
        for key, figure in figures.items()
    }


def _figures(
    task: TaskSpec,
    predicted: Mapping[Key, np.ndarray],
    y: np.ndarray,
    s: np.ndarray,
    ways: Sequence[Grouping],
    seed: int,
    min_rows: int,
    draws: int,
) -> dict[Key, Figures]:
    regression = task.kind == "regression"
    columns = [
        regression_columns(p, y) if regression else class_columns(task, p, y)
        for p in predicted.values()
    ]
    strata = len(ways[0].groups)
    sums, added = resampled_sums(
        np.concatenate(columns, axis=1),
        np.where(s < 0, strata, s),
        strata=strata + 1,
        seed=seed,
        draws=draws,
    )
    parts = np.split(sums, np.cumsum([part.shape[1] for part in columns])[:-1], axis=2)
    return {
        key: regression_figures(prediction, y, s, part, ways, min_rows)
        if regression
        else class_figures(task, own, s, part, added, ways, min_rows)
        for (key, prediction), own, part in zip(predicted.items(), columns, parts)
    }
