"""Which settings a trial tries: constrained Bayesian optimisation, TPE, or chance."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from fairrep.errors import ConfigError
from fairrep.seeds import derive_seed
from fairrep.tuning.bayesian import BayesianSampler
from fairrep.tuning.failures import WithFailures
from fairrep.tuning.space import Space

SAMPLERS = ("gp", "tpe", "random")


def make_sampler(name: str, space: Space, *, seed: int, n_startup: int) -> TrialSeeded:
    """A sampler whose draws depend on (seed, number of the trial) alone.

    ``gp`` is :class:`fairrep.tuning.bayesian.BayesianSampler`: one Gaussian process for the
    objective and one for every constraint. It starts with ``n_startup`` settings that fill the
    space, ``tpe`` with as many random ones.

    Raises:
        ConfigError: an unknown name, no trial to start with.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}.")
    if n_startup < 1:
        raise ConfigError(f"n_startup must be at least 1, got {n_startup}.")

    start = derive_seed(seed, "sampler") % 2**32

    def inner(number: int) -> BaseSampler:
        own = derive_seed(seed, "sampler", number) % 2**32
        if name == "gp":
            return BayesianSampler(number, start=start, seed=own, n_startup=n_startup)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if name == "tpe":
                return TPESampler(
                    seed=own,
                    n_startup_trials=n_startup,
                    multivariate=True,
                    constant_liar=True,  # workers keep away from each other's running trials
                )
        return RandomSampler(seed=own)

    return TrialSeeded(inner, space)


class TrialSeeded(BaseSampler):
    """A fresh sampler for every trial, seeded by its number.

    A search that was interrupted goes on as if it had not been, and workers that share a storage
    never repeat each other's draws.

    Args:
        make: a trial's number → its sampler.
        space: what is searched.
    """

    def __init__(self, make: Callable[[int], BaseSampler], space: Space) -> None:
        self._make, self._space = make, space
        self._local = threading.local()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Start the trial's own stream."""
        self._local.sampler = self._make(trial.number)
        self._local.sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters with more than one value."""
        return {name: own for name, own in self._space.items() if not own.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the inner sampler proposes."""
        with threadpool_limits(1):  # matrices this small only wait for other threads
            return self._local.sampler.sample_relative(WithFailures(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """A random value."""
        return self._local.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Nothing: constraints are set while the trial runs."""
