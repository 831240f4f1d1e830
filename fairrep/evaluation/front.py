"""The front of utility against unfairness: non-dominated points, its area, and the choice on it.

All of it is decided on validation rows; a point is a setting, its figures are means over seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairrep.errors import ConfigError

Floats = Sequence[float]


def non_dominated(utility: Floats, gap: Floats) -> list[bool]:
    """Which points no other one beats: as good in both, and better in one.

    A point whose figures are NaN is dominated; equal points are on the front together.
    """
    u, g = np.asarray(utility, dtype=float), np.asarray(gap, dtype=float)
    known = ~(np.isnan(u) | np.isnan(g))
    found = []
    for k in range(len(u)):
        as_good = known & (u >= u[k]) & (g <= g[k])
        better = as_good & ((u > u[k]) | (g < g[k]))
        found.append(bool(known[k] and not better.any()))
    return found


def hypervolume(utility: Floats, gap: Floats, *, reference: tuple[float, float]) -> float:
    r"""Area that the points dominate within a reference point (utility u, gap g).

    :math:`\int_0^{g} \max(0, \max_{k: gap_k \le t} utility_k - u)\,dt`, in units of utility times
    gap. Points that do not beat the reference in both add nothing.

    Ref: Zitzler and Thiele (1998), PPSN V.
    """
    least, most = reference
    points = sorted(
        (g, u) for u, g in zip(utility, gap) if u == u and g == g and u > least and g < most
    )
    area, best = 0.0, least
    for place, (g, u) in enumerate(points):
        best = max(best, u)
        until = points[place + 1][0] if place + 1 < len(points) else most
        area += (until - g) * (best - least)
    return area


@dataclass(frozen=True)
class FrontRule:
    """How one point is chosen.

    Attributes:
        task: whose figures decide.
        maximize: name of the figure to maximise.
        metric: name of the figure that is bounded.
        at_most: its bound, >= 0.
    """

    task: str
    maximize: str
    metric: str
    at_most: float

    def __post_init__(self) -> None:
        if not 0 <= self.at_most < float("inf"):
            raise ConfigError(f"select.at_most must be >= 0 and finite, got {self.at_most}.")


@dataclass(frozen=True)
class Choice:
    """A chosen position, and whether it meets the bound; if not, none does and it is closest."""

    position: int
    feasible: bool


def choose(utility: Floats, gap: Floats, *, at_most: float) -> Choice | None:
    """The highest utility among gaps within the bound, else the smallest gap; None of nothing.

    Positions whose figures are NaN are passed over.
    """
    known = [k for k, (u, g) in enumerate(zip(utility, gap)) if u == u and g == g]
    if not known:
        return None
    feasible = [k for k in known if gap[k] <= at_most]
    if feasible:
        return Choice(max(feasible, key=lambda k: (utility[k], -gap[k])), True)
    return Choice(min(known, key=lambda k: (gap[k], -utility[k])), False)
