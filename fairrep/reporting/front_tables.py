"""Tables of the report on a front and on the model selected from it."""

from __future__ import annotations

from typing import Any

from fairrep.reporting import front_points as read
from fairrep.reporting.front_points import GAP, Front, Value
from fairrep.reporting.report_tables import (
    NONE,
    UTILITIES,
    Table,
    number,
    second_utility,
    task_name,
    utility_of,
    with_interval,
)

Content = dict[str, Any]


def front_table(front: Front) -> Table:
    """Every setting: figures on validation and test rows, leakage, what became of it."""
    axes = read.axes_of(front)
    splits = ["val", "test"] if read.has_test(front) else ["val"]
    leaks = any(point.get("leakage") for point in front.get("points") or [])
    certified = read.is_certified(front)
    rows, marked = [], []
    for k, point in enumerate(front.get("points") or []):
        cells = [
            _mean_sd(read.value_of(point, split, axes.task, metric))
            for split in splits
            for metric in (axes.utility, axes.gap)
        ]
        if certified:
            cells.append(_mean_sd(read.certificate_of(point)))
        leak = _mean_sd(_leak(point)) if leaks else None
        chosen = k == read.selected_index(front)
        if chosen:
            marked.append(k)
        rows.append(
            (
                str(point.get("label") or f"λ = {point.get('weight')}"),
                _standing(front, point, chosen),
                *cells,
                *([] if leak is None else [leak]),
            )
        )
    for label, entry in (front.get("references") or {}).items():
        cells = [
            number((((entry or {}).get(split) or {}).get(axes.task) or {}).get(metric))
            for split in splits
            for metric in (axes.utility, axes.gap)
        ]
        empty = [NONE] * (leaks + certified)
        rows.append((read.reference_name(label), "reference", *cells, *empty))
    short = {"val": "validation", "test": "test"}
    heads = [
        f"{short[split]} {read.name(metric)}"
        for split in splits
        for metric in (axes.utility, axes.gap)
    ]
    extra = ["certificate, all at once"] if certified else []
    extra += ["leakage (balanced accuracy)"] if leaks else []
    return Table(
        f"Every setting: mean ± standard deviation over seeds, task {axes.task}",
        ("setting", "standing", *heads, *extra),
        tuple(rows),
        text_columns=2,
        marked=tuple(marked),
    )


def selected_table(front: Front) -> Table | None:
    """The selected model's figures on test rows, once."""
    test = (front.get("selection") or {}).get("test")
    if not test:
        return None
    metrics = (GAP, "equal_opportunity_difference", "equalized_odds_difference")
    shown = [m for m in metrics if any(row.get(m) is not None for row in test.values())]
    rows = tuple(
        (
            task_name(task, front),
            utility_of(row),
            second_utility(row),
            *(with_interval(row, metric) for metric in shown),
        )
        for task, row in test.items()
    )
    heads = (f"{read.name(metric)} [95%]" for metric in shown)
    caption = "The selected model on test rows"
    return Table(caption, ("task", *UTILITIES, *heads), rows)


def _leak(point: Content) -> Value | None:
    figure = (point.get("leakage") or {}).get("balanced_accuracy") or {}
    mean = figure.get("mean")
    return None if mean is None else Value(float(mean), float(figure.get("sd") or 0.0))


def _standing(front: Front, point: Content, chosen: bool) -> str:
    words = ["selected" if read.is_feasible(front) else "closest"] if chosen else []
    words += ["twin"] if point.get("twin") else []
    words += ["front"] if point.get("on_front") else []
    if lost := len(point.get("diverged") or []):
        words.append(f"{lost} of {len(point.get('seeds') or [])} diverged")
    return ", ".join(words) or "dominated"


def _mean_sd(value: Value | None) -> str:
    if value is None:
        return NONE
    return number(value.mean) + (f" ± {number(value.sd)}" if value.sd else "")
