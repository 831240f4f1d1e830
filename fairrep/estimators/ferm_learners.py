"""Base learners of FERM: L2-regularised risks on explicit features or on a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.svm import SVC, SVR

from fairrep.errors import EstimatorError
from fairrep.estimators.hinge import fit_hinges
from fairrep.estimators.kernel_rows import KernelRows
from fairrep.estimators.linear_rows import LinearRows
from fairrep.estimators.newton import Loss, Rows, fit_smooth, logistic, squared

Learned = tuple[np.ndarray, float]
"""Coordinates of w and the intercept."""
Learner = Callable[[Rows, np.ndarray, np.ndarray, Learned | None], Learned]
"""(rows, y, costs, where to start) → a solution."""

FINER = 1e-3  # a learner's own tolerance beside that of the constraint
WIDEST = 5000  # features up to which the exact linear SVM solves its systems


def named_learner(name: str, *, tol: float, tube: float = 0.0) -> Learner:
    """Return a learner by name: ``svm``, ``logistic``, ``svr`` or ``ridge``.

    Args:
        name: the loss: hinge, logistic, ε-insensitive or squared.
        tol: tolerance of the constraint, which the learner's own follows.
        tube: half width of the ε-insensitive loss, in the units of y.
    """
    if name in ("logistic", "ridge"):
        return _smooth(logistic if name == "logistic" else squared, FINER * tol)

    def fit(rows: Rows, y: np.ndarray, costs: np.ndarray, start: Learned | None) -> Learned:
        if isinstance(rows, KernelRows):
            machine = (
                SVC(kernel="precomputed", tol=min(tol, 1e-3))
                if name == "svm"
                else SVR(kernel="precomputed", epsilon=tube, tol=min(tol, 1e-3))
            )
            return _coordinates(machine.fit(rows.kernel, y, sample_weight=costs), len(y))
        if rows.width > WIDEST:
            raise EstimatorError(
                f"estimator='{name}' with kernel='linear' takes at most {WIDEST:,} features, "
                f"got {rows.width:,}; use a smooth loss, or an estimator such as LinearSVC()."
            )
        gap = max(FINER * tol**2, 1e-11)  # the square of w's distance to the solution
        if name == "svm":
            return fit_hinges(rows, y, np.ones(len(y)), costs, tol=gap)
        signs = np.repeat([1.0, -1.0], len(y))
        offsets = np.concatenate([y - tube, -y - tube])
        return fit_hinges(rows, signs, offsets, np.tile(costs, 2), tol=gap)

    return fit


def wrapped_learner(estimator: Any, *, weighted: bool) -> Learner:
    """Return a learner that fits copies of a scikit-learn estimator.

    On explicit features the estimator must have ``coef_``; on a kernel it must take
    ``kernel="precomputed"`` and have ``dual_coef_`` (``SVC``, ``SVR``, ``KernelRidge``).

    Args:
        estimator: an L2-regularised empirical risk minimiser.
        weighted: whether costs are handed on as ``sample_weight``.
    """

    def fit(rows: Rows, y: np.ndarray, costs: np.ndarray, start: Learned | None) -> Learned:
        learner = clone(estimator)
        options = {"sample_weight": costs} if weighted else {}
        if isinstance(rows, LinearRows):
            learner.fit(rows.dense(), y, **options)
            if np.size(getattr(learner, "coef_", ())) != rows.width:
                raise EstimatorError(
                    f"estimator must have a coef_ for each of the {rows.width:,} features, but "
                    f"{type(learner).__name__} has none; use a linear learner."
                )
            return np.ravel(learner.coef_), _intercept(learner)
        if "kernel" not in learner.get_params():
            raise EstimatorError(
                f"a kernel needs an estimator that takes kernel='precomputed', but "
                f"{type(learner).__name__} does not; use SVC, SVR or KernelRidge, or "
                "estimator='logistic' or 'ridge'."
            )
        learner.set_params(kernel="precomputed").fit(rows.kernel, y, **options)
        return _coordinates(learner, len(y))

    return fit


def _smooth(loss: Loss, tol: float) -> Learner:
    def fit(rows: Rows, y: np.ndarray, costs: np.ndarray, start: Learned | None) -> Learned:
        return fit_smooth(rows, y, costs, loss, tol=tol, start=start)

    return fit


def _coordinates(machine: Any, n: int) -> Learned:
    """Read the solution off a fitted kernel machine; rows off its support have 0."""
    dual = np.ravel(machine.dual_coef_)
    if not hasattr(machine, "support_"):
        return dual, _intercept(machine)
    coordinates = np.zeros(n)
    coordinates[machine.support_] = dual
    return coordinates, _intercept(machine)


def _intercept(learner: Any) -> float:
    return float(np.ravel(getattr(learner, "intercept_", 0.0))[0])
