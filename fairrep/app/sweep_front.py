"""Figures of all models → the points of a front, aggregated over seeds, and the selected model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairrep.app.sweep_plan import Model, Point
from fairrep.evaluation import FrontRule, choose, hypervolume, non_dominated

Table = dict[str, dict[str, float]]
"""Task → figure → value, of one model's leading fresh head."""


@dataclass(frozen=True)
class Front:
    """What is settled on validation rows.

    Attributes:
        val: for each model its figures; None where it diverged.
        on_front: for each point whether none dominates it.
        hypervolume: as front.json has it.
        point: position of the selected point, None if every model diverged.
        model: the selected one.
        feasible: whether the selected point is within the bound.
    """

    val: list[Table | None]
    on_front: list[bool]
    hypervolume: dict[str, Any]
    point: int | None
    model: int | None
    feasible: bool


def settle(
    points: Sequence[Point],
    models: Sequence[Model],
    val: list[Table | None],
    rule: FrontRule,
    *,
    reference: tuple[float, float],
) -> Front:
    """Find the front and select a model on it, from validation figures alone.

    Args:
        points: the settings.
        models: all of them.
        val: for each model its figures; None where it diverged.
        rule: what is maximised, what is bounded.
        reference: (utility, gap) that the hypervolume is measured from.
    """
    members = [
        [m for m, model in enumerate(models) if model.point == p] for p in range(len(points))
    ]
    utility, gap = (
        [_value(table, rule.task, name) for table in val] for name in (rule.maximize, rule.metric)
    )
    mean_utility, mean_gap = (
        [_mean([values[m] for m in own]) for own in members] for values in (utility, gap)
    )
    best = choose(mean_utility, mean_gap, at_most=rule.at_most)
    model = None
    if best is not None:
        own = members[best.position]
        chosen = choose([utility[m] for m in own], [gap[m] for m in own], at_most=rule.at_most)
        model = None if chosen is None else own[chosen.position]
    seeds = sorted({one.seed for one in models})
    by_seed = [
        hypervolume(
            [utility[m] for m, one in enumerate(models) if one.seed == seed],
            [gap[m] for m, one in enumerate(models) if one.seed == seed],
            reference=reference,
        )
        for seed in seeds
    ]
    return Front(
        val=val,
        on_front=non_dominated(mean_utility, mean_gap),
        hypervolume={
            "value": hypervolume(mean_utility, mean_gap, reference=reference),
            "reference": {rule.maximize: reference[0], "gap": reference[1]},
            "by_seed": summary(by_seed),
        },
        point=None if best is None else best.position,
        model=model,
        feasible=best is not None and best.feasible,
    )


def sentence(
    points: Sequence[Point], models: Sequence[Model], front: Front, rule: FrontRule
) -> str:
    """What was selected, in words."""
    if front.point is None:
        return "Every model diverged: nothing is selected."
    own = [front.val[m] for m, model in enumerate(models) if model.point == front.point]
    known = [table for table in own if table is not None]
    utility, gap = (
        _mean([table[rule.task][name] for table in known]) for name in (rule.maximize, rule.metric)
    )
    names = [rule.maximize, rule.metric]
    maximize, metric = (name.replace("_", " ") for name in names)
    figures = f"{maximize} {utility:.3f}, {metric} {gap:.3f} on {rule.task}"
    where = f"validation rows, mean of {len(known)} seed{'s' if len(known) > 1 else ''}"
    label = points[front.point].label
    if front.feasible:
        return f"{label}: the highest {maximize} within {rule.at_most:g}; {figures} ({where})."
    return (
        f"No point has a {metric} of at most {rule.at_most:g} on validation rows; the closest is "
        f"{label}: {figures} ({where})."
    )


def over_seeds(tables: Sequence[Table]) -> dict[str, dict[str, Any]]:
    """Task → figure → mean, sd and values over the models of a point."""
    first = tables[0] if tables else {}
    return {
        task: {
            name: summary([table[task].get(name, math.nan) for table in tables]) for name in figures
        }
        for task, figures in first.items()
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation (NaN of one value) and the values."""
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {"mean": _mean(values), "sd": sd, "values": list(values)}


def _value(table: Table | None, task: str, name: str) -> float:
    return math.nan if table is None else table[task].get(name, math.nan)


def _mean(values: Sequence[float]) -> float:
    """Mean of the known values; NaN if there is none."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else math.nan
