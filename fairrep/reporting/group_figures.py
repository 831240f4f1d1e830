"""Panels by group: scores, calibration, and the plane of the representation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fairrep.reporting.figures import blank
from fairrep.reporting.style import MUTED, group_style, styled

SIZE = (3.5, 2.75)  # inches: one panel is as wide as a telephone
BINS = 10
SCORE_BINS = 24
POINTS = 400  # of a group that are drawn in the plane
FILLED = 3  # groups; the areas of more would hide each other
LEAST = 10  # rows of a bin that is drawn
Z95 = 1.959964


@dataclass(frozen=True)
class Reliability:
    """One group's bins of the predicted probability that hold rows.

    Attributes:
        low: lower edge of the bin.
        rows: how many.
        predicted: mean predicted probability.
        observed: share of class 1.
    """

    low: np.ndarray
    rows: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray

    @property
    def interval(self) -> np.ndarray:
        """Wilson's 95% interval of the observed share (2, bins)."""
        n, p = self.rows, self.observed
        centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
        half = Z95 / (1 + Z95**2 / n) * np.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
        return np.stack([np.maximum(centre - half, 0), np.minimum(centre + half, 1)])

    def drawn(self) -> Reliability:
        """The bins with rows enough to be drawn."""
        enough = self.rows >= LEAST
        return Reliability(
            self.low[enough], self.rows[enough], self.predicted[enough], self.observed[enough]
        )

    @property
    def error(self) -> float:
        """Expected calibration error: Σ n_b |predicted_b − observed_b| / n."""
        return float((self.rows * np.abs(self.predicted - self.observed)).sum() / self.rows.sum())


def reliability(
    predictions: pd.DataFrame, task: str, head: str, groups: Sequence[str]
) -> dict[str, Reliability]:
    """Bins of equal width of a binary task's predictions, by group; rows without label left out."""
    names = [f"{task}/{head}", f"{task}/label", "group"]
    rows = predictions[names].dropna()
    found = {}
    for group in groups:
        own = rows[rows["group"].astype(str) == group]
        if own.empty:
            continue
        score, label = (own[name].to_numpy(dtype=float) for name in names[:2])
        place = np.clip((score * BINS).astype(int), 0, BINS - 1)
        counts, scores, labels = (
            np.bincount(place, weights, BINS) for weights in (np.ones(len(own)), score, label)
        )
        held = counts > 0
        found[group] = Reliability(
            np.flatnonzero(held) / BINS,
            counts[held],
            scores[held] / counts[held],
            labels[held] / counts[held],
        )
    return found


def calibration_panel(bins: Mapping[str, Reliability], order: Sequence[str], title: str) -> Figure:
    """Observed share against predicted probability; areas are counts, bars Wilson's intervals."""
    with styled():
        figure = blank(SIZE[0], 3.2)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        most = max((float(found.rows.max()) for found in bins.values()), default=1.0)
        for group, found in ((group, whole.drawn()) for group, whole in bins.items()):
            style = group_style(list(order).index(group))
            bars = np.maximum(np.abs(found.interval - found.observed), 0)
            axes.errorbar(
                found.predicted,
                found.observed,
                yerr=bars,
                color=style["color"],
                linestyle=style["linestyle"],
                linewidth=1.2,
                elinewidth=0.8,
            )
            sizes = 16 + 90 * found.rows / most
            axes.scatter(
                found.predicted,
                found.observed,
                s=sizes,
                color=style["color"],
                marker=style["marker"],
                alpha=0.85,
                linewidth=0,
                zorder=3,
            )
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=title)
        axes.set_xlabel("predicted probability")
        axes.set_ylabel("observed share of class 1")
    return figure


def histograms(
    predictions: pd.DataFrame, column: str, groups: Sequence[str]
) -> dict[str, Any] | None:
    """Densities of one prediction by group over common bins, as ``transfer.json`` saves them."""
    rows = predictions[[column, "group"]].dropna()
    if rows.empty:
        return None
    values, owner = rows[column].to_numpy(dtype=float), rows["group"].astype(str).to_numpy()
    edges = np.linspace(values.min(), values.max() + 1e-12, SCORE_BINS + 1)
    density = {
        group: np.histogram(values[owner == group], edges, density=True)[0].tolist()
        for group in groups
        if (owner == group).any()
    }
    return {"edges": edges.tolist(), "density": density}


def score_panel(
    found: dict[str, Any], order: Sequence[str], title: str, limits: tuple[float, float]
) -> Figure:
    """Densities of the scores by group."""
    with styled():
        figure = blank(*SIZE)
        draw_scores(figure.subplots(), found, order, title, limits)
    return figure


def draw_scores(
    axes: Axes,
    found: dict[str, Any],
    order: Sequence[str],
    title: str,
    limits: tuple[float, float],
) -> None:
    """The same into axes of a larger figure."""
    for group, density in found["density"].items():
        if group not in order:
            continue
        style = group_style(list(order).index(group))
        heights = [0.0 if value is None else value for value in density]
        axes.stairs(
            heights,
            found["edges"],
            color=style["color"],
            linestyle=style["linestyle"],
            linewidth=1.5,
            label=group,
        )
        if len(order) <= FILLED:
            axes.stairs(heights, found["edges"], color=style["color"], alpha=0.1, fill=True)
    axes.set_xlim(*limits)
    axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.set_xlabel("score")
    axes.set_ylabel("density")
    axes.set_yticks([])
    axes.grid(axis="y", visible=False)


def plane_limit(planes: Sequence[dict[str, Any]]) -> float:
    """Half the side of a square about 0 that holds all rows of several planes."""
    largest = (np.abs(np.array(p["points"], dtype=float)).max(initial=0.0) for p in planes)
    return 1.05 * float(max(largest, default=0.0)) or 1.0


def plane_panel(plane: dict[str, Any], order: Sequence[str], title: str, limit: float) -> Figure:
    """Rows on the first two principal components, and each group's mean; one scale for both."""
    points = np.array(plane["points"], dtype=float).reshape(-1, 2)
    owner = np.array(plane["groups"], dtype=str)
    shares = plane.get("variance") or [None, None]
    with styled():
        figure = blank(SIZE[0], 3.4)
        axes = figure.subplots()
        for k, group in enumerate(order):
            own = points[owner == group]
            if not len(own):
                continue
            style = group_style(k)
            axes.scatter(
                own[:POINTS, 0],
                own[:POINTS, 1],
                s=10,
                color=style["color"],
                marker=style["marker"],
                alpha=0.45,
                linewidth=0,
            )
        for k, group in enumerate(order):
            own = points[owner == group]
            if len(own):
                style = group_style(k)
                axes.plot(
                    *own.mean(0),
                    linestyle="none",
                    marker=style["marker"],
                    color=style["color"],
                    markersize=11,
                    markeredgecolor="#ffffff",
                    markeredgewidth=1.5,
                )
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
        first, second = ("" if v is None else f", {v:.0%} of variance" for v in shares)
        axes.set_xlabel(f"first component{first}")
        axes.set_ylabel(f"second component{second}")
    return figure
