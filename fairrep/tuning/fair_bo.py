"""Constrained Bayesian optimisation of any objective over any search space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import optuna
import pandas as pd
from optuna import Study
from optuna.distributions import distribution_to_json

from fairrep.errors import ConfigError, SearchError
from fairrep.tuning.constraints import parse_constraints, violations
from fairrep.tuning.pruning import Course
from fairrep.tuning.results import (
    CHOICES,
    SearchResult,
    as_result,
    best_row,
    likely_row,
    trials_table,
)
from fairrep.tuning.running import Progress, Run, quiet
from fairrep.tuning.samplers import make_sampler
from fairrep.tuning.space import search_space
from fairrep.tuning.storages import open_storage, storage_errors

Figures = Mapping[str, float]
Objective = (
    Callable[[dict[str, Any]], Figures | Iterator[Figures]]
    | Callable[[list[dict[str, Any]]], Sequence[Figures]]
)
SIGNATURE = "fairrep"


class FairBO:
    """Maximise a utility subject to ``metric <= epsilon``, with few evaluations.

    Args:
        objective: settings → figures by name: the utility, and every metric that a constraint
            names. An error or a figure that is not finite fails the trial; the search goes on. A
            generator yields them after every step (a fold, an epoch), the last ones being final.
        space: the search space, see :func:`fairrep.tuning.search_space`.
        constraints: one or several of ``"metric<=0.05"``, ``"metric>=0.8"``, or
            (callable of the figures, ε).
        utility: name of the figure that is optimised.
        maximize: whether more of it is better.
        enforce: False for a plain search that only watches the constraints.
        sampler: ``gp`` (Bayesian optimisation), ``tpe`` or ``random``.
        n_startup: trials spread over the space (``tpe``: at random) before the sampler learns.
        storage: where trials are kept, see :func:`fairrep.tuning.storages.open_storage`; another
            process with the same storage and name shares the work, and a later one resumes it.
        name: of the search in its storage.
        about: what else a stored trial depends on; a search that differs does not resume it.
        seed: of all draws.
        workers: trials evaluated at once, in threads; a Gaussian process takes those that are
            still running into account.
        batch: so many settings are handed to the objective at once, as a list, and it returns a
            list of figures; None for one by one.
        prune: whether a generator's trial is given up when
            :func:`fairrep.tuning.pruning.hopeless` says so.
        choose: the best trial by ``observed`` figures, or by the ``posterior`` of all trials, which
            single lucky ones do not win (:func:`fairrep.tuning.results.likely_row`).
        max_failures: after so many failed trials in a row the search stops and says why.
        listener: called with :class:`Progress` after every trial.

    Ref: Perrone, Donini, Zafar, Schmucker, Kenthapadi, Archambeau (2021), AIES; the acquisition is
    that of Gardner et al. (2014), ICML, with correlated figures.

    >>> from fairrep.tuning import FairBO
    >>> def objective(params):  # accuracy grows with x, and so does the gap
    ...     return {"accuracy": params["x"], "gap": params["x"] ** 2}
    >>> space = {"x": {"type": "float", "low": 0, "high": 1}}
    >>> found = FairBO(objective, space, constraints="gap<=0.25", utility="accuracy").run(25)
    >>> found.feasible, round(found.params["x"], 2)
    (True, 0.5)
    """

    def __init__(
        self,
        objective: Objective,
        space: Mapping[str, Any],
        *,
        constraints: Any = (),
        utility: str,
        maximize: bool = True,
        enforce: bool = True,
        sampler: str = "gp",
        n_startup: int = 10,
        storage: Any = None,
        name: str = "search",
        about: Mapping[str, Any] | None = None,
        seed: int = 0,
        workers: int = 1,
        batch: int | None = None,
        prune: bool = False,
        choose: str = "observed",
        max_failures: int = 5,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        self.objective = objective
        self.space = search_space(space)
        self.constraints = parse_constraints(constraints, known=None)
        self.utility, self.maximize, self.enforce = utility, maximize, enforce
        self._aims: Any = {"utility": utility, "maximize": maximize, "enforce": enforce}
        numbers = {"workers": workers, "batch": batch, "max_failures": max_failures}
        for setting, value in numbers.items():
            if value is not None and value < 1:
                raise ConfigError(f"{setting} must be at least 1, got {value}.")
        if choose not in CHOICES:
            raise ConfigError(f"choose must be one of {', '.join(CHOICES)}, got {choose!r}.")
        self.batch, self.prune, self.choose = batch, prune, choose
        self.workers, self.max_failures, self.listener = workers, max_failures, listener
        self._sampler = make_sampler(sampler, self.space, seed=seed, n_startup=n_startup)
        self.storage, self.name, self.about = storage, name, dict(about or {})
        self._study: Study | None = None

    @property
    def study(self) -> Study:
        """Optuna's study, opened on first use.

        Raises:
            SearchError: a storage that cannot be used, or that holds another search of this name.
        """
        if self._study is None:
            storage = open_storage(self.storage)
            with storage_errors(self.storage), quiet():
                study = optuna.create_study(
                    storage=storage,
                    sampler=self._sampler,
                    study_name=self.name,
                    direction="maximize" if self.maximize else "minimize",
                    load_if_exists=True,
                )
                self._claim(study)
            self._study = study
        return self._study

    def run(self, n_trials: int) -> SearchResult:
        """Go on until the search has so many finished trials, those of other workers included.

        Raises:
            ConfigError: a constraint or the utility names a figure that the objective lacks.
            SearchError: ``max_failures`` trials in a row failed, no trial is complete, or the
                storage cannot be used.
        """
        if n_trials < 1:
            raise ConfigError(f"n_trials must be at least 1, got {n_trials}.")
        study = self.study
        with storage_errors(self.storage), quiet():
            run = Run(self, study, n_trials)
            run.start()
            if run.problem is not None:
                raise run.problem
            return self.result()

    def result(self) -> SearchResult:
        """What has been found so far.

        Raises:
            SearchError: no trial is complete.
        """
        trials = self.study.get_trials(deepcopy=False)
        table = trials_table(trials, self.constraints)
        row = self.best(table)
        if row is None:
            failed = f"{len(table)} failed ones; the last: {table['problem'].iloc[-1]}"
            raise SearchError(
                f"a search needs a complete trial, got {failed if len(table) else 'none so far.'}"
            )
        return as_result(row, trials, table, self.constraints)

    def best(self, table: pd.DataFrame) -> pd.Series | None:
        """The row of :func:`trials_table` to use."""
        if self.choose == "posterior":
            return likely_row(table, self.space, self.constraints, **self._aims)
        return self.best_observed(table)

    def best_observed(self, table: pd.DataFrame) -> pd.Series | None:
        """The row of :func:`trials_table` with the best figures of its own."""
        return best_row(table, **self._aims)

    def course(self, steps: Sequence[Mapping[str, float]]) -> Course:
        """A trial's figures step by step, as :mod:`fairrep.tuning.pruning` reads them."""
        sign = 1.0 if self.maximize else -1.0
        bounds = self.constraints if self.enforce else ()
        return Course(
            [sign * figures[self.utility] for figures in steps],
            [max(violations(bounds, figures).values(), default=0.0) for figures in steps],
        )

    def _claim(self, study: Study) -> None:
        """Mark the study as this search's, or refuse one of another."""
        own = {
            "space": {name: distribution_to_json(one) for name, one in self.space.items()},
            "utility": self.utility,
            "constraints": [str(one) for one in self.constraints],
            "enforce": self.enforce,
            **self.about,
        }
        saved = study.user_attrs.get(SIGNATURE)
        if saved is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(SIGNATURE, own)
        elif saved != own:
            differing = [key for key in own if (saved or {}).get(key) != own[key]]
            raise SearchError(
                f"storage '{self.storage}' already holds a search '{self.name}' with another "
                f"{' and '.join(differing)}; choose another name or storage."
            )
