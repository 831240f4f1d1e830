"""Groups by value: ``sensitive_features`` of scikit-learn style estimators → group codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import _num_samples

from fairrep.errors import EstimatorError, listed


@dataclass(frozen=True)
class Groups:
    """The groups of the rows an estimator was fitted on.

    Attributes:
        values: one value a group, sorted; several columns are intersections of their values.
        counts: rows of each group among those that were fitted on.
    """

    values: pd.Index
    counts: np.ndarray

    @property
    def names(self) -> list[str]:
        """What to call them in messages and tables."""
        return [
            " · ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for value in self.values
        ]

    @property
    def shares(self) -> np.ndarray:
        """Each group's share of the rows."""
        return self.counts / self.counts.sum()

    def codes(self, sensitive_features: Any, *, rows: int) -> np.ndarray:
        """Position of each row's group in ``values``, (n,).

        Raises:
            EstimatorError: missing values, another number of rows or columns, a group that was
                absent when the estimator was fitted.
        """
        found = _as_index(sensitive_features, rows)
        if found.nlevels != self.values.nlevels:
            raise EstimatorError(
                f"sensitive_features must have {self.values.nlevels} columns as in fit, "
                f"got {found.nlevels}."
            )
        codes = self.values.get_indexer(found)
        if (codes < 0).any():
            unseen = sorted({str(value) for value in found[codes < 0]})
            raise EstimatorError(
                f"sensitive_features must hold groups seen in fit ({listed(self.names)}), got "
                f"{listed(unseen)} in {(codes < 0).sum():,} of {len(codes):,} rows; fit again "
                "with rows of every group."
            )
        return codes


def fit_groups(
    sensitive_features: Any, *, rows: int, at_least: int = 1
) -> tuple[Groups, np.ndarray]:
    """Name the groups of rows and give each row its code.

    Args:
        sensitive_features: (n,) values, or (n, k) whose intersections are the groups: lists,
            arrays, Series or a DataFrame.
        rows: n, the rows of X.
        at_least: rows that every group must have.

    Returns:
        The groups, and (n,) their codes.

    Raises:
        EstimatorError: none given, missing values, another number of rows than X, fewer than two
            groups, a group with too few rows.
    """
    found = _as_index(sensitive_features, rows)
    codes, uniques = found.factorize()
    values = pd.MultiIndex.from_tuples(uniques) if found.nlevels > 1 else pd.Index(uniques)
    order = _order(values)
    groups = Groups(values[order], np.bincount(codes)[order])
    if len(order) < 2:
        raise EstimatorError(
            f"sensitive_features must name at least two groups, got only "
            f"{listed([repr(name) for name in groups.names]) or 'none'} (n_samples={rows})."
        )
    small = [
        f"'{name}' with {count}"
        for name, count in zip(groups.names, groups.counts)
        if count < at_least
    ]
    if small:
        raise EstimatorError(
            f"every group needs at least {at_least} rows, got {listed(small)}; merge small groups."
        )
    return groups, np.argsort(order)[codes]


def _order(values: pd.Index) -> np.ndarray:
    try:
        return np.asarray(values.argsort())
    except TypeError:  # values of several types
        return np.argsort([str(value) for value in values], kind="stable")


def _as_index(sensitive_features: Any, rows: int) -> pd.Index:
    if sensitive_features is None:
        raise EstimatorError(
            "sensitive_features is required: the group of every row, "
            "fit(X, y, sensitive_features=s)."
        )
    if _num_samples(sensitive_features) != rows:
        raise EstimatorError(
            f"sensitive_features must have a value for each of the {rows:,} rows of X, "
            f"got {_num_samples(sensitive_features):,}."
        )
    if isinstance(sensitive_features, (pd.Series, pd.DataFrame)):
        frame = pd.DataFrame(sensitive_features)
    else:
        frame = pd.DataFrame(np.asarray(sensitive_features))
    missing = int(frame.isna().any(axis=1).sum())
    if missing:
        raise EstimatorError(
            f"sensitive_features must not be missing, got {missing:,} rows without a value; "
            "leave these rows out, or give them a group of their own."
        )
    if frame.shape[1] == 1:
        return pd.Index(frame.iloc[:, 0])
    return pd.MultiIndex.from_frame(frame)
