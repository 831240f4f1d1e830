"""What an objective returns, checked: finite figures by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fairrep.errors import listed
from fairrep.tuning.constraints import Constraint


class MissingFigure(Exception):
    """The objective does not report what the search needs: no further trial would."""


def read_figures(found: Any, utility: str, constraints: Sequence[Constraint]) -> dict[str, float]:
    """The figures as numbers, those of callables among them.

    Raises:
        MissingFigure: the utility or a constraint's metric is not among them.
        TypeError: the objective returned no mapping of numbers.
        ValueError: a figure that the search needs is not finite.
    """
    if not isinstance(found, Mapping):
        raise TypeError(f"an objective must return figures by name, got {type(found).__name__}")
    figures = {str(name): float(value) for name, value in found.items()}
    for constraint in constraints:
        if constraint.measure is not None:
            figures[constraint.metric] = float(constraint.measure(dict(figures)))
    needed = {"utility": utility} | {str(one): one.metric for one in constraints}
    for what, name in needed.items():
        if name not in figures:
            word = "utility" if what == "utility" else "constraint"
            raise MissingFigure(
                f"{word} must name one of the objective's figures ({listed(list(figures))}), "
                f"got '{name}'."
            )
        if not math.isfinite(figures[name]):
            raise ValueError(f"an objective must return finite figures, got {name}={figures[name]}")
    return figures
