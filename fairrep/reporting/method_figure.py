"""A method's run as pictures: utility against the gap, and the groups' scores before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairrep.reporting import group_figures as draw
from fairrep.reporting.figures import blank
from fairrep.reporting.method_words import (
    SYMBOLS,
    gap_key,
    gap_name,
    heading,
    model_name,
    utility_key,
    utility_name,
)
from fairrep.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    GROUPS_DRAWN,
    MARKERS,
    ORANGE,
    VERMILLION,
    styled,
)

Content = dict[str, Any]
MODEL_COLOURS = (ORANGE, BLUE, GREEN, VERMILLION)


def method_figure(content: Content, predictions: pd.DataFrame) -> Figure:
    """The front and the distributions before and after, side by side.

    Args:
        content: of ``method.json``.
        predictions: of ``predictions.parquet``.
    """
    with styled():
        figure = blank(11.0, 3.6)
        front, before, after = figure.subplots(1, 3, width_ratios=(1.25, 1, 1))
        draw_front(front, content)
        found = score_histograms(content, predictions)
        order = list(found["before"]["density"])
        for axes, key in ((before, "before"), (after, "after")):
            title = model_name(content, key)
            draw.draw_scores(axes, found[key], order, title, score_limits(found))
        before.legend(loc="best")
        figure.suptitle(heading(content))
    return figure


def front_panel(content: Content) -> Figure:
    """Utility against the gap alone."""
    with styled():
        figure = blank(5.4, 3.6)
        draw_front(figure.subplots(), content)
    return figure


def draw_front(axes: Axes, content: Content) -> None:
    """Validation rows as a line over the parameter, test rows of the models with intervals."""
    utility, gap = utility_key(content), gap_key(content)
    points = [point["val"] for point in content["front"] if point["val"].get(gap) is not None]
    if points:
        symbol = SYMBOLS[content["parameter"]]
        axes.plot(
            [point[gap] for point in points],
            [point[utility] for point in points],
            color=GREY,
            marker=".",
            linewidth=1.2,
            label=f"over {symbol}, validation rows",
        )
    for k, (key, found) in enumerate(content["models"].items()):
        row = found["test"]
        axes.errorbar(
            row[gap],
            row[utility],
            xerr=_bars(row, gap),
            yerr=_bars(row, utility),
            color=MODEL_COLOURS[k % len(MODEL_COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            linestyle="none",
            elinewidth=0.9,
            label=f"{model_name(content, key)}, test rows",
        )
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{gap_name(content)}, 95% interval")
    better = "lower" if utility == "rmse" else "higher"
    axes.set_ylabel(f"{utility_name(content)} ({better} is better)")
    axes.set_title(f"{utility_name(content)} against {gap_name(content)}")
    axes.legend(loc="best")


def score_histograms(content: Content, predictions: pd.DataFrame) -> dict[str, Content]:
    """Densities by group, of the largest groups."""
    groups = drawn_groups(predictions)
    task = content["task"]["name"]
    found = {
        key: draw.histograms(predictions, f"{task}/{key}", groups) for key in ("before", "after")
    }
    return {key: histogram for key, histogram in found.items() if histogram is not None}


def drawn_groups(predictions: pd.DataFrame) -> list[str]:
    """The largest groups, by name."""
    sizes = predictions["group"].astype(str).value_counts()
    return sorted(sizes.index[:GROUPS_DRAWN])


def score_limits(found: dict[str, Content]) -> tuple[float, float]:
    """The same axis for all panels."""
    edges = [edge for histogram in found.values() for edge in histogram["edges"]]
    return min(edges), max(edges) + 1e-9


def _bars(row: Content, key: str) -> Sequence[Sequence[float]] | None:
    ends = row.get(f"{key}_ci")
    if not ends or None in ends:
        return None
    low, high = ends
    return np.maximum([[row[key] - low], [high - row[key]]], 0).tolist()
