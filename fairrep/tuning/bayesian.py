"""Constrained Bayesian optimisation: a space-filling start, then the setting that is worth most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.spatial.distance import cdist
from scipy.stats import qmc

from fairrep.tuning.acquisition import Acquisition
from fairrep.tuning.cube import Cube

DRAWN, KEPT, COPIES = 1000, 15, 30  # candidates: first ones, those kept, moved copies of each
MOVES = (0.02, 0.1, 0.3)  # standard deviations
ROUNDS = 5  # of moving the best
EXPLORES, WITHOUT_GAIN = 5, 2  # every so many trials one is far from all others
PATIENCE = 10  # complete trials since the best, after which it is the second number

Worth = Callable[[np.ndarray], np.ndarray]


class BayesianSampler(RandomSampler):
    """Optuna's face of it, for one trial.

    The first ``n_startup`` settings are the points of a scrambled Sobol sequence; the others
    maximise :class:`fairrep.tuning.acquisition.Acquisition` over random candidates and repeatedly
    moved copies of the best of them. Every fifth, and every second after ten trials without a new
    best, does so among settings that are far from all trials: a process that is wrong about distant
    settings does not keep the search where it is. A trial that is being evaluated counts as one
    with the figures that are expected of it.

    Ref: Gardner, Kusner, Xu, Weinberger, Cunningham (2014), Bayesian optimization with inequality
    constraints, ICML.

    Args:
        number: of the trial.
        start: seed of the sequence, the same for all trials.
        seed: of this trial's candidates.
        n_startup: settings before anything is learned.
    """

    def __init__(self, number: int, *, start: int, seed: int, n_startup: int) -> None:
        super().__init__(seed=seed)
        self._number, self._start, self._n_startup = number, start, n_startup
        self._random = np.random.default_rng(seed)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The setting to try; none (then all are drawn at random) where nothing new is left."""
        if not search_space:
            return {}
        cube = Cube(search_space)
        complete = _trials(study, TrialState.COMPLETE, search_space)
        if len(complete) < self._n_startup:
            return cube.settings(_sobol(len(cube), self._number, self._start))
        others = _trials(study, TrialState.RUNNING, search_space)
        running = [other for other in others if other.number != trial.number]
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        utility = sign * np.array([one.values[0] for one in complete])
        bounds = list(complete[0].constraints)
        violation = np.array([[one.constraints[name] for name in bounds] for one in complete])
        rows = _rows(cube, complete)
        acquisition: Worth = Acquisition(
            cube.points(rows),
            cube.points(_rows(cube, running)),
            cube.parameter,
            utility,
            violation,
        )
        broken = np.maximum(violation, 0).max(axis=1, initial=0)
        order = np.lexsort((-utility, broken))
        best = rows[order[:KEPT]]
        explores = EXPLORES if len(complete) - order[0] <= PATIENCE else WITHOUT_GAIN
        found = None
        if self._number % explores == explores - 1:
            far = _far(acquisition, cube.points(rows), cube, self._random)
            found = propose(cube, far, rows[:0], self._random)
        if found is None:
            found = propose(cube, acquisition, best, self._random)
        return {} if found is None else cube.settings(found)


def propose(
    cube: Cube,
    acquisition: Worth,
    known: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray | None:
    """The row (q,) of the largest acquisition found; None if it is minus infinity everywhere.

    Args:
        cube: of the space.
        acquisition: points (m, p) → (m,).
        known: (k, q) rows that are worth searching around.
        random: of the candidates.
    """

    def ranked(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.unique(cube.snapped(rows), axis=0)
        worth = acquisition(cube.points(rows))
        order = np.argsort(-worth, kind="stable")[:KEPT]
        return rows[order], worth[order]

    rows, worth = ranked(random.random((DRAWN, len(cube))))
    around = np.concatenate([rows, known])
    for k in range(ROUNDS):
        rows, worth = ranked(np.concatenate([rows, _moved(around, random, 1 / (1 + k))]))
        around = rows
    return rows[0] if np.isfinite(worth[0]) else None


def _far(acquisition: Worth, tried: np.ndarray, cube: Cube, random: np.random.Generator) -> Worth:
    """The acquisition; minus infinity where most random points are farther from all trials."""

    def distance(points: np.ndarray) -> np.ndarray:
        return cdist(points, tried).min(axis=1)

    least = np.median(distance(cube.points(cube.snapped(random.random((DRAWN, len(cube)))))))

    def worth(points: np.ndarray) -> np.ndarray:
        return np.where(distance(points) < least, -np.inf, acquisition(points))

    return worth


def _moved(rows: np.ndarray, random: np.random.Generator, shrink: float) -> np.ndarray:
    """Copies, each with about half of its coordinates moved by one of the distances."""
    copies = np.repeat(rows, COPIES, axis=0)
    moves = shrink * random.choice(MOVES, size=(len(copies), 1))
    moved = copies + moves * random.standard_normal(copies.shape)
    anew = random.random(copies.shape) < shrink * 0.1  # choices without an order, far values
    moved = np.where(anew, random.random(copies.shape), moved)
    return np.clip(np.where(random.random(copies.shape) < 0.5, moved, copies), 0, 1)


def _sobol(q: int, number: int, seed: int) -> np.ndarray:
    sequence = qmc.Sobol(q, rng=np.random.default_rng(seed))
    if number:
        sequence.fast_forward(number)
    return sequence.random(1)[0]


def _trials(
    study: Study, state: TrialState, search_space: dict[str, BaseDistribution]
) -> list[FrozenTrial]:
    found = study.get_trials(deepcopy=False, states=(state,))
    return [one for one in found if all(name in one.params for name in search_space)]


def _rows(cube: Cube, trials: Sequence[FrozenTrial]) -> np.ndarray:
    if not trials:
        return np.zeros((0, len(cube)))
    return cube.rows([trial.params for trial in trials])
