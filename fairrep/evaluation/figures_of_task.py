"""Figures with their resamples, before they become numbers with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairrep.evaluation.intervals import (
    Differences,
    gap_change_interval,
    gap_interval,
    percentile_interval,
)
from fairrep.types import AttributeSpec

Metrics = dict[str, Any]
SMALL = 100  # rows below which a group's interval is called wide


@dataclass(frozen=True)
class Grouping:
    """A way to group rows: the intersections of all attributes, or the groups of one.

    Attributes:
        name: the attribute's, or empty for the intersections.
        groups: names in code order.
        of_stratum: for each intersection's code, the group it belongs to.
    """

    name: str
    groups: tuple[str, ...]
    of_stratum: tuple[int, ...]

    def codes(self, s: np.ndarray) -> np.ndarray:
        """Group codes (n,) of rows with intersection codes ``s``; -1 stays unknown."""
        return np.array([*self.of_stratum, -1])[s]

    def add_up(self, sums: np.ndarray) -> np.ndarray:
        """Sums over strata (…, s, k), unknown last, → sums over groups (…, g, k)."""
        member = np.arange(len(self.groups))[:, None] == np.array(self.of_stratum)
        return member.astype(sums.dtype) @ sums[..., :-1, :]


def groupings(
    groups: Sequence[str], attributes: Sequence[AttributeSpec] = ()
) -> tuple[Grouping, ...]:
    """The intersections, and every attribute where there are several."""
    whole = Grouping("", tuple(groups), tuple(range(len(groups))))
    if len(attributes) < 2:
        return (whole,)
    return (whole, *(Grouping(a.name, a.groups, a.of_group) for a in attributes))


@dataclass(frozen=True)
class Utility:
    """A figure of all rows, and its resamples (draws,)."""

    value: float
    drawn: np.ndarray


@dataclass(frozen=True)
class Gap:
    """A gap between groups, and the signed differences behind it."""

    value: float
    differences: Differences


@dataclass(frozen=True)
class Figures:
    """Everything measured on one prediction."""

    utilities: dict[str, Utility]
    gaps: dict[str, dict[str, Gap]]  # by grouping
    plain: Metrics = field(default_factory=dict)  # figures without an interval
    groups: dict[str, Metrics] = field(default_factory=dict)  # by grouping: group → n, rates


def as_metrics(figures: Figures, twin: Figures | None, *, min_rows: int) -> Metrics:
    """Numbers, intervals ``…_ci``, and ``versus_twin`` with the paired differences."""
    metrics: Metrics = {}
    for name, utility in figures.utilities.items():
        metrics[name] = utility.value
        metrics[f"{name}_ci"] = list(percentile_interval(utility.drawn))
    metrics |= figures.plain
    for grouping, gaps in figures.gaps.items():
        own = _gap_metrics(gaps) | {"groups": figures.groups[grouping]}
        if notes := _notes(figures.groups[grouping], min_rows):
            own["notes"] = notes
        metrics |= own if not grouping else {}
        if grouping:
            metrics.setdefault("attributes", {})[grouping] = own
    if twin is not None:
        metrics["versus_twin"] = _changes(figures, twin)
    return metrics


def _gap_metrics(gaps: dict[str, Gap]) -> Metrics:
    metrics: Metrics = {}
    for name, gap in gaps.items():
        metrics[name] = gap.value
        metrics[f"{name}_ci"] = list(gap_interval(gap.differences))
    return metrics


def _changes(figures: Figures, twin: Figures) -> Metrics:
    metrics: Metrics = {}
    for name, utility in figures.utilities.items():
        other = twin.utilities[name]
        metrics[name] = utility.value - other.value
        metrics[f"{name}_ci"] = list(percentile_interval(utility.drawn - other.drawn))
    for name, gap in figures.gaps[""].items():
        against = twin.gaps[""][name]
        metrics[name] = gap.value - against.value
        interval = gap_change_interval(gap.differences, against.differences)
        metrics[f"{name}_ci"] = list(interval)
    return metrics


def _notes(groups: dict[str, Metrics], min_rows: int) -> list[str]:
    return [
        f"{name} has {group['n']} rows"
        + (
            f", fewer than min_rows={min_rows}: it takes no part in gaps"
            if group["n"] < min_rows
            else f": the interval is wide, as a rate of {group['n']} rows is uncertain by "
            f"about {0.98 / group['n'] ** 0.5:.2f}"
        )
        for name, group in groups.items()
        if group["n"] < max(SMALL, min_rows)
    ]
