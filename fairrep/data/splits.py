"""Which rows are for training, validation and test; a function of ``split_seed`` alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from fairrep.errors import ConfigError, DataError


@dataclass(frozen=True)
class RowSplit:
    """Row positions of the three splits, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def split_rows(
    strata: pd.Series,
    *,
    test_rows: np.ndarray | None,
    test_fraction: float,
    val_fraction: float,
    split_seed: int,
) -> RowSplit:
    """Split rows, stratified by group and label.

    Args:
        strata: a name per row; shares of each name are kept in every split (names too rare to
            share out are pooled).
        test_rows: the publisher's test rows as booleans; ``None`` draws ``test_fraction``.
        test_fraction: share of all rows, in (0, 1).
        val_fraction: share of the rows that are not test rows, in (0, 1).
        split_seed: the only source of randomness.
    """
    for name, value in (("test_fraction", test_fraction), ("val_fraction", val_fraction)):
        if not 0 < value < 1:
            raise ConfigError(f"data.{name} must lie strictly between 0 and 1, got {value}.")
    rows = np.arange(len(strata))
    if test_rows is None:
        rest, test = _stratified(rows, strata, test_fraction, split_seed)
    else:
        rest, test = rows[~test_rows], rows[test_rows]
    train, val = _stratified(rest, strata, val_fraction, split_seed)
    return RowSplit(train, val, test)


def _stratified(
    rows: np.ndarray, strata: pd.Series, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    names = strata.iloc[rows].to_numpy(dtype=object)
    counts = pd.Series(names).value_counts()
    smallest = max(2.0, 2 / min(fraction, 1 - fraction))  # at least one row on either side
    rare = set(counts.index[counts < smallest])
    pooled = np.array(["(rare)" if name in rare else name for name in names], dtype=object)
    few = len(rare) > 0 and (pooled == "(rare)").sum() < 2
    kinds = len(np.unique(pooled.astype(str)))
    stratify = None if few or kinds > fraction * len(rows) else pooled
    try:
        kept, held_out = train_test_split(
            rows, test_size=fraction, random_state=seed % 2**32, stratify=stratify
        )
    except ValueError as problem:
        raise DataError(f"{len(rows)} rows are too few to split: {problem}") from problem
    return np.sort(kept), np.sort(held_out)
