"""One call of a search: worker threads that ask, evaluate, tell, and say where they stand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from fairrep.errors import ConfigError, SearchError
from fairrep.tuning.figures import MissingFigure, read_figures
from fairrep.tuning.pruning import carried, hopeless
from fairrep.tuning.results import FIGURES, STEPS, trials_table
from fairrep.tuning.workers import PROBLEM, Watch, beating, counts, give_up, retry, retry_lost

if TYPE_CHECKING:
    from fairrep.tuning.fair_bo import FairBO

POLL_SECONDS = 0.2
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


@dataclass(frozen=True)
class Pruned:
    """A trial that was given up, with the figures that it would have had."""

    figures: dict[str, float]


class Run:
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
                taken = self._take(trials)
            if taken:
                self._evaluate(taken)
            elif any(other.state == TrialState.RUNNING for other in trials):
                time.sleep(POLL_SECONDS)  # its worker may die, and its trial come back
            else:
                return

    def _take(self, trials: Sequence[FrozenTrial]) -> list[Trial]:
        """As many trials as are evaluated at once; each sees those before it as running."""
        waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        open_ones = max(waiting, self.n_trials - sum(map(counts, trials)))
        taken = []
        for _ in range(min(open_ones, self.search.batch or 1)):
            trial = self.study.ask(self.search.space)
            if self._surplus(trial):
                break
            taken.append(trial)
        return taken

    def _surplus(self, trial: Trial) -> bool:
        """Give a trial back if other processes, asking at the same moment, took the last ones."""
        others = self.study.get_trials(deepcopy=False)
        before = sum(counts(other) for other in others if other.number < trial.number)
        return before >= self.n_trials and give_up(self.study, trial.number)

    def _evaluate(self, trials: Sequence[Trial]) -> None:
        try:
            with ExitStack() as stack:
                for trial in trials:
                    stack.enter_context(beating(self.study, trial))
                found = self._outcomes(trials)
        except BaseException:  # interrupted: the trials are not to blame
            for trial in trials:
                if give_up(self.study, trial.number):
                    retry(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            self.problem = self.problem or SearchError(INTERRUPTED)
            raise
        for trial, outcome in zip(trials, found):
            self._tell(trial, outcome)
            self._report(trial.number)

    def _outcomes(self, trials: Sequence[Trial]) -> list[Any]:
        """Of each trial its figures, what was found until it was pruned, or what went wrong."""
        try:
            if self.search.batch is None:
                return [self._outcome(trials[0])]
            settings = [dict(trial.params) for trial in trials]
            found = list(self.search.objective(settings))  # type: ignore[arg-type]
            if len(found) != len(trials):
                raise TypeError(f"an objective of {len(trials)} settings returned {len(found)}")
            return found
        except Exception as problem:
            return [problem] * len(trials)

    def _outcome(self, trial: Trial) -> Any:
        search = self.search
        found = search.objective(dict(trial.params))  # type: ignore[arg-type]
        if not isinstance(found, Iterator):
            return found
        steps: list[dict[str, float]] = []
        for step, partial in enumerate(found):
            steps.append(read_figures(partial, search.utility, search.constraints))
            known = self._known(step) if search.prune else []
            if hopeless(search.course(steps), [search.course(one) for one in known]):
                found.close()  # type: ignore[attr-defined]
                expected = carried(steps, known)
                trial.report(expected[search.utility], step)
                return Pruned(expected)
            trial.report(steps[-1][search.utility], step)
        if not steps:
            raise TypeError("an objective must yield figures, got none")
        trial.set_user_attr(STEPS, steps)
        return steps[-1]

    def _known(self, step: int) -> list[list[dict[str, float]]]:
        """Complete trials, step by step, that went beyond this one."""
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        steps = [trial.user_attrs.get(STEPS, []) for trial in done]
        return [one for one in steps if len(one) > step + 1]

    def _tell(self, trial: Trial, outcome: Any) -> None:
        search = self.search
        try:
            if isinstance(outcome, Exception):
                raise outcome
            pruned = isinstance(outcome, Pruned)
            found = outcome.figures if pruned else outcome
            figures = read_figures(found, search.utility, search.constraints)
        except MissingFigure as problem:
            self._fail(trial, problem)
            self.problem = ConfigError(str(problem))
        except Exception as problem:
            self._fail(trial, problem)
        else:
            trial.set_user_attr(FIGURES, figures)
            if search.enforce:
                for constraint in search.constraints:
                    violation = constraint.violation(figures[constraint.metric])
                    trial.set_constraint(str(constraint), violation)
            if pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            else:
                self.study.tell(trial, figures[search.utility])
            self._failures = 0

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
            row = self.search.best_observed(table)
            if row is not None and self.search.enforce and not row["feasible"]:
                row = None
            pace = (time.perf_counter() - self._begun) / self._told
            self.search.listener(
                Progress(
                    number=number,
                    done=len(table),
                    total=self.n_trials,
                    best=None if row is None else float(row[self.search.utility]),
                    feasible=int(table["feasible"].sum()),
                    seconds_left=pace * max(self.n_trials - len(table), 0),
                )
            )


class quiet:
    """Optuna's announcements off: what matters is told by the listener and the result."""

    def __enter__(self) -> None:
        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)

    def __exit__(self, *problem: object) -> None:
        optuna.logging.set_verbosity(self._level)
