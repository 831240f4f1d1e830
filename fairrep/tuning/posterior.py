"""What a Gaussian process makes of all trials: figures without the luck of single trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.stats import norm

from fairrep.tuning.constraints import Constraint
from fairrep.tuning.cube import Cube
from fairrep.tuning.process import SIGNIFICANT, Process, constant
from fairrep.tuning.space import Space

UTILITY, FEASIBLE = "posterior_utility", "posterior_feasible"


def add_posterior(
    table: pd.DataFrame, space: Space, constraints: Sequence[Constraint], *, utility: str
) -> pd.DataFrame:
    """Add ``posterior_utility`` and ``posterior_feasible`` to the table of complete trials.

    A Gaussian process on two scales (:class:`fairrep.tuning.process.Process`) is fitted to the
    utility and one to every constraint's figure. Its smooth part is what a setting owes to more
    than luck: the first column is that part's posterior mean at each trial's setting, the second
    the probability that all constraints hold for it, as if they were independent.
    """
    x, parameter = _points(table, space)
    mean, _ = _smoothed(x, parameter, table[utility].to_numpy(dtype=float))
    feasible = np.ones(len(table))
    for one in constraints:
        centre, spread = _smoothed(x, parameter, table[one.metric].to_numpy(dtype=float))
        slack = -np.array([one.violation(value) for value in centre])
        # a figure that is known exactly holds or does not
        feasible *= np.where(
            spread > 0, norm.cdf(slack / np.maximum(spread, SIGNIFICANT)), slack >= 0
        )
    return table.assign(**{UTILITY: mean, FEASIBLE: feasible})


def _points(table: pd.DataFrame, space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Settings as points of the unit cube (n, p), and the parameter of each coordinate (p,)."""
    cube = Cube(space)
    named = {
        name: [_own(value, one) for value in table[f"param_{name}"]] for name, one in space.items()
    }
    settings = [dict(zip(named, values)) for values in zip(*named.values())]
    return cube.points(cube.rows(settings)), cube.parameter


def _own(value: Any, own: BaseDistribution) -> Any:
    """None became NaN in a column of numbers."""
    if isinstance(own, CategoricalDistribution) and None in own.choices:
        return None if not isinstance(value, str) and pd.isna(value) else value
    return value


def _smoothed(x: np.ndarray, parameter: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and standard deviation of a figure's smooth part at the points themselves."""
    if constant(y):
        return y, np.zeros(len(y))
    return Process(x, y, parameter).smooth(x)
