"""Figures from saved results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# colour-blind safe (Okabe and Ito 2008)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
TRAINED, TWIN = COLOURS[0], COLOURS[1]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG; the folder is made if absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def cost_and_benefit(metrics: dict[str, Any]) -> Figure:
    """Utility and demographic-parity difference per task, trained encoder beside its twin.

    Args:
        metrics: the content of a run's ``metrics.json``, with a twin.
    """
    tasks = list(metrics["test"])
    figure = blank(9.0, 1.4 + 0.55 * len(tasks))
    left, right = figure.subplots(1, 2, sharey=True)
    both = (
        (f"λ = {metrics['weight']:g}", metrics, TRAINED, -0.12),
        ("λ = 0", metrics["twin"], TWIN, 0.12),
    )
    for label, source, colour, shift in both:
        rows = [source["test"][task][metrics["head"]] for task in tasks]
        height = np.arange(len(tasks)) + shift
        left.plot([_utility(row)[1] for row in rows], height, "o", color=colour, label=label)
        gaps = np.array([row["demographic_parity_difference"] for row in rows], dtype=float)
        ends = np.array([row["demographic_parity_difference_ci"] for row in rows], dtype=float)
        spread = np.abs(ends.T - gaps)
        right.errorbar(gaps, height, xerr=spread, fmt="o", color=colour, capsize=3)
    names = [f"{t}\n({'seen' if metrics['tasks'][t]['seen'] else 'novel'})" for t in tasks]
    left.set_yticks(np.arange(len(tasks)), names)
    left.invert_yaxis()
    utilities = {_utility(metrics["test"][task][metrics["head"]])[0] for task in tasks}
    left.set_xlabel("test " + " / ".join(sorted(utilities)))
    right.set_xlabel("demographic-parity difference, 95% interval")
    right.set_xlim(left=0)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
    left.legend(loc="best", frameon=False)
    figure.suptitle(
        f"{metrics['dataset']}, {' × '.join(metrics['sensitive'])}: {metrics['penalty']}, "
        f"fresh {metrics['head']} heads on the frozen representation"
    )
    return figure


def representation(plane: np.ndarray, groups: np.ndarray) -> Figure:
    """Scatter of the first two principal components, coloured by group."""
    figure = blank(6.0, 5.0)
    axes = figure.subplots()
    names = sorted(set(groups))
    for k, name in enumerate(names):
        rows = groups == name
        first, second = plane[rows].T
        colour = COLOURS[k % len(COLOURS)]
        axes.scatter(first, second, s=6, alpha=0.5, color=colour, label=str(name))
    axes.set_xlabel("first principal component of z")
    axes.set_ylabel("second principal component of z")
    axes.legend(frameon=False, markerscale=2)
    return figure


def blank(width: float, height: float) -> Figure:
    """A figure that belongs to no window, so that drawing never needs a display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _utility(row: dict[str, Any]) -> tuple[str, float]:
    return ("R²", row["r2"]) if "r2" in row else ("accuracy", row["accuracy"])
