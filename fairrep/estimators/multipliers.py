"""The multipliers μ of |⟨w, u_k⟩| ≤ ε, each found through the penalised learner."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fairrep.errors import EstimatorError

HIGHEST = 1e6  # factor of the multipliers at which a learner is not a regularised one
HALVINGS = 6  # of the factor that brings a solution within the bound
FORGET = 8  # pairs of slopes after which the curvature is learnt anew: hinges have kinks
FLATTEST = 0.1  # a step lessens the model's curvature at most to this part

Solve = Callable[[np.ndarray], tuple[Any, np.ndarray]]
"""μ (m,) → a solution of the penalised problem, and its ⟨w, u_k⟩ (m,)."""


@dataclass(frozen=True)
class Found:
    """A solution within the bound.

    Attributes:
        solution: what ``solve`` gave.
        multipliers: (m,) μ ≥ 0.
        gaps: (m,) ⟨w, u_k⟩.
        solves: how often the learner was fitted.
    """

    solution: Any
    multipliers: np.ndarray
    gaps: np.ndarray
    solves: int


def find_multipliers(
    solve: Solve, gram: np.ndarray, *, bound: float, tol: float, max_solves: int
) -> Found:
    r"""Solve min R(w) subject to |⟨w, u_k⟩| ≤ ε through min R(w) + Σ μ_k ⟨w, u_k⟩² / 2.

    A solution of the penalised problem that keeps the bound, with μ_k > 0 only where
    |⟨w, u_k⟩| = ε, satisfies the KKT conditions of the constrained one, whose multipliers are
    λ_k = μ_k ⟨w, u_k⟩.

    With one u, |⟨w, u⟩| falls as μ rises: bisection, sped up by secants. With several, every
    solve tells the slope ⟨w, u⟩ of the concave dual function at λ: a quadratic model of it is
    maximised over λ, less ε Σ |λ_k|, and its curvature is learnt from the slopes (BFGS).

    Args:
        solve: the penalised learner.
        gram: (m, m) inner products of the u.
        bound: ε > 0.
        tol: the bound is kept exactly; where μ_k > 0, |⟨w, u_k⟩| ≥ (1 - tol) ε.
        max_solves: fits after which a solution within the bound is taken, with a warning.

    Raises:
        EstimatorError: the bound is not reached by any μ: the learner is not L2-regularised.
    """
    used = np.flatnonzero(np.diag(gram) > 0)
    counted = _Counted(solve, gram.shape[0], used)
    zero = np.zeros(len(used))
    at = counted(zero)
    if len(used) == 0 or np.abs(at.gaps).max() <= bound:
        return counted.found(at)
    gram = gram[np.ix_(used, used)]
    search = _one if len(used) == 1 else _several
    found = search(counted, at, gram, bound, tol, max_solves)
    if found is None:
        warnings.warn(
            f"the multipliers did not settle within {max_solves} fits; the bound is kept, but the "
            "risk may not be the least: give a larger max_solves or tol.",
            ConvergenceWarning,
            stacklevel=2,
        )
        found = _within(counted, bound)
    return counted.found(found)


@dataclass(frozen=True)
class _At:
    multipliers: np.ndarray
    solution: Any
    gaps: np.ndarray

    @property
    def forces(self) -> np.ndarray:
        return self.multipliers * self.gaps  # λ


class _Counted:
    """The learner on the u that are not 0; counts its fits and remembers the last."""

    def __init__(self, solve: Solve, size: int, used: np.ndarray) -> None:
        self.solve, self.size, self.used, self.solves = solve, size, used, 0
        self.last: _At

    def __call__(self, multipliers: np.ndarray) -> _At:
        full = np.zeros(self.size)
        full[self.used] = multipliers
        solution, gaps = self.solve(full)
        self.solves += 1
        self.last = _At(multipliers, solution, gaps[self.used])
        return self.last

    def found(self, at: _At) -> Found:
        full = np.zeros((2, self.size))
        full[:, self.used] = at.multipliers, at.gaps
        return Found(at.solution, full[0], full[1], self.solves)


def _one(
    solve: _Counted, at: _At, gram: np.ndarray, bound: float, tol: float, max_solves: int
) -> _At | None:
    target = (1 - tol / 2) * bound
    low, high = at, None
    slope = float(gram[0, 0])  # of the gap in λ; at most this, so the first μ is too small
    while solve.solves < max_solves:
        force = abs(low.forces[0]) + (abs(low.gaps[0]) - target) / slope
        mu = force / target
        least = low.multipliers[0]
        if high is None:
            mu = min(max(mu, 4 * least), max(1e4 * least, 10 / slope))
        elif not least * (1 + 1e-12) < mu < high.multipliers[0]:
            mu = np.sqrt(max(least, 1e-3 * high.multipliers[0]) * high.multipliers[0])
        at = solve(np.array([mu]))
        size = abs(at.gaps[0])
        if (1 - tol) * bound <= size <= bound:
            return at
        other = low if high is None else (high if size > bound else low)
        run = abs(at.forces[0]) - abs(other.forces[0])
        rise = abs(other.gaps[0]) - size
        if run * rise > 0:
            slope = rise / run
        if size > bound:
            low = at
        else:
            high = at
            if high.multipliers[0] <= low.multipliers[0] * (1 + 1e-9):  # the learner's own noise
                return high
    return None


def _several(
    solve: _Counted, at: _At, gram: np.ndarray, bound: float, tol: float, max_solves: int
) -> _At | None:
    target = (1 - tol / 2) * bound
    curvature, pairs = gram, 0
    while solve.solves < max_solves:
        forces = _maximised(at, curvature, target)
        aim = np.abs(forces) / target
        ahead = solve(aim)
        start = _ascent(at, at, ahead, bound)
        share = 1.0
        while _ascent(ahead, at, ahead, bound) < -0.5 * abs(start) and solve.solves < max_solves:
            share *= abs(start) / (abs(start) - _ascent(ahead, at, ahead, bound))
            ahead = solve(at.multipliers + share * (aim - at.multipliers))
            aim, share = ahead.multipliers, 1.0
        if _settled(ahead, bound, tol):
            return ahead
        step, change = ahead.forces - at.forces, at.gaps - ahead.gaps
        expected, curved = float(step @ curvature @ step), float(step @ change)
        if curved < FLATTEST * expected:  # kinks of a hinge: go on, but not too far
            curvature = FLATTEST * curvature
        elif curved > 0:
            if pairs % FORGET == 0:  # of the right size, nothing learnt about directions yet
                curvature = gram * (curved / float(step @ gram @ step))
            pairs += 1
            image = curvature @ step
            curvature = (
                curvature
                - np.outer(image, image) / float(step @ image)
                + np.outer(change, change) / curved
            )
        at = ahead
    return None


def _ascent(point: _At, start: _At, end: _At, bound: float) -> float:
    """Slope of the dual function at a point, along the way from start to end."""
    way = end.multipliers - start.multipliers
    return float((point.gaps**2 - bound**2) @ way) / 2


def _settled(at: _At, bound: float, tol: float) -> bool:
    """The bound is kept, and what multipliers add is paid by gaps at the bound."""
    sizes = np.abs(at.gaps)
    active = at.multipliers * sizes
    short = active @ np.maximum(0.0, bound - sizes)
    return bool(sizes.max() <= bound) and bool(short <= tol * bound * active.sum())


def _maximised(at: _At, curvature: np.ndarray, bound: float) -> np.ndarray:
    """Forces λ that maximise the model of the dual function, by coordinates. (m,)."""
    forces = at.forces.copy()
    gaps = at.gaps.copy()  # of the model, at `forces`
    for _ in range(1000):
        before = forces.copy()
        for k in range(len(forces)):
            own = float(curvature[k, k])
            free = gaps[k] + own * forces[k]
            new = np.sign(free) * max(abs(free) - bound, 0.0) / own
            gaps -= curvature[:, k] * (new - forces[k])
            forces[k] = new
        if np.abs(forces - before).max() <= 1e-10 * np.abs(forces).max():
            break
    return forces


def _within(solve: _Counted, bound: float) -> _At:
    """Raise the multipliers of the last attempt by one factor, no more than the bound asks for."""
    multipliers = np.maximum(solve.last.multipliers, 1e-3 * solve.last.multipliers.max())
    low, high = 0.0, 1.0
    kept = solve(multipliers)
    while np.abs(kept.gaps).max() > bound:
        if high > HIGHEST:
            raise EstimatorError(
                f"estimator must minimise an L2-regularised risk, but its mean differences stay "
                f"above epsilon = {bound:g} however they are penalised (at "
                f"{np.abs(kept.gaps).max():.3g}); regularise it, or use epsilon=0."
            )
        low, high = high, 4 * high
        kept = solve(high * multipliers)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        at = solve(middle * multipliers)
        if np.abs(at.gaps).max() <= bound:
            kept, high = at, middle
        else:
            low = middle
    return kept
