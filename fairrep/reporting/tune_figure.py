"""A tuning run as a picture: the trials of a plain and of a constrained search, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from fairrep.reporting.figures import blank
from fairrep.reporting.metric_names import metric_name
from fairrep.reporting.style import BLUE, INK, ORANGE, VERMILLION, styled
from fairrep.reporting.tune_tables import bound_text

Content = dict[str, Any]
DARKER = LinearSegmentedColormap.from_list("darker", ["#cfe3f1", BLUE, "#00243b"])


def tune_figure(content: Content, trials: pd.DataFrame) -> Figure:
    """Accuracy against unfairness of every trial, the bound as a line, later trials darker.

    Args:
        content: of ``tune.json``.
        trials: of ``trials.parquet``.
    """
    with styled():
        figure = blank(9.5, 4.0)
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        complete = trials[trials["state"] == "complete"]
        for axes, (name, search) in zip(panels, content["searches"].items()):
            own = complete[complete["search"] == name]
            points = draw_search(axes, content, own, search)
            axes.set_title(f"{name}: {search['feasible_count']} of {len(own)} feasible")
        panels[0].set_ylabel(f"accuracy, {content['measured']}")
        panels[1].legend(loc="best")
        figure.colorbar(points, ax=panels, label="trial", pad=0.01, aspect=30)
        figure.suptitle(
            f"{content['learner']} on {content['dataset']}: {content['n_trials']} trials"
        )
    return figure


def draw_search(axes: Axes, content: Content, trials: pd.DataFrame, search: Content) -> Any:
    """One search's trials; returns the points, whose colours are the trials' numbers."""
    constraint = content["constraints"][0]
    metric = constraint["metric"]
    points = axes.scatter(
        trials[metric],
        trials["score"],
        c=trials["number"],
        cmap=DARKER,
        vmin=0,
        vmax=content["n_trials"] - 1,
        s=26,
        linewidths=0,
    )
    axes.axvline(
        constraint["bound"], color=VERMILLION, linestyle=(0, (5, 2)), label=bound_text(constraint)
    )
    axes.scatter(
        search["figures"][metric],
        search["accuracy"],
        s=90,
        facecolors="none",
        edgecolors=INK,
        linewidths=1.4,
        label="chosen",
    )
    axes.set_xlim(left=-0.02 * axes.get_xlim()[1])  # a point at 0 is seen whole
    axes.set_xlabel(f"{metric_name(metric)}, {content['measured']}")
    return points


def search_panel(content: Content, trials: pd.DataFrame, name: str) -> Figure:
    """One search's trials alone, on axes that both searches share."""
    complete = trials[trials["state"] == "complete"]
    metric = content["constraints"][0]["metric"]
    with styled():
        figure = blank(4.6, 3.4)
        axes = figure.subplots()
        own = complete[complete["search"] == name]
        draw_search(axes, content, own, content["searches"][name])
        right, low, high = (
            complete[metric].max(),
            complete["score"].min(),
            complete["score"].max(),
        )
        right = max(right, content["constraints"][0]["bound"])
        axes.set_xlim(-0.02 * right, 1.04 * right)
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        axes.set_ylabel(f"accuracy, {content['measured']}")
        axes.set_title(name)
        axes.legend(loc="best")
    return figure


def curve_panel(content: Content, trials: pd.DataFrame) -> Figure:
    """Best feasible accuracy after each trial, of both searches."""
    with styled():
        figure = blank(5.4, 3.2)
        axes = figure.subplots()
        for (name, colour), dashes in zip(
            (("plain", ORANGE), ("constrained", BLUE)), ((0, (4, 2)), "solid")
        ):
            own = trials[trials["search"] == name]
            best = own["score"].where(own["feasible"]).cummax().ffill()
            axes.step(
                np.arange(1, len(own) + 1),
                best,
                where="post",
                color=colour,
                linestyle=dashes,
                label=name,
            )
        axes.set_xlabel("trials")
        axes.set_ylabel(f"best feasible accuracy, {content['measured']}")
        axes.set_xlim(0, content["n_trials"] + 1)
        axes.legend(loc="lower right")
    return figure
