"""What FERMClassifier and FERMRegressor share: rows, the constraint, and predicting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fairrep.errors import EstimatorError
from fairrep.estimators.ferm_kernels import (
    check_kernel,
    kernel_matrix,
    kernel_options,
    kernel_values,
    nystroem,
)
from fairrep.estimators.ferm_learners import Learned, Learner, named_learner, wrapped_learner
from fairrep.estimators.finite import check_finite
from fairrep.estimators.groups import fit_groups
from fairrep.estimators.kernel_rows import KernelRows
from fairrep.estimators.linear_rows import LinearRows
from fairrep.estimators.mean_differences import check_notion, conditions, difference_weights
from fairrep.estimators.multipliers import Found, find_multipliers


class FERMBase(BaseEstimator):
    """Risk minimisation under |⟨w, u⟩| ≤ ε; see the two public classes."""

    # a router hands sensitive_features on unless told otherwise
    __metadata_request__fit: ClassVar = {"sensitive_features": True}
    _learners: ClassVar[tuple[str, ...]]

    def _check_settings(self) -> None:
        check_notion(self.notion)
        check_kernel(self.kernel)
        if not self.epsilon >= 0:
            raise EstimatorError(
                f"epsilon must be 0 (equal means), positive, or inf, got {self.epsilon!r}."
            )
        if not self.C > 0:
            raise EstimatorError(f"C must be positive, got {self.C!r}.")
        if isinstance(self.estimator, str) and self.estimator not in self._learners:
            raise EstimatorError(
                f"estimator must be one of {', '.join(self._learners)}, or a scikit-learn "
                f"estimator, got {self.estimator!r}."
            )

    def _checked(self, X: Any, y: Any, sensitive_features: Any, sample_weight: Any) -> tuple:
        """Rows of positive weight: X, y, group codes, weights; sets ``groups_`` and ``kept_``."""
        self._check_settings()
        if y is not None:
            check_finite(np.asarray(y), "y")
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=2,
            y_numeric=self._learners[0] == "ridge",
        )
        check_finite(X, "X")
        if self.kernel == "precomputed" and X.shape[0] != X.shape[1]:
            raise EstimatorError(
                "kernel='precomputed' needs the square kernel matrix of the rows in fit, "
                f"got {X.shape[0]:,} × {X.shape[1]:,}."
            )
        self.groups_, codes = fit_groups(sensitive_features, rows=X.shape[0])
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        kept = np.flatnonzero(weights > 0)
        self._fitted_rows, self._kept = X.shape[0], kept
        if len(kept) < X.shape[0]:
            X = X[kept][:, kept] if self.kernel == "precomputed" else X[kept]
        return X, y[kept], codes[kept], weights[kept]

    def _represent(self, X: Any, weights: np.ndarray) -> tuple[Any, bool]:
        """Kernel matrix (n, n) or features of the rows, and whether it is a kernel."""
        for name in ("nystroem_", "X_fit_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        if isinstance(self.kernel, str) and self.kernel == "linear":
            return X, False
        if isinstance(self.kernel, str) and self.kernel == "precomputed":
            K = X.toarray() if sparse.issparse(X) else np.array(X)
            return K, True
        self._options = kernel_options(
            self.kernel, X, weights, gamma=self.gamma, degree=self.degree, coef0=self.coef0
        )
        if X.shape[0] > self.max_exact_rows:
            self.nystroem_ = nystroem(
                self.kernel,
                self._options,
                components=min(self.n_components, X.shape[0]),
                random_state=self.random_state,
            ).fit(X)
            return self.nystroem_.transform(X), False
        self.X_fit_ = X
        return kernel_matrix(X, X, self.kernel, self._options), True

    def _learner(self, sample_weight: Any, **settings: float) -> Learner:
        if isinstance(self.estimator, str):
            return named_learner(self.estimator, tol=self.tol, **settings)
        return wrapped_learner(self.estimator, weighted=sample_weight is not None)

    def _solve(
        self, rows: LinearRows | KernelRows, y: np.ndarray, costs: np.ndarray, learner: Learner
    ) -> tuple[np.ndarray, float, Found]:
        """Coefficients on the plain rows, the intercept, and how they were found."""
        last: Learned | None = None

        def solve(multipliers: np.ndarray | None) -> tuple[Learned, np.ndarray]:
            nonlocal last
            rows.shrink(multipliers)
            last = learner(rows, y, costs, last)
            return (rows.plain(last[0]), last[1]), rows.gaps(last[0])

        size = len(rows.gram)
        if self.epsilon == 0 or np.isinf(self.epsilon):
            fixed = None if self.epsilon == 0 else np.zeros(size)
            solution, gaps = solve(fixed)
            shown = np.full(size, np.inf) if fixed is None else fixed
            found = Found(solution, shown, gaps, 1)
        else:
            found = find_multipliers(
                solve, rows.gram, bound=self.epsilon, tol=self.tol, max_solves=self.max_solves
            )
        return *found.solution, found

    def _fit_problems(
        self,
        X: Any,
        problems: Sequence[tuple[np.ndarray, Any, np.ndarray]],
        codes: np.ndarray,
        weights: np.ndarray,
        learner: Learner,
    ) -> None:
        """Fit one function per problem: its targets, its classes and the rows' classes."""
        represented, is_kernel = self._represent(X, weights)
        costs = self.C * weights if isinstance(self.estimator, str) else weights
        coefficients, intercepts, found = [], [], []
        for targets, classes, labels in problems:
            compared = conditions(self.notion, classes, labels)
            A = difference_weights(compared, self.groups_, codes, weights)
            rows = (KernelRows if is_kernel else LinearRows)(represented, A)
            coefficient, intercept, how = self._solve(rows, targets, costs, learner)
            if is_kernel and len(problems) > 1:
                rows.shrink(np.zeros(len(rows.gram)))  # the next problem starts from K
            coefficients.append(coefficient)
            intercepts.append(intercept)
            found.append(how)
        self._store(np.array(coefficients), np.array(intercepts), found, is_kernel)

    def _store(
        self, coefficients: np.ndarray, intercepts: np.ndarray, found: list[Found], is_kernel: bool
    ) -> None:
        if is_kernel and self.kernel == "precomputed":
            spread = np.zeros((len(coefficients), self._fitted_rows))
            spread[:, self._kept] = coefficients
            coefficients = spread
        self.intercept_ = intercepts
        self.mean_differences_ = np.array([each.gaps for each in found])
        self.multipliers_ = np.array([each.multipliers for each in found])
        self.n_solves_ = sum(each.solves for each in found)
        for name in ("coef_", "dual_coef_"):
            self.__dict__.pop(name, None)
        setattr(self, "dual_coef_" if is_kernel else "coef_", coefficients)

    def _values(self, X: Any) -> np.ndarray:
        """f(x) of every row and problem, (n, problems)."""
        check_is_fitted(self)
        X = validate_data(
            self, X, accept_sparse="csr", dtype=np.float64, reset=False, ensure_all_finite=False
        )
        check_finite(X, "X")
        if hasattr(self, "dual_coef_"):
            weights = self.dual_coef_.T
            if isinstance(self.kernel, str) and self.kernel == "precomputed":
                return X @ weights + self.intercept_

            def product(block: Any) -> np.ndarray:
                return kernel_matrix(block, self.X_fit_, self.kernel, self._options) @ weights

            return kernel_values(X, product) + self.intercept_
        if hasattr(self, "nystroem_"):
            return (
                kernel_values(X, lambda block: self.nystroem_.transform(block) @ self.coef_.T)
                + self.intercept_
            )
        return np.asarray(X @ self.coef_.T) + self.intercept_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = isinstance(self.kernel, str) and self.kernel == "precomputed"
        return tags
