"""What a Gaussian process makes of all trials: figures without the luck of single trials."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from fairrep.tuning.constraints import Constraint
from fairrep.tuning.space import Space

UTILITY, FEASIBLE = "posterior_utility", "posterior_feasible"
SIGNIFICANT = 1e-9  # a column with less spread is constant


def add_posterior(
    table: pd.DataFrame, space: Space, constraints: Sequence[Constraint], *, utility: str
) -> pd.DataFrame:
    """Add ``posterior_utility`` and ``posterior_feasible`` to the table of complete trials.

    One Gaussian process (Matérn 5/2, a length a coordinate, white noise, all by maximum marginal
    likelihood) is fitted to the utility and one to every constraint's figure. The first column is
    the posterior mean at each trial's settings, the second the probability that all constraints
    hold there, as if they were independent.

    Ref: Rasmussen, Williams (2006), Gaussian Processes for Machine Learning, ch. 2 and 5.
    """
    x = coordinates(table, space)
    mean, _ = _smoothed(x, table[utility].to_numpy(dtype=float))
    feasible = np.ones(len(table))
    for one in constraints:
        centre, spread = _smoothed(x, table[one.metric].to_numpy(dtype=float))
        slack = -np.array([one.violation(value) for value in centre])
        # a figure that is known exactly holds or does not
        feasible *= np.where(
            spread > 0, norm.cdf(slack / np.maximum(spread, SIGNIFICANT)), slack >= 0
        )
    return table.assign(**{UTILITY: mean, FEASIBLE: feasible})


def coordinates(table: pd.DataFrame, space: Space) -> np.ndarray:
    """Settings as points of the unit cube (n, p): logarithms where searched so, one-hot choices."""
    columns = [_column(table[f"param_{name}"], own) for name, own in space.items()]
    return np.concatenate(columns, axis=1)


def _column(values: pd.Series, own: BaseDistribution) -> np.ndarray:
    if isinstance(own, CategoricalDistribution):
        codes = [own.to_internal_repr(_own_type(value, own.choices)) for value in values]
        return np.eye(len(own.choices))[np.array(codes, dtype=int)]
    assert isinstance(own, (FloatDistribution, IntDistribution))
    scale = np.log if own.log else np.asarray
    low, high = scale(own.low), scale(own.high)
    numbers = scale(values.to_numpy(dtype=float))
    return ((numbers - low) / max(float(high - low), SIGNIFICANT))[:, None]


def _own_type(value: Any, choices: Sequence[Any]) -> Any:
    """None became NaN in a column of numbers."""
    return None if None in choices and not isinstance(value, str) and pd.isna(value) else value


def _smoothed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and standard deviation of the noiseless figure at the points themselves."""
    centre, spread = y.mean(), y.std()
    if spread < SIGNIFICANT:
        return y, np.zeros(len(y))
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
        np.full(x.shape[1], 0.5), (5e-2, 2e1), nu=2.5
    ) + WhiteKernel(1e-2, (1e-6, 1.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of lengths at their bounds
        process.fit(x, (y - centre) / spread)
    mean, total = process.predict(x, return_std=True)
    noise = process.kernel_.k2.noise_level
    return centre + spread * mean, spread * np.sqrt(np.maximum(total**2 - noise, 0.0))
