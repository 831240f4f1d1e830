"""The linear support vector machine, solved exactly by an interior-point method."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning

from fairrep.estimators.linear_rows import LinearRows

STEPS = 500
SHORTER = 0.995  # of the longest step that keeps everything positive
CORRECTIONS = 3  # of a step, at most; each costs little beside the factorisation
FARTHER = 0.3  # how much longer a step a correction aims at


@dataclass(frozen=True)
class _Point:
    """A solution and everything that stays positive on the way to it."""

    v: np.ndarray  # (d,)
    b: float
    alpha: np.ndarray  # dual variables, below their cost
    beta: np.ndarray  # cost - alpha
    xi: np.ndarray  # violations
    slack: np.ndarray  # s f - a + xi

    @property
    def gap(self) -> float:
        return float(self.alpha @ self.slack + self.beta @ self.xi)

    def longest(self, step: _Point) -> float:
        """The longest step, at most 1, that leaves nothing negative."""
        least = min(
            float((getattr(step, name) / getattr(self, name)).min())
            for name in ("alpha", "beta", "xi", "slack")
        )
        return min(1.0, -1.0 / least) if least < 0 else 1.0

    def moved(self, step: _Point, t: float) -> _Point:
        return _Point(*(value + t * change for value, change in zip(_all(self), _all(step))))


def _all(point: _Point) -> tuple:
    return point.v, point.b, point.alpha, point.beta, point.xi, point.slack


def fit_hinges(
    rows: LinearRows, signs: np.ndarray, offsets: np.ndarray, costs: np.ndarray, *, tol: float
) -> tuple[np.ndarray, float]:
    r"""Minimise :math:`\|v\|^2/2 + \sum_j c_j \max(0, a_j - s_j (\langle v, x_j\rangle + b))`.

    The SVM has one hinge a row (a = 1, s = y). The ε-insensitive loss is two hinges a row: j runs
    over the rows once with s = 1, then once with s = -1. A predictor–corrector method whose
    systems are (d + 1)²: n enters linearly.
    Ref: Ferris, Munson (2002), SIAM J. Optim. 13(3); Mehrotra (1992), SIAM J. Optim. 2(4);
    Gondzio (1996), Comput. Optim. Appl. 6(2) for the corrections.

    Args:
        rows: the n rows.
        signs: (q n,) s, ±1.
        offsets: (q n,) a.
        costs: (q n,) c > 0.
        tol: duality gap relative to the objective at which to stop.

    Returns:
        v (d,) and the intercept b, which is not penalised.
    """
    xi = np.maximum(offsets, 0.0) + 1.0
    at = _Point(np.zeros(rows.width), 0.0, costs / 2, costs / 2, xi, xi - offsets)
    for _ in range(STEPS):
        try:
            system = _System(rows, signs, offsets, at)
        except np.linalg.LinAlgError:  # rounding: no more digits to be had
            break
        objective = at.v @ at.v / 2 + costs @ np.maximum(0.0, offsets - signs * system.f)
        if at.gap < tol * (1 + objective) and system.infeasible < tol**0.5:
            return at.v, at.b
        step = _centred(system)
        at = at.moved(step, SHORTER * at.longest(step))
    warnings.warn(
        f"the interior-point method did not reach tol={tol:g} (gap {at.gap:.2g} after at most "
        f"{STEPS} steps); standardise the features, or give a larger tol.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return at.v, at.b


def _centred(system: _System) -> _Point:
    """Mehrotra's direction, corrected so that no pair of variables falls behind the others."""
    at = system.at
    affine = system.direction(-at.alpha * at.slack, -at.beta * at.xi)
    far = at.longest(affine)
    costs = at.alpha + at.beta  # also their weights in the barrier: a cost of 2 is two hinges
    centre = (at.moved(affine, far).gap / at.gap) ** 3 * at.gap * costs / (2 * costs.sum())
    # the second order of as far a step as there was room for
    r1 = centre - at.alpha * at.slack - far**2 * affine.alpha * affine.slack
    r2 = centre - at.beta * at.xi - far**2 * affine.beta * affine.xi
    step = system.direction(r1, r2)
    reach = at.longest(step)
    for _ in range(CORRECTIONS):
        ahead = at.moved(step, min(1.0, reach + FARTHER))
        r1 = r1 + _towards(ahead.alpha * ahead.slack, centre)
        r2 = r2 + _towards(ahead.beta * ahead.xi, centre)
        corrected = system.direction(r1, r2)
        new = at.longest(corrected)
        if new < reach + 0.1 * FARTHER:
            break
        step, reach = corrected, new
    return step


def _towards(products: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """What brings products into [centre / 10, 10 centre]; far too large ones, part of the way."""
    return np.maximum(np.clip(products, centre / 10, 10 * centre) - products, -10 * centre)


class _System:
    """The optimality conditions, linearised at a point."""

    def __init__(
        self, rows: LinearRows, signs: np.ndarray, offsets: np.ndarray, at: _Point
    ) -> None:
        self.rows, self.signs, self.at = rows, signs, at
        self.f = self._spread(rows.values(at.v) + at.b)
        self.primal = signs * self.f - offsets + at.xi - at.slack
        self.dual = rows.adjoint(self._folded(signs * at.alpha)) - at.v
        self.balance = float(signs @ at.alpha)
        self.weight = 1.0 / (at.slack / at.alpha + at.xi / at.beta)
        per_row = self._folded(self.weight)
        matrix = np.empty((rows.width + 1, rows.width + 1))
        matrix[:-1, :-1] = rows.weighted_gram(per_row)
        matrix[:-1, -1] = matrix[-1, :-1] = rows.adjoint(per_row)
        matrix[-1, -1] = per_row.sum()
        matrix[np.diag_indices(rows.width)] += 1.0
        self.factor = cho_factor(matrix, overwrite_a=True, check_finite=False)

    @property
    def infeasible(self) -> float:
        """Largest residual of the linear conditions, each in its own units."""
        total = float((self.at.alpha + self.at.beta).sum())
        return max(
            float(np.abs(self.primal).max()),
            float(np.abs(self.dual).max(initial=0.0)) / (1 + float(np.abs(self.at.v).max())),
            abs(self.balance) / total,
        )

    def direction(self, r1: np.ndarray, r2: np.ndarray) -> _Point:
        """Newton's step for slack Δα + α Δslack = r1 and β Δξ + ξ Δβ = r2."""
        at = self.at
        q = r1 / at.alpha - r2 / at.beta - self.primal
        pull = self._folded(self.signs * self.weight * q)
        right = np.append(self.rows.adjoint(pull) + self.dual, pull.sum() + self.balance)
        step = cho_solve(self.factor, right, check_finite=False)
        df = self._spread(self.rows.values(step[:-1]) + step[-1])
        alpha = self.weight * (q - self.signs * df)
        xi = (r2 + at.xi * alpha) / at.beta
        return _Point(step[:-1], step[-1], alpha, -alpha, xi, (r1 - at.slack * alpha) / at.alpha)

    def _spread(self, f: np.ndarray) -> np.ndarray:
        return np.tile(f, len(self.signs) // len(f))

    def _folded(self, r: np.ndarray) -> np.ndarray:
        return r.reshape(-1, self.rows.X.shape[0]).sum(0)
