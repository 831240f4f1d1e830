"""What a sampler learns from trials that did not end: failed and pruned ones."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
import optuna
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from fairrep.tuning.workers import PROBLEM


class WithFailures:
    """A study whose failed and pruned trials seem complete.

    Failed ones have poor figures, the worse quartiles of the others' (the worst of all would be a
    cliff, and settings on this side of it would seem as bad), pruned ones those that were expected
    of them. Samplers read complete trials alone, and would propose settings beside a failure again
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
        others = self._study.get_trials(deepcopy=False, states=(TrialState.FAIL, TrialState.PRUNED))
        failed = [trial for trial in others if PROBLEM in trial.user_attrs]
        pruned = [trial for trial in others if trial.state == TrialState.PRUNED]
        if not complete or not others:
            return found
        poor = _poor(complete, self._study.direction)
        seen = [_complete(trial, poor.value, poor.system_attrs) for trial in failed]
        seen += [_complete(trial, trial.value, trial.system_attrs) for trial in pruned]
        return sorted([*found, *seen], key=lambda trial: trial.number)

    get_trials = _get_trials


def _poor(complete: Sequence[FrozenTrial], direction: StudyDirection) -> FrozenTrial:
    """Made of the worse quartile of the values, and that of every constraint."""
    values = [trial.values[0] for trial in complete]
    share = 0.75 if direction == StudyDirection.MINIMIZE else 0.25
    poor = optuna.trial.create_trial(value=float(np.quantile(values, share)))
    for key in complete[0].constraints:
        violations = [trial.constraints[key] for trial in complete]
        poor.set_constraint(key, float(np.quantile(violations, 0.75)))
    return poor


def _complete(trial: FrozenTrial, value: float | None, system_attrs: dict[str, Any]) -> FrozenTrial:
    found = optuna.trial.create_trial(
        value=value,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=system_attrs,
    )
    found.number = trial.number
    return found
