"""The linear support vector machine, solved exactly by an interior-point method."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.exceptions import ConvergenceWarning

from fairrep.estimators.linear_rows import LinearRows

STEPS = 100
SHORTER = 0.995  # of the longest step that keeps everything positive


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
    Ref: Ferris, Munson (2002), SIAM J. Optim. 13(3); Mehrotra (1992), SIAM J. Optim. 2(4).

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
        system = _System(rows, signs, offsets, at)
        objective = at.v @ at.v / 2 + costs @ np.maximum(0.0, offsets - signs * system.f)
        if at.gap < tol * (1 + objective) and system.infeasible < tol**0.5:
            return at.v, at.b
        affine = system.direction(-at.alpha * at.slack, -at.beta * at.xi)
        ahead = at.moved(affine, at.longest(affine)).gap
        centre = (ahead / at.gap) ** 3 * at.gap / (2 * len(signs))
        step = system.direction(
            centre - at.alpha * at.slack - affine.alpha * affine.slack,
            centre - at.beta * at.xi - affine.beta * affine.xi,
        )
        at = at.moved(step, SHORTER * at.longest(step))
    warnings.warn(
        f"the interior-point method did not reach tol={tol:g} in {STEPS} steps; "
        "standardise the features.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return at.v, at.b


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
