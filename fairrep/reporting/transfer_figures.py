"""Figures of a transfer report, from saved results."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fairrep.reporting.figures import COLOURS, blank

VIEWS = {"raw": (COLOURS[2], "D"), "twin": (COLOURS[1], "s"), "trained": (COLOURS[0], "o")}
GAP = "demographic_parity_difference"
PANELS = 12  # tasks drawn, novel ones first
COLUMNS = 4
LEAST = 0.02  # width of the gap axis


def utility_and_gap(content: dict[str, Any]) -> Figure:
    """Accuracy (R²) against the gap, a panel per task, each with its 95% intervals."""
    tasks = _drawn(content)
    figure, panels = _panels(len(tasks), 3.2)
    for axes, task in zip(panels, tasks):
        for view, (colour, marker) in VIEWS.items():
            row = _headline(content, task, view)
            if row is None or not _known(row.get(GAP)):
                continue
            utility = "r2" if "r2" in row else "accuracy"
            axes.errorbar(
                row[GAP],
                row[utility],
                xerr=_spread(row, GAP),
                yerr=_spread(row, utility),
                fmt=marker,
                color=colour,
                capsize=3,
                label=view,
            )
            axes.set_ylabel({"r2": "test R²"}.get(utility, "test accuracy"))
        axes.set_title(f"{task} ({'seen' if content['tasks'][task]['seen'] else 'novel'})")
        axes.set_xlabel("DP difference")
        _, right = axes.get_xlim()
        right = max(right, LEAST)
        axes.set_xlim(-0.04 * right, right)  # a gap of 0 is not cut
        axes.grid(alpha=0.3)
    _legend(figure, panels)
    figure.suptitle(f"{_name(content)}: fresh heads, 95% intervals")
    return figure


def score_distributions(content: dict[str, Any]) -> Figure:
    """Densities of the scores by group: a row per novel task, a column per representation."""
    tasks = [task for task in _drawn(content) if content["scores"].get(task)][:6]
    figure = blank(3.2 * len(VIEWS), 0.8 + 2.0 * max(len(tasks), 1))
    grid = figure.subplots(max(len(tasks), 1), len(VIEWS), squeeze=False)
    for line, task in zip(grid, tasks):
        for axes, view in zip(line, VIEWS):
            found = content["scores"][task].get(view)
            if found is None:
                axes.set_axis_off()
                continue
            for k, (group, density) in enumerate(found["density"].items()):
                colour = COLOURS[k % len(COLOURS)]
                axes.stairs(density, found["edges"], color=colour, label=group)
            axes.set_title(f"{task}, {view} ({content['selected'][task][view]})", fontsize=9)
            axes.set_yticks([])
    _legend(figure, list(grid.ravel()))
    figure.suptitle(f"{_name(content)}: scores by {' × '.join(content['sensitive'])}")
    return figure


def _drawn(content: dict[str, Any]) -> list[str]:
    tasks = sorted(content["figures"], key=lambda task: content["tasks"][task]["seen"])
    return tasks[:PANELS]


def _headline(content: dict[str, Any], task: str, view: str) -> dict[str, Any] | None:
    head = content["selected"][task].get(view)
    return None if head is None else content["figures"][task][view][head]


def _name(content: dict[str, Any]) -> str:
    return f"{content['domain']['name']}, {content['penalty']}, λ = {content['weight']:g}"


def _known(value: float | None) -> bool:
    return value is not None and value == value


def _spread(row: dict[str, Any], name: str) -> np.ndarray:
    """Distances of the interval's ends from the figure (2, 1)."""
    low, high = row[f"{name}_ci"]
    return np.maximum([[row[name] - low], [high - row[name]]], 0)


def _panels(count: int, size: float) -> tuple[Figure, list[Any]]:
    columns = min(COLUMNS, max(count, 1))
    rows = -(-max(count, 1) // columns)
    figure = blank(size * columns, 0.6 + size * 0.9 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels


def _legend(figure: Figure, panels: list[Any]) -> None:
    """One legend for all panels, outside of them."""
    found: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels()):
            found.setdefault(label, handle)
    if found:
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=6, frameon=False
        )
