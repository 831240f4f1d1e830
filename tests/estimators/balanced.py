"""Groups for scikit-learn's checks where labels matter: every class has rows of both groups.

Within a class, the distinct rows of positive weight belong to two groups in turn, in their own
order, so that neither the order of rows nor repetitions decide anything.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array


class Balanced:
    """Supplies ``sensitive_features`` to an estimator's fit."""

    def fit(self, X, y=None, sample_weight=None):
        groups = balanced_groups(X, y, sample_weight)
        return super().fit(X, y, sensitive_features=groups, sample_weight=sample_weight)


def balanced_groups(X, y, sample_weight=None):
    """(n,) codes 0 and 1; anything at all where X is no table, for the estimator to refuse."""
    try:
        rows = check_array(X, accept_sparse=True, dtype=float, ensure_all_finite=False)
    except (TypeError, ValueError):
        return np.arange(len(X) if hasattr(X, "__len__") else 2) % 2
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    weights = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight)
    if weights.shape != (len(rows),) or not weights.any():
        weights = np.ones(len(rows))
    groups = np.zeros(len(rows), dtype=int)
    labels = _labels(y, len(rows))
    for label in np.unique(labels):
        at = np.flatnonzero((labels == label) & (weights > 0))
        groups[at] = np.unique(rows[at], axis=0, return_inverse=True)[1].ravel() % 2
    return groups


def _labels(y, n):
    """Codes of the labels; one code where there are none, or where y are numbers."""
    values = np.asarray(y, dtype=object).ravel()
    codes = np.unique(values.astype(str), return_inverse=True)[1]
    return codes if len(codes) == n and len(set(codes)) <= n / 2 else np.zeros(n, dtype=int)
