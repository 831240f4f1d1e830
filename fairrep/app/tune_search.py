"""What the tuning command asks of whatever it searches: a learner, or an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from omegaconf import DictConfig

from fairrep.app.configs import plain
from fairrep.data import PreparedData
from fairrep.errors import ConfigError
from fairrep.tuning import Constraint, Progress, parse_constraints, search_space
from fairrep.types import TaskSpec

PLAIN, CONSTRAINED = "plain", "constrained"  # names of the two searches
Content = dict[str, Any]
Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Found:
    """What one search came to.

    Attributes:
        params: settings of the best trial.
        score: its accuracy.
        figures: its constrained metrics.
        feasible: whether it keeps the constraints.
        feasible_count: trials that do.
        trials: one row a trial.
        model: whatever the search's ``test`` needs of the best setting.
    """

    params: dict[str, Any]
    score: float
    figures: dict[str, float]
    feasible: bool
    feasible_count: int
    trials: pd.DataFrame
    model: Any


class Search(Protocol):
    """What is searched: everything that can be refused is refused when it is made.

    Attributes:
        constraints: the bounds.
        data: whose rows.
        task: what is predicted.
        features: what x is, in words.
        learner: its name.
        rows: how many are searched on and tested on.
        measured: on which rows trials are measured, in words.
    """

    constraints: tuple[Constraint, ...]
    data: PreparedData
    task: TaskSpec
    features: str
    learner: str
    rows: dict[str, int]
    measured: str

    def search(self, name: str, folder: Path, *, enforce: bool, listener: Listener) -> Found:
        """Search, with the trials kept in the folder."""

    def test(self, found: Mapping[str, Found], folder: Path) -> dict[str, Content]:
        """Figures of the plain and the constrained model on test rows, read once."""


def check_searched(config: DictConfig, known: Sequence[str]) -> tuple[Constraint, ...]:
    """The constraints, once the search's own settings are in their ranges.

    Raises:
        ConfigError: a space that is none, no constraint, a metric that is not known.
    """
    search_space(plain(config.space))
    constraints = parse_constraints(plain(config.constraint), known=known)
    if not constraints:
        raise ConfigError(
            "constraint must be given, constraint.demographic_parity_difference=0.05."
        )
    return constraints
