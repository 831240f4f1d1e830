"""FERM as preprocessing: features without the difference of the groups' means."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import qr
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from fairrep.errors import EstimatorError
from fairrep.estimators.finite import check_finite
from fairrep.estimators.groups import fit_groups
from fairrep.estimators.mean_differences import (
    check_notion,
    conditions,
    difference_weights,
    orthonormal_basis,
)

METHODS = ("orthogonal", "coordinate")


class FairProjection(TransformerMixin, BaseEstimator):
    r"""Takes the differences u of the groups' mean features out, so that no linear f has any.

    Every linear function of the result has the same mean in all groups, among the training rows
    of the notion: the positives (``equal_opportunity``), all rows (``demographic_parity``; needs
    no y), or those of each class (``equalized_odds``). With more than two groups the span of all
    pairwise differences goes. Transforming needs no group. Standardise the features first: u's
    direction depends on their units.

    Two forms with the same linear functions, whose L2 norms differ, hence the same classifier but
    for the weight of a penalty:

    - ``orthogonal``: :math:`x - U (U^\top x)`, U an orthonormal basis. Changes the data least.
      Dense: a sparse X becomes an array.
    - ``coordinate`` (the paper's): :math:`x_j - x_i u_j / u_i` for all j but i, the coordinate of
      largest :math:`|u_i|`, which is dropped. A sparse X stays sparse; only rows with
      :math:`x_i \ne 0` fill up. k differences drop k coordinates.

    Args:
        notion: which rows have equal means.
        method: ``"orthogonal"`` or ``"coordinate"``.
        shrinkage: share of u that is taken out, in [0, 1]; below 1, ``coordinate`` keeps x_i,
            scaled by 1 - shrinkage.

    Attributes:
        directions_: (d, k) orthonormal basis of the mean differences; k < groups · conditions.
        mean_differences_: (d, m) u of all pairs of groups.
        dropped_: indices of the k coordinates taken as pivots by ``coordinate``, else empty.
        groups_: the groups.

    Ref: Donini, Oneto, Ben-David, Shawe-Taylor, Pontil (2018), NeurIPS, section 3.1.

    >>> import numpy as np
    >>> from fairrep.estimators import FairProjection
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 2.0], [5.0, 2.0]])
    >>> s = ["a", "a", "b", "b"]
    >>> FairProjection(notion="demographic_parity").fit_transform(X, sensitive_features=s).round(2)
    array([[-0.3,  0.9],
           [-0.1,  0.3],
           [-0.3,  0.9],
           [-0.1,  0.3]])
    >>> FairProjection(notion="demographic_parity", method="coordinate").fit_transform(
    ...     X, sensitive_features=s
    ... ).round(2)
    array([[1.  ],
           [0.33],
           [1.  ],
           [0.33]])
    """

    __metadata_request__fit: ClassVar = {"sensitive_features": True}

    def __init__(
        self,
        notion: str = "equal_opportunity",
        method: str = "orthogonal",
        shrinkage: float = 1.0,
    ) -> None:
        self.notion = notion
        self.method = method
        self.shrinkage = shrinkage

    def fit(
        self, X: Any, y: Any = None, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> FairProjection:
        """Find the mean differences.

        Args:
            X: (n, d) features, dense or sparse.
            y: (n,) labels, of which the larger of two is the positive one; more classes are each
                the positive one in turn. Unused by ``demographic_parity``.
            sensitive_features: (n,) or (n, k) groups.
            sample_weight: (n,) weights of rows in the means.

        Raises:
            EstimatorError: a setting out of its range, one group only, a group without rows
                to have a mean of, numbers that are not finite.
        """
        self._check_settings()
        X = self._validated(X, reset=True, ensure_min_samples=2)
        self.groups_, codes = fit_groups(sensitive_features, rows=X.shape[0])
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        A = difference_weights(self._compared(y, X.shape[0]), self.groups_, codes, weights)
        self.mean_differences_ = np.asarray(X.T @ A)
        scale = float((X.multiply(X) if sparse.issparse(X) else X**2).sum()) / X.shape[0]
        gram = self.mean_differences_.T @ self.mean_differences_
        basis = self.mean_differences_ @ orthonormal_basis(gram, scale=scale)
        self.directions_ = np.linalg.qr(basis)[0]
        self.dropped_ = np.zeros(0, dtype=int)
        if self.method == "coordinate":
            pivots = qr(self.directions_.T, mode="r", pivoting=True)[1]
            self.dropped_ = np.sort(pivots[: self.directions_.shape[1]])
            inverse = np.linalg.inv(self.directions_[self.dropped_])
            self._ratios = (self.directions_ @ inverse).T  # (k, d), the identity at the pivots
            self._ratios[:, self.dropped_] = np.eye(len(self.dropped_))
        return self

    def transform(self, X: Any) -> Any:
        """Take the differences out: (n, d), or (n, d - k) where ``coordinate`` drops k."""
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        if self.method == "orthogonal":
            taken = (self.shrinkage * np.asarray(X @ self.directions_)) @ self.directions_.T
            return (X.toarray() if sparse.issparse(X) else X) - taken
        kept = self._kept()
        ratios = self.shrinkage * self._ratios[:, kept]
        pivots = X[:, self.dropped_]
        if sparse.issparse(X):
            return X[:, kept] - pivots @ sparse.csr_array(ratios)
        return X[:, kept] - pivots @ ratios

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the features; those that ``coordinate`` drops are left out."""
        check_is_fitted(self, "directions_")
        return _check_feature_names_in(self, input_features)[self._kept()]

    def _kept(self) -> np.ndarray:
        columns = np.arange(self.n_features_in_)
        return np.setdiff1d(columns, self.dropped_) if self.shrinkage == 1 else columns

    def _check_settings(self) -> None:
        check_notion(self.notion)
        if self.method not in METHODS:
            raise EstimatorError(
                f"method must be one of {', '.join(METHODS)}, got {self.method!r}."
            )
        if not 0 <= self.shrinkage <= 1:
            raise EstimatorError(f"shrinkage must lie in [0, 1], got {self.shrinkage!r}.")

    def _validated(self, X: Any, **options: Any) -> Any:
        X = validate_data(
            self, X, accept_sparse="csr", dtype=np.float64, ensure_all_finite=False, **options
        )
        check_finite(X, "X")
        return X

    def _compared(self, y: Any, rows: int) -> list:
        if self.notion == "demographic_parity":
            return conditions(self.notion, (), np.zeros(rows))
        if y is None:
            raise EstimatorError(
                f"requires y to be passed, but the target y is None: {self.notion} compares rows "
                "by their label; pass y, or use notion='demographic_parity'."
            )
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.shape != (rows,):
            raise EstimatorError(f"y must have shape ({rows:,},), one label a row, got {y.shape}.")
        check_finite(y, "y")
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise EstimatorError(f"y must hold at least two classes, got only '{classes[0]}'.")
        return conditions(self.notion, classes, labels)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = self.notion != "demographic_parity"
        return tags
