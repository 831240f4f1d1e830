"""Which settings a trial tries: constrained Bayesian optimisation, TPE, or chance."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from fairrep.errors import ConfigError
from fairrep.seeds import derive_seed
from fairrep.tuning.failures import WithFailures
from fairrep.tuning.space import Space

SAMPLERS = ("gp", "tpe", "random")


def make_sampler(name: str, space: Space, *, seed: int, n_startup: int) -> TrialSeeded:
    """A sampler whose draws depend on (seed, number of the trial) alone.

    ``gp`` is one Gaussian process for the objective and one for every constraint; it maximises
    expected improvement × probability of feasibility, and the probability of feasibility alone
    while no trial is feasible. The first ``n_startup`` trials are random.

    Raises:
        ConfigError: an unknown name, a negative number of random trials.
    """
    if name not in SAMPLERS:
        raise ConfigError(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}.")
    if n_startup < 1:
        raise ConfigError(f"n_startup must be at least 1, got {n_startup}.")

    def inner(number: int) -> BaseSampler:
        own = derive_seed(seed, "sampler", number) % 2**32
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            if name == "gp":
                return GPSampler(
                    seed=own, n_startup_trials=n_startup, warn_independent_sampling=False
                )
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
        """All parameters with more than one value; none for chance."""
        if isinstance(self._local.sampler, RandomSampler):
            return {}
        return {name: own for name, own in self._space.items() if not own.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the inner sampler proposes."""
        return self._local.sampler.sample_relative(WithFailures(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """A random value."""
        return self._local.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Nothing: constraints are set while the trial runs."""
