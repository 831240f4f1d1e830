"""Smooth losses with an L2 penalty: Newton's method on rows of any kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from fairrep.estimators.linear_rows import LinearRows

Rows = Any
"""LinearRows or KernelRows."""
Loss = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""(f, y) → value, first and second derivative in f, each (n,)."""

STEPS = 100
DIRECT = 2000  # features up to which (d, d) systems are solved at once


def logistic(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log(1 + exp(-y f)), y = ±1."""
    miss = expit(-y * f)
    return np.logaddexp(0.0, -y * f), -y * miss, miss * (1 - miss)


def squared(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(f - y)² / 2."""
    return (f - y) ** 2 / 2, f - y, np.ones_like(f)


def fit_smooth(
    rows: Rows, y: np.ndarray, costs: np.ndarray, loss: Loss, *, tol: float, start: Any = None
) -> tuple[np.ndarray, float]:
    r"""Minimise :math:`\|v\|^2/2 + \sum_i c_i\, \ell(\langle v, x_i\rangle + b, y_i)`.

    Newton's steps with a line search; each system is solved at once where there are few explicit
    features, else by conjugate gradients in the rows' own inner product, one product with all
    rows a step.

    Args:
        rows: the n rows.
        y: (n,) targets.
        costs: (n,) c > 0.
        loss: of n values and targets.
        tol: norm of the gradient, relative to that at 0, at which to stop.
        start: coordinates and intercept to start from.

    Returns:
        Coordinates of v, and the intercept b, which is not penalised.
    """
    v, b = (np.zeros(rows.width), 0.0) if start is None else start
    f = rows.values(v) + b
    zero = costs * loss(np.zeros_like(f), y)[1]
    first = _norm(rows, rows.adjoint(zero - zero.mean()), 0.0) + abs(zero.sum())
    for _ in range(STEPS):
        value, slope, curve = (costs * part for part in loss(f, y))
        gradient, bias = v + rows.adjoint(slope), float(slope.sum())
        size = _norm(rows, gradient, bias)
        if size <= tol * first:
            return v, b
        curve = np.maximum(curve, 1e-12 * costs)
        forcing = min(0.1, size / first) if loss is not squared else 0.1 * tol
        dv, db = _newton_step(rows, curve, gradient, bias, forcing)
        df = rows.values(dv) + db
        now = rows.dot(v, v) / 2 + value.sum()
        slope0 = rows.dot(v, dv) + slope @ df
        t = 1.0
        while t > 1e-10:
            moved = rows.dot(v + t * dv, v + t * dv) / 2 + costs @ loss(f + t * df, y)[0]
            if moved <= now + 1e-4 * t * slope0 + 1e-13 * abs(now):
                break
            t /= 2
        v, b, f = v + t * dv, b + t * db, f + t * df
    warnings.warn(
        f"Newton's method did not reach tol={tol:g} in {STEPS} steps; standardise the features.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return v, b


def _norm(rows: Rows, gradient: np.ndarray, bias: float) -> float:
    return float(np.sqrt(max(rows.dot(gradient, gradient), 0.0))) + abs(bias)


def _newton_step(
    rows: Rows, curve: np.ndarray, gradient: np.ndarray, bias: float, forcing: float
) -> tuple[np.ndarray, float]:
    """Solve for v with b eliminated: the rows are centred with the curvatures as weights."""
    total = curve.sum()
    right = -gradient + rows.adjoint(curve) * (bias / total)
    if isinstance(rows, LinearRows) and rows.width <= DIRECT:
        mean = rows.adjoint(curve)
        system = rows.weighted_gram(curve) - np.outer(mean, mean) / total
        system[np.diag_indices(len(system))] += 1.0
        dv = cho_solve(cho_factor(system, overwrite_a=True, check_finite=False), right)
    else:
        dv = _conjugate_gradients(rows, curve, right, forcing)
    return dv, -(bias + curve @ rows.values(dv)) / total


def _conjugate_gradients(
    rows: Rows, curve: np.ndarray, right: np.ndarray, forcing: float
) -> np.ndarray:
    """Solve (I + Σ_i curve_i x̄_i x̄_iᵀ) v = right, x̄ centred; values are kept, not recomputed."""
    total = curve.sum()
    v, residual = np.zeros_like(right), right
    direction = residual
    values = rows.values(residual)  # of the residual
    along = values  # of the direction
    square = _square(residual, values, rows)
    goal = forcing**2 * square
    for _ in range(10 * len(right)):
        if square <= goal or square <= 0:
            break
        pulled = curve * (along - (curve @ along) / total)
        image = direction + rows.adjoint(pulled)
        step = square / (_square(direction, along, rows) + float(pulled @ along))
        v = v + step * direction
        residual = residual - step * image
        values = rows.values(residual)
        before, square = square, _square(residual, values, rows)
        ratio = square / before
        direction, along = residual + ratio * direction, values + ratio * along
    return v


def _square(coordinates: np.ndarray, values: np.ndarray, rows: Rows) -> float:
    """Squared norm of a vector whose values on the rows are known."""
    if isinstance(rows, LinearRows):
        return float(coordinates @ coordinates)
    return float(coordinates @ values)
