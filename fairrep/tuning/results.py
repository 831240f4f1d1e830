"""What a search found: its trials as a table, and the one to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from fairrep.tuning.constraints import Constraint, violations
from fairrep.tuning.posterior import FEASIBLE, UTILITY, add_posterior
from fairrep.tuning.space import Space
from fairrep.tuning.workers import PROBLEM, counts

FIGURES, STEPS = "figures", "steps"
CHOICES = ("observed", "posterior")


@dataclass(frozen=True)
class SearchResult:
    """A search's outcome.

    Attributes:
        number: the best trial's.
        params: its settings.
        figures: what the objective reported of it.
        feasible: whether it keeps every constraint.
        feasible_count: trials that do.
        trials: one row a finished trial, in order: ``number``, ``state``, ``seconds``, the
            settings as ``param_…``, the figures (of a pruned trial as expected), ``violation`` (the
            largest; 0 or less: feasible), ``feasible`` and ``problem``.
        constraints: what was asked for.

    With constraints, the best trial is the one of the best utility among the feasible; if none is
    feasible, the one nearest to it. A plain search takes the best utility.
    """

    number: int
    params: dict[str, Any]
    figures: dict[str, float]
    feasible: bool
    feasible_count: int
    trials: pd.DataFrame
    constraints: tuple[Constraint, ...]


def trials_table(trials: Sequence[FrozenTrial], constraints: Sequence[Constraint]) -> pd.DataFrame:
    """The finished trials as a table; those that lost their worker are left out."""
    rows = [_row(t, constraints) for t in trials if t.state.is_finished() and counts(t)]
    table = pd.DataFrame(rows)
    if "violation" in table:
        table["feasible"] = table["violation"] <= 0
    return table


def best_row(
    table: pd.DataFrame, *, utility: str, maximize: bool, enforce: bool
) -> pd.Series | None:
    """The trial to use by observed figures, of equals the earliest; None if none is complete."""
    table = candidates(table, enforce=enforce)
    if len(table) == 0:
        return None
    values = table[utility].to_numpy()
    return table.iloc[int(np.argmax(values) if maximize else np.argmin(values))]


def candidates(table: pd.DataFrame, *, enforce: bool) -> pd.DataFrame:
    """The complete trials that may be used: the feasible ones, or the nearest to that."""
    if len(table) == 0:
        return table
    table = table[table["state"] == "complete"]
    if enforce and table["feasible"].any():
        return table[table["feasible"]]
    if enforce:
        return table[table["violation"] == table["violation"].min()]
    return table


def likely_row(
    table: pd.DataFrame,
    space: Space,
    constraints: Sequence[Constraint],
    *,
    utility: str,
    maximize: bool,
    enforce: bool,
) -> pd.Series | None:
    """The trial to use by the posterior: of the best posterior mean among the likely feasible.

    The candidates are those of :func:`best_row`. Those that are feasible with a probability of at
    least one half come first; if there is none, the most probable are taken.
    """
    complete = table[table["state"] == "complete"] if len(table) else table
    if len(complete) == 0:
        return None
    bounds = constraints if enforce else ()
    complete = add_posterior(complete, space, bounds, utility=utility)
    found = candidates(complete, enforce=enforce)
    found = found[found[FEASIBLE] >= min(0.5, found[FEASIBLE].max())]
    values = found[UTILITY].to_numpy()
    return found.iloc[int(np.argmax(values) if maximize else np.argmin(values))]


def as_result(
    row: pd.Series,
    trials: Sequence[FrozenTrial],
    table: pd.DataFrame,
    constraints: tuple[Constraint, ...],
) -> SearchResult:
    """Turn the chosen row into a result."""
    trial = trials[int(row["number"])]
    return SearchResult(
        number=trial.number,
        params=dict(trial.params),
        figures=dict(trial.user_attrs[FIGURES]),
        feasible=bool(row["feasible"]),
        feasible_count=int(table["feasible"].sum()),
        trials=table,
        constraints=constraints,
    )


def _row(trial: FrozenTrial, constraints: Sequence[Constraint]) -> dict[str, Any]:
    duration = trial.duration
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.name.lower().replace("fail", "failed"),
        "seconds": duration.total_seconds() if duration else float("nan"),
        **{f"param_{name}": value for name, value in trial.params.items()},
    }
    figures: Mapping[str, float] = trial.user_attrs.get(FIGURES, {})
    complete = trial.state == TrialState.COMPLETE
    broken = violations(constraints, figures).values() if complete else [float("nan")]
    return row | {
        **figures,
        "violation": max(broken, default=0.0),
        "problem": trial.user_attrs.get(PROBLEM),
    }
