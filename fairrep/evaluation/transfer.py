"""The transfer protocol: does fairness persist on tasks that the encoder never saw?

For every task, fresh heads on frozen representations: trained on training rows, selected on
validation rows, reported on test rows, which stay sealed until then. Beside the trained encoder
stand its λ = 0 twin, the raw features, a fair linear projection of them, and the majority.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.metrics import r2_score, roc_auc_score

from fairrep.evaluation.figures_of_task import Metrics
from fairrep.evaluation.heads import HEADS, Fit
from fairrep.evaluation.leakage import leakage, strongest
from fairrep.evaluation.metrics import task_metrics
from fairrep.evaluation.protocol import FittedHeads, Part, Predicted, Questions, fit_all
from fairrep.evaluation.sealed import Sealed
from fairrep.seeds import derive_seed
from fairrep.types import TaskSpec

TRAINED, TWIN, MAJORITY = "trained", "twin", "majority"
GAP = "demographic_parity_difference"
BINS = 30  # of the score histograms

Key = tuple[str, str]
"""(representation, head)."""


def transfer_figures(
    train: Part,
    val: Part,
    test: Sealed[Part],
    asked: Questions,
    *,
    seed: int,
    min_rows: int,
    others: Mapping[str, Fit] | None = None,
    on_fitted: Callable[[FittedHeads], None] | None = None,
) -> dict[str, Any]:
    """Run the protocol; the test rows are opened when every head is fitted and selected.

    Args:
        train: training rows, with the representations ``trained`` and any others.
        val: validation rows.
        test: test rows, sealed.
        asked: tasks, heads, groupings and probes.
        seed: of heads and bootstrap.
        min_rows: groups with fewer labelled test rows take no part in gaps.
        others: heads besides those that probe for s (:func:`fairrep.evaluation.ferm_heads`).
        on_fitted: sees the heads, all fitted and none of them tested yet.

    Returns:
        JSON-ready: ``figures`` (task → representation → head → metrics, validation utility with
        them), ``selected`` (task → representation → the head with the best validation AUC or R²),
        ``transfer`` (task → how much of the twin's gap and utility is left), ``leakage``
        (attribute → representation → head → scores, and the strongest), ``scores`` (histograms).
    """
    fitted = fit_all(train, val, asked, seed=seed, others=others)
    if on_fitted is not None:
        on_fitted(fitted)
    utility = _validation_utilities(fitted.predict(val.views), val, asked)
    selected = {
        task.name: {
            view: max(asked.heads, key=_ranking(utility[task.name], view)) for view in train.views
        }
        for task in asked.tasks
    }
    rows = test.open()
    predicted = fitted.predict(rows.views)
    figures, scores = {}, {}
    for t, task in enumerate(asked.tasks):
        y, s = rows.y[:, t].numpy(), rows.s.numpy()
        by_key = _by_key(predicted, asked, task, list(rows.views))
        by_key[MAJORITY, "constant"] = majority(task, train.y[:, t].numpy(), len(y))
        metrics = task_metrics(
            task,
            by_key,
            y,
            s,
            asked.ways,
            seed=derive_seed(seed, "bootstrap", task.name),
            twins=_twins(by_key),
            min_rows=min_rows,
        )
        figures[task.name] = _nested(metrics, utility[task.name])
        chosen = {view: by_key[view, head] for view, head in selected[task.name].items()}
        scores[task.name] = _histograms(chosen, y, s, asked)
    return {
        "figures": figures,
        "selected": selected,
        "transfer": {
            task: summary
            for task, by_view in figures.items()
            if (summary := _summary(by_view, selected[task]))
        },
        "leakage": leakage_figures(predicted, asked, train, rows),
        "scores": scores,
    }


def _by_key(
    predicted: Predicted, asked: Questions, task: TaskSpec, views: list[str]
) -> dict[Key, np.ndarray]:
    return {
        (view, head): predicted[head][view][task.name] for view in views for head in asked.heads
    }


def _validation_utilities(
    predicted: Predicted, val: Part, asked: Questions
) -> dict[str, dict[Key, float]]:
    """AUC, or R² of a regression, on validation rows; NaN where a class is absent."""
    return {
        task.name: {
            key: _utility(task, prediction, val.y[:, t].numpy())
            for key, prediction in _by_key(predicted, asked, task, list(val.views)).items()
        }
        for t, task in enumerate(asked.tasks)
    }


def _utility(task: TaskSpec, prediction: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(y)
    y, prediction = y[known], prediction[known]
    if task.kind == "regression":
        return float(r2_score(y, prediction)) if len(y) > 1 else float("nan")
    if len(np.unique(y)) < task.classes:
        return float("nan")
    return float(roc_auc_score(y, prediction, multi_class="ovr"))


def _ranking(utility: dict[Key, float], view: str) -> Callable[[str], float]:
    """Validation utility of a head on one representation; an unknown one ranks last."""
    return lambda head: float(np.nan_to_num(utility[view, head], nan=-np.inf))


def majority(task: TaskSpec, y: np.ndarray, n: int) -> np.ndarray:
    """The training base rates, or mean, for everybody."""
    known = y[~np.isnan(y)]
    if task.kind == "regression":
        return np.full(n, known.mean())
    shares = np.bincount(known.astype(int), minlength=task.classes) / len(known)
    return np.full(n, shares[1]) if task.kind == "binary" else np.tile(shares, (n, 1))


def _twins(keys: dict[Key, np.ndarray]) -> dict[Key, Key]:
    """Every head on another representation stands against the same head on the twin."""
    return {
        (view, head): (TWIN, head) for view, head in keys if view != TWIN and (TWIN, head) in keys
    }


def _nested(
    metrics: dict[Key, Metrics], utility: dict[Key, float]
) -> dict[str, dict[str, Metrics]]:
    nested: dict[str, dict[str, Metrics]] = {}
    for (view, head), figures in metrics.items():
        extra = {"validation_utility": utility[view, head]} if (view, head) in utility else {}
        nested.setdefault(view, {})[head] = figures | extra
    return nested


def _summary(by_view: dict[str, dict[str, Metrics]], selected: dict[str, str]) -> Metrics:
    """The trained encoder's gap and utility, each with its best head, as shares of the twin's."""
    if TWIN not in by_view or GAP not in by_view[TRAINED][selected[TRAINED]]:
        return {}
    trained, twin = (by_view[view][selected[view]] for view in (TRAINED, TWIN))
    name, chance = ("r2", 0.0) if "r2" in trained else ("auc", 0.5)
    return {
        "utility": name,
        "trained": {name: trained[name], GAP: trained[GAP], "head": selected[TRAINED]},
        "twin": {name: twin[name], GAP: twin[GAP], "head": selected[TWIN]},
        "twin_gap_clear": bool(twin[f"{GAP}_ci"][0] > 0),
        "gap_left": _ratio(trained[GAP], twin[GAP]),
        "margin_kept": _ratio(trained[name] - chance, twin[name] - chance),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def leakage_figures(
    predicted: Predicted, asked: Questions, train: Part, test: Part
) -> dict[str, Any]:
    """Attribute → representation → every head's reading of s, and the strongest one's."""
    found: dict[str, Any] = {}
    for column, probe in enumerate(asked.probes, start=len(asked.tasks)):
        y, y_train = test.y[:, column].numpy(), train.y[:, column].numpy()
        found[probe.name] = {}
        for view in test.views:
            by_head = {
                head: leakage(probe, by_view[view][probe.task.name], y, y_train)
                for head, by_view in predicted.items()
                if head in HEADS
            }
            best = strongest(by_head)
            found[probe.name][view] = {"heads": by_head, "strongest": best, **by_head[best]}
    return found


def _histograms(
    chosen: dict[str, np.ndarray], y: np.ndarray, s: np.ndarray, asked: Questions
) -> dict[str, Any]:
    """Score densities by group, per representation, of binary tasks and regressions."""
    known = ~np.isnan(y)
    way = asked.ways[0]
    found = {}
    for view, scores in chosen.items():
        if scores.ndim > 1 or not known.any():
            continue
        edges = np.linspace(scores[known].min(), scores[known].max() + 1e-12, BINS + 1)
        found[view] = {
            "edges": edges.tolist(),
            "density": {
                name: np.histogram(scores[known & (s == g)], edges, density=True)[0].tolist()
                for g, name in enumerate(way.groups)
                if (known & (s == g)).any()
            },
        }
    return found
