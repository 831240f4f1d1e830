"""Constraints of a search: a figure, and the bound that it must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairrep.errors import ConfigError, listed

FORM = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|>=|≤|≥)\s*(\S+)\s*")


@dataclass(frozen=True)
class Constraint:
    """``metric <= bound``, or ``metric >= bound``.

    Attributes:
        metric: the figure's name.
        bound: ε.
        at_least: whether the figure must be at least, rather than at most, the bound.
        measure: what is called for the figure; None where the objective reports it by name.
    """

    metric: str
    bound: float
    at_least: bool = False
    measure: Callable[..., float] | None = None

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.at_least else '<='} {self.bound:g}"

    def violation(self, value: float) -> float:
        """How far a figure is beyond the bound; 0 or less where the constraint holds."""
        return self.bound - value if self.at_least else value - self.bound

    def holds(self, value: float) -> bool:
        """Whether the figure keeps the bound; NaN never does."""
        return self.violation(value) <= 0


def parse_constraint(given: Any, *, known: Sequence[str] | None) -> Constraint:
    """Read a constraint.

    Args:
        given: ``"demographic_parity_difference<=0.05"`` (or with ``>=``, for a ratio or a utility),
            a pair (callable, bound), which means at most, or a :class:`Constraint`.
        known: metrics that may be named; None where only the objective can tell.

    Raises:
        ConfigError: another form, a metric that is not known (the known ones are listed), a bound
            that is not finite, or an upper bound below 0.
    """
    found = given if isinstance(given, Constraint) else _read(given)
    if found.measure is None and known is not None and found.metric not in known:
        raise ConfigError(
            f"constraint must name one of the metrics {listed(list(known))}, got '{found.metric}'."
        )
    if not math.isfinite(found.bound):
        raise ConfigError(f"constraint {found.metric}: ε must be finite, got {found.bound}.")
    if not found.at_least and found.bound < 0:
        raise ConfigError(
            f"constraint {found.metric}: ε must be >= 0, got {found.bound:g}; for a lower bound "
            f"write '{found.metric}>={found.bound:g}'."
        )
    return found


def parse_constraints(given: Any, *, known: Sequence[str] | None) -> tuple[Constraint, ...]:
    """Read one constraint or several; two of one metric and direction are a mistake.

    Raises:
        ConfigError: as :func:`parse_constraint`, or the same bound twice.
    """
    if given is None:
        return ()
    alone = isinstance(given, (str, Constraint)) or (
        isinstance(given, tuple) and len(given) == 2 and callable(given[0])
    )
    found = [parse_constraint(one, known=known) for one in ([given] if alone else given)]
    keys = [(one.metric, one.at_least) for one in found]
    if repeated := [one for one in found if keys.count((one.metric, one.at_least)) > 1]:
        raise ConfigError(f"constraints must bound each metric once, got {repeated[0]} and again.")
    return tuple(found)


def violations(constraints: Sequence[Constraint], figures: Mapping[str, float]) -> dict[str, float]:
    """By constraint: how far it is broken; 0 or less where it holds."""
    return {str(one): one.violation(figures[one.metric]) for one in constraints}


def _read(given: Any) -> Constraint:
    if isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2:
        measure, bound = given
        if callable(measure):
            name = getattr(measure, "__name__", type(measure).__name__)
            return Constraint(name, _number(bound, name), measure=measure)
    found = FORM.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ConfigError(
            "constraint must read 'metric<=epsilon' or be a pair (callable, epsilon), "
            f"got {given!r}."
        )
    metric, sign, bound = found.groups()
    return Constraint(metric, _number(bound, metric), at_least=sign in (">=", "≥"))


def _number(value: Any, metric: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"constraint {metric}: ε must be a number, got {value!r}.") from None
