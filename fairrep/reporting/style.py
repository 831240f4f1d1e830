"""What figures look like: inks, markers and line styles that also differ in grey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from fairrep.reporting.figures import COLOURS

INK, MUTED, GRID, PAPER = "#1c2330", "#56606f", "#dfe3e8", "#ffffff"
BLUE, ORANGE, GREEN, VERMILLION = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[5]
GREY = "#7a8492"
GROUPS_DRAWN = len(COLOURS)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # a group may be called $x$
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "fairrep",  # the same figure, the same file
}


@contextmanager
def styled(**settings: Any) -> Iterator[None]:
    """Draw or save in the project's style, with settings of matplotlib in addition."""
    named: dict[Any, Any] = {key.replace("__", "."): value for key, value in settings.items()}
    with mpl.rc_context(STYLE | named):
        yield


def group_style(k: int) -> dict[str, Any]:
    """Colour, marker and dashes of the k-th group."""
    return {
        "color": COLOURS[k % len(COLOURS)],
        "marker": MARKERS[k % len(MARKERS)],
        "linestyle": DASHES[k % len(DASHES)],
    }


def upward(axes: Axes, text: str) -> None:
    """Say above the y axis which way is better."""
    axes.annotate(
        text,
        (0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        fontsize=8.5,
        color=MUTED,
    )
