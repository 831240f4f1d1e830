"""The figure of a front: utility against gap, seeds as error bars, the selected point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes as Panel
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fairrep.reporting import front_points as read
from fairrep.reporting.figures import blank
from fairrep.reporting.front_points import Axes, Front, Point
from fairrep.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PAPER,
    VERMILLION,
    styled,
    upward,
)

MARKS: dict[str, dict[str, Any]] = {
    "front": {"marker": "o", "color": BLUE, "markersize": 6},
    "dominated": {"marker": "o", "color": GREY, "markersize": 5, "markerfacecolor": PAPER},
    "twin": {"marker": "s", "color": ORANGE, "markersize": 6.5, "markeredgecolor": INK},
    "reference": {"marker": "D", "color": GREEN, "markersize": 6, "markeredgecolor": INK},
}
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 13,
    "markerfacecolor": "none",
    "markeredgecolor": VERMILLION,
    "markeredgewidth": 1.8,
    "linestyle": "none",
}
BOUND: dict[str, Any] = {"color": VERMILLION, "linewidth": 1.2, "linestyle": (0, (4, 2))}
TITLES = {"val": "Validation rows: used to choose", "test": "Test rows: read once"}
APART = 15.0  # points between two labels


def front(content: Front) -> Figure:
    """Validation rows, and test rows beside them where they were read, with one legend.

    Args:
        content: of a ``front.json``.
    """
    splits = ["val", "test"] if read.has_test(content) else ["val"]
    certified = read.is_certified(content)
    count = len(splits) + certified
    with styled():
        figure = blank(4.1 * count + 0.3, 4.2)
        panels = figure.subplots(1, count, squeeze=False)[0]
        for panel, split in zip(panels, splits):
            draw(panel, content, split)
        if certified:
            draw_certified(panels[-1], content)
        for panel in panels[1 : len(splits)]:  # on the first panel's scale
            panel.set_ylabel("")
            panel.tick_params(labelleft=False)
        handles = legend_handles(content)
        columns = 3 if len(splits) == 1 else min(6, len(handles))
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=columns,
            handlelength=1.6,
            columnspacing=1.2,
        )
    return figure


def write_front(content: Front, folder: Path) -> list[Path]:
    """Write ``front.png`` and ``front.svg``, each whole or not at all; returns their paths."""
    figure = front(content)
    files = []
    for kind, options in (("png", {"dpi": 200}), ("svg", {"metadata": {"Date": None}})):
        part, whole = folder / f"front.{kind}.part", folder / f"front.{kind}"
        with styled():
            figure.savefig(part, format=kind, facecolor=PAPER, **options)
        part.replace(whole)
        files.append(whole)
    return files


def front_panel(content: Front, split: str) -> Figure:
    """One split alone, on the axes' limits of both, without a legend."""
    with styled():
        figure = blank(4.5, 3.7)
        panel = figure.subplots()
        draw(panel, content, split)
    return figure


def certified_panel(content: Front) -> Figure:
    """Utility against the certificate alone, without a legend."""
    with styled():
        figure = blank(4.5, 3.7)
        draw_certified(figure.subplots(), content)
    return figure


def draw_certified(panel: Panel, content: Front) -> None:
    """Each certified setting at its bound, joined to what was measured (hollow)."""
    axes = read.axes_of(content)
    found = read.certified_points(content, axes)
    for point in found:
        style = MARKS[point.kind]
        height, bound = point.utility.mean, point.bound
        panel.plot(
            [point.measured.mean, bound.mean], [height, height], color=GREY, linewidth=0.9, zorder=2
        )
        panel.plot(point.measured.mean, height, zorder=3, **style | {"markerfacecolor": PAPER})
        panel.errorbar(
            bound.mean, height, xerr=bound.sd or None, elinewidth=0.9, capsize=2, zorder=4, **style
        )
        panel.annotate(
            point.label,
            (bound.mean, height),
            xytext=(6, -10),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    right = max(point.bound.mean + point.bound.sd for point in found)
    panel.set_xlim(-0.03 * right, 1.06 * right)
    panel.margins(y=0.12)
    panel.set_title("Certified: any model on the cell", pad=20)
    panel.set_ylabel(axes.utility_label)
    upward(panel, axes.utility_direction)
    label = "← fairer\ncertificate (hollow: measured total variation, 0–1)"
    panel.set_xlabel(label, loc="left", linespacing=1.5)
    panel.xaxis.set_major_locator(MaxNLocator(6))


def draw(panel: Panel, content: Front, split: str) -> None:
    """Draw one split's settings, references, front and bound."""
    axes = read.axes_of(content)
    found = read.points(content, axes, split)
    beside = read.references(content, axes, split)
    _draw_bound(panel, content)
    if split == "val":
        _draw_front(panel, found)
    for point in [*found, *beside]:
        panel.errorbar(
            point.gap.mean,
            point.utility.mean,
            xerr=point.gap.sd or None,
            yerr=point.utility.sd or None,
            elinewidth=0.9,
            capsize=2,
            zorder=4 if point.kind == "front" else 3,
            **MARKS[point.kind],
        )
    _draw_selected(panel, found, read.selected_index(content))
    _limit(panel, content, axes)
    panel.set_title(TITLES[split], pad=20)
    panel.set_ylabel(axes.utility_label)
    upward(panel, axes.utility_direction)
    panel.set_xlabel(f"← fairer\n{axes.gap_label}", loc="left", linespacing=1.5)
    panel.xaxis.set_major_locator(MaxNLocator(6))
    _draw_labels(panel, found, read.selected_index(content))


def legend_handles(content: Front) -> list[Line2D]:
    """What the marks mean, only those that are drawn."""
    axes = read.axes_of(content)
    found = read.points(content, axes, "val")
    kinds = {point.kind for point in found}
    names = {"front": "non-dominated", "dominated": "dominated", "twin": "no penalty (λ = 0)"}
    handles = []
    for kind, label in names.items():
        if kind in kinds:
            style = MARKS[kind] if kind == "front" else {**MARKS[kind], "linestyle": "none"}
            handles.append(Line2D([], [], label=label, **style))
    beside = [point.label for point in read.references(content, axes, "val")]
    if beside:
        style = {"linestyle": "none", **MARKS["reference"]}
        handles.append(Line2D([], [], label=", ".join(beside), **style))
    if read.selected_index(content) is not None:
        label = "selected" if read.is_feasible(content) else "closest to the bound"
        handles.append(Line2D([], [], label=label, **RING))
    if (bound := read.bound_of(content)) is not None:
        handles.append(Line2D([], [], label=f"bound {bound:g}", **BOUND))
    return handles


def _draw_bound(panel: Panel, content: Front) -> None:
    """A vertical line, and what lies beyond it in grey."""
    bound = read.bound_of(content)
    if bound is None:
        return
    panel.axvline(bound, zorder=2, **BOUND)
    panel.axvspan(bound, 10, color=GREY, alpha=0.07, linewidth=0, zorder=0)


def _draw_front(panel: Panel, found: list[Point]) -> None:
    """Steps through the non-dominated means."""
    chosen = sorted((p for p in found if p.on_front), key=lambda point: point.gap.mean)
    x, y = [p.gap.mean for p in chosen], [p.utility.mean for p in chosen]
    panel.plot(x, y, drawstyle="steps-post", color=BLUE, linewidth=1.5, zorder=2)


def _draw_selected(panel: Panel, found: list[Point], index: int | None) -> None:
    for point in found:
        if index is not None and point.index == index:
            panel.plot(point.gap.mean, point.utility.mean, zorder=5, **RING)


def _limit(panel: Panel, content: Front, axes: Axes) -> None:
    """Limits that hold every drawn point of both splits, with its bars; a gap of 0 is not cut."""
    both = [
        point
        for split in ("val", "test")
        for point in [*read.points(content, axes, split), *read.references(content, axes, split)]
    ]
    bound = read.bound_of(content) or 0.0
    right = max([p.gap.mean + p.gap.sd for p in both] + [1.15 * bound, 0.02])
    panel.set_xlim(-0.03 * right, 1.06 * right)
    low = min((p.utility.mean - p.utility.sd for p in both), default=0.0)
    high = max((p.utility.mean + p.utility.sd for p in both), default=1.0)
    room = 0.08 * (high - low) or 0.01
    panel.set_ylim(low - room, high + room)


def _draw_labels(panel: Panel, found: list[Point], selected: int | None) -> None:
    """Name the settings on the front, as far as there is room."""
    taken: list[tuple[float, float]] = []
    figure = panel.figure
    scale = 72 / figure.dpi
    named = [point for point in found if point.kind == "front"]
    for point in sorted(named, key=lambda p: (p.index != selected, p.gap.mean)):
        x, y = panel.transData.transform((point.gap.mean, point.utility.mean)) * scale
        if any(abs(x - a) < 2.4 * APART and abs(y - b) < 0.7 * APART for a, b in taken):
            continue
        taken.append((x, y))
        panel.annotate(
            point.label,
            (point.gap.mean, point.utility.mean),
            xytext=(9, -14) if point.index == selected else (7, -10),
            textcoords="offset points",
            fontsize=8,
            color=INK,
            zorder=6,
            bbox={"facecolor": PAPER, "alpha": 0.7, "edgecolor": "none", "pad": 0.6},
        )
