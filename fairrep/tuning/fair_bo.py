"""Constrained Bayesian optimisation of any objective over any search space."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import optuna
from optuna import Study, Trial
from optuna.distributions import distribution_to_json
from optuna.trial import TrialState

from fairrep.errors import ConfigError, SearchError
from fairrep.tuning.constraints import parse_constraints
from fairrep.tuning.figures import MissingFigure, read_figures
from fairrep.tuning.results import FIGURES, SearchResult, as_result, best_row, trials_table
from fairrep.tuning.samplers import make_sampler
from fairrep.tuning.space import search_space
from fairrep.tuning.storages import open_storage, storage_errors
from fairrep.tuning.workers import PROBLEM, Watch, beating, counts, give_up, retry, retry_lost

Objective = Callable[[dict[str, Any]], Mapping[str, float]]
POLL_SECONDS = 0.2
SIGNATURE = "fairrep"
INTERRUPTED = "the search was interrupted; the same call goes on with it."


@dataclass(frozen=True)
class Progress:
    """Where a search stands after a trial.

    Attributes:
        number: the trial's.
        done: finished trials.
        total: trials asked for.
        best: utility of the best feasible trial (of the best, for a plain search); None so far.
        feasible: feasible trials.
        seconds_left: at this run's pace.
    """

    number: int
    done: int
    total: int
    best: float | None
    feasible: int
    seconds_left: float


class FairBO:
    """Maximise a utility subject to ``metric <= epsilon``, with few evaluations.

    Args:
        objective: settings → figures by name: the utility, and every metric that a constraint
            names. An error or a figure that is not finite fails the trial; the search goes on.
        space: the search space, see :func:`fairrep.tuning.search_space`.
        constraints: one or several of ``"metric<=0.05"``, ``"metric>=0.8"``, or
            (callable of the figures, ε).
        utility: name of the figure that is optimised.
        maximize: whether more of it is better.
        enforce: False for a plain search that only watches the constraints.
        sampler: ``gp`` (Bayesian optimisation), ``tpe`` or ``random``.
        n_startup: random trials before the sampler learns.
        storage: where trials are kept, see :func:`fairrep.tuning.storages.open_storage`; another
            process with the same storage and name shares the work, and a later one resumes it.
        name: of the search in its storage.
        seed: of all draws.
        workers: trials evaluated at once, in threads; a Gaussian process takes those that are
            still running into account.
        max_failures: after so many failed trials in a row the search stops and says why.
        listener: called with :class:`Progress` after every trial.

    Ref: Perrone, Donini, Zafar, Schmucker, Kenthapadi, Archambeau (2021), AIES; the acquisition is
    that of Gardner et al. (2014), ICML.

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
        seed: int = 0,
        workers: int = 1,
        max_failures: int = 5,
        listener: Callable[[Progress], None] | None = None,
    ) -> None:
        self.objective = objective
        self.space = search_space(space)
        self.constraints = parse_constraints(constraints, known=None)
        self.utility, self.maximize, self.enforce = utility, maximize, enforce
        for setting, value in (("workers", workers), ("max_failures", max_failures)):
            if value < 1:
                raise ConfigError(f"{setting} must be at least 1, got {value}.")
        self.workers, self.max_failures, self.listener = workers, max_failures, listener
        self._sampler = make_sampler(sampler, self.space, seed=seed, n_startup=n_startup)
        self.storage, self.name = storage, name
        self._study: Study | None = None

    @property
    def study(self) -> Study:
        """Optuna's study, opened on first use.

        Raises:
            SearchError: a storage that cannot be used, or that holds another search of this name.
        """
        if self._study is None:
            storage = open_storage(self.storage)
            with storage_errors(self.storage), _quiet():
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
        with storage_errors(self.storage), _quiet():
            run = _Run(self, study, n_trials)
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
        row = self._best(table)
        if row is None:
            raise SearchError("a search needs a complete trial, got none so far.")
        return as_result(row, trials, table, self.constraints)

    def _best(self, table: Any) -> Any:
        return best_row(table, utility=self.utility, maximize=self.maximize, enforce=self.enforce)

    def _claim(self, study: Study) -> None:
        """Mark the study as this search's, or refuse one of another."""
        own = {
            "space": {name: distribution_to_json(one) for name, one in self.space.items()},
            "utility": self.utility,
            "constraints": [str(one) for one in self.constraints],
            "enforce": self.enforce,
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


class _Run:
    """One call of ``FairBO.run``: what its worker threads share."""

    def __init__(self, search: FairBO, study: Study, n_trials: int) -> None:
        self.search, self.study, self.n_trials = search, study, n_trials
        self.problem: Exception | None = None
        self._lock = threading.Lock()
        self._watch = Watch()
        self._failures, self._told = 0, 0
        self._begun = time.perf_counter()

    def start(self) -> None:
        """Let all workers work; the first problem ends them."""
        if self.search.workers == 1:
            self.work()
            return
        with ThreadPoolExecutor(self.search.workers) as pool:
            futures = [pool.submit(self.work) for _ in range(self.search.workers)]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self.problem = self.problem or SearchError(INTERRUPTED)  # no thread starts another
                raise

    def work(self) -> None:
        """Evaluate trials until none is left, here or in another worker's hands."""
        while self.problem is None:
            with self._lock:
                trials = self.study.get_trials(deepcopy=False)
                if retry_lost(self.study, trials, self._watch):
                    continue
                trial = self._ask(trials)
            if trial is not None:
                self._evaluate(trial)
            elif any(other.state == TrialState.RUNNING for other in trials):
                time.sleep(POLL_SECONDS)  # its worker may die, and its trial come back
            else:
                return

    def _ask(self, trials: Sequence[optuna.trial.FrozenTrial]) -> Trial | None:
        waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if waiting or sum(map(counts, trials)) < self.n_trials:
            return self.study.ask(self.search.space)
        return None

    def _evaluate(self, trial: Trial) -> None:
        search = self.search
        try:
            with beating(self.study, trial):
                found = search.objective(dict(trial.params))
                figures = read_figures(found, search.utility, search.constraints)
        except MissingFigure as problem:
            self._fail(trial, problem)
            self.problem = ConfigError(str(problem))
        except Exception as problem:
            self._fail(trial, problem)
        except BaseException:  # interrupted: the trial is not to blame
            if give_up(self.study, trial.number):
                retry(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            self.problem = self.problem or SearchError(INTERRUPTED)
            raise
        else:
            trial.set_user_attr(FIGURES, figures)
            if search.enforce:
                for constraint in search.constraints:
                    violation = constraint.violation(figures[constraint.metric])
                    trial.set_constraint(str(constraint), violation)
            self.study.tell(trial, figures[search.utility])
            self._failures = 0
        self._report(trial.number)

    def _fail(self, trial: Trial, problem: Exception) -> None:
        text = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
        trial.set_user_attr(PROBLEM, text)
        self.study.tell(trial, state=TrialState.FAIL)
        with self._lock:
            self._failures += 1
            if self._failures >= self.search.max_failures and self.problem is None:
                self.problem = SearchError(
                    f"the last {self._failures} trials failed, so the search stops; the last one "
                    f"with {trial.params}: {text}"
                )

    def _report(self, number: int) -> None:
        if self.search.listener is None:
            return
        with self._lock:
            self._told += 1
            trials = self.study.get_trials(deepcopy=False)
            table = trials_table(trials, self.search.constraints)
            row = self.search._best(table)
            shown = row is not None and (not self.search.enforce or bool(row["feasible"]))
            pace = (time.perf_counter() - self._begun) / self._told
            self.search.listener(
                Progress(
                    number=number,
                    done=len(table),
                    total=self.n_trials,
                    best=float(row[self.search.utility]) if shown else None,
                    feasible=int(table["feasible"].sum()),
                    seconds_left=pace * max(self.n_trials - len(table), 0),
                )
            )


class _quiet:
    """Optuna's announcements off: what matters is told by the listener and the result."""

    def __enter__(self) -> None:
        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *problem: object) -> None:
        optuna.logging.set_verbosity(self._level)
