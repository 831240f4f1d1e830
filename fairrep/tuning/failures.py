"""What a sampler learns from failed trials: that they are as bad as the worst."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import optuna
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fairrep.tuning.workers import PROBLEM


class WithFailures:
    """A study whose failed trials seem complete, with the worst figures of the others.

    Optuna's samplers read complete trials alone, and would propose settings beside a failure again
    and again.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        found = self._study._get_trials(deepcopy=deepcopy, states=states, use_cache=use_cache)
        if states is None or TrialState.COMPLETE not in states:
            return found
        complete = [trial for trial in found if trial.state == TrialState.COMPLETE]
        failed = self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        failed = [trial for trial in failed if PROBLEM in trial.user_attrs]
        if not complete or not failed:
            return found
        worst = _worst(complete, self._study.direction)
        return sorted(
            [*found, *(_as_bad(trial, worst) for trial in failed)], key=lambda trial: trial.number
        )


def _worst(complete: Sequence[FrozenTrial], direction: StudyDirection) -> FrozenTrial:
    """Made of the worst value and the largest violation of every constraint."""
    values = [trial.values[0] for trial in complete]
    worst = optuna.trial.create_trial(
        value=max(values) if direction == StudyDirection.MINIMIZE else min(values)
    )
    for key in complete[0].constraints:
        worst.set_constraint(key, max(trial.constraints[key] for trial in complete))
    return worst


def _as_bad(trial: FrozenTrial, worst: FrozenTrial) -> FrozenTrial:
    found = optuna.trial.create_trial(
        value=worst.value,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=worst.system_attrs,
    )
    found.number = trial.number
    return found
