"""Which rows are for training, validation and test; a function of ``split_seed`` alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from fairrep.errors import ConfigError, DataError
from fairrep.seeds import derive_seed


@dataclass(frozen=True)
class RowSplit:
    """Row positions of the splits, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    calibration: np.ndarray


def split_rows(
    strata: np.ndarray,
    *,
    test_rows: np.ndarray | None,
    val_rows: np.ndarray | None = None,
    test_fraction: float,
    calibration: float,
    val_fraction: float,
    split_seed: int,
) -> RowSplit:
    """Split rows, stratified by group and label but for the calibration rows.

    Those are drawn from the others with equal chances, so that within a group they are independent
    draws from the population if the table's rows are; strata of labels would tie them together.

    Args:
        strata: a code >= 0 per row; shares of each code are kept in every split (codes too rare
            to share out are pooled).
        test_rows: the publisher's test rows as booleans; ``None`` draws ``test_fraction``.
        val_rows: chosen validation rows as booleans, never calibration rows; ``None`` draws
            ``val_fraction``.
        test_fraction: share of all rows, in (0, 1).
        calibration: share of the rows that are not test rows, in [0, 1): those that nothing but a
            certificate reads.
        val_fraction: share of the rows that are left then, in (0, 1).
        split_seed: the only source of randomness.

    Raises:
        ConfigError: a share out of its range.
        DataError: too few rows to split.
    """
    for name, value in (("test_fraction", test_fraction), ("val_fraction", val_fraction)):
        if not 0 < value < 1:
            raise ConfigError(f"data.{name} must lie strictly between 0 and 1, got {value}.")
    if not 0 <= calibration < 1:
        raise ConfigError(f"data.calibration must lie in [0, 1), got {calibration}.")
    rows = np.arange(len(strata))
    if test_rows is None:
        rest, test = _stratified(rows, strata, test_fraction, split_seed)
    else:
        rest, test = rows[~test_rows], rows[test_rows]
    if val_rows is not None:
        rest, val = rest[~val_rows[rest]], rest[val_rows[rest]]
    held_out = rest[:0]
    if calibration > 0:
        rest, held_out = _drawn(rest, calibration, split_seed)
    if val_rows is None:
        rest, val = _stratified(rest, strata, val_fraction, split_seed)
    if not (len(rest) and len(val)):
        raise DataError(
            f"rows to train on and rows to select on are needed, got {len(rest)} and {len(val)}; "
            "choose other validation rows."
        )
    return RowSplit(rest, val, test, held_out)


def _drawn(rows: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(derive_seed(seed, "calibration")).permutation(rows)
    count = max(1, round(fraction * len(rows)))
    if len(rows) - count < 2:  # one to train on, one to select on
        raise DataError(
            f"data.calibration={fraction} leaves too few of {len(rows)} rows to train and select "
            "on; lower it, or bring more rows."
        )
    return np.sort(order[count:]), np.sort(order[:count])


def _stratified(
    rows: np.ndarray, strata: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    codes = strata[rows]
    counts = np.bincount(codes)
    smallest = max(2.0, 2 / min(fraction, 1 - fraction))  # at least one row on either side
    rare = counts[codes] < smallest
    # too few to share out even together: they go with the commonest
    pool = -1 if rare.sum() >= smallest else counts.argmax()
    pooled = np.where(rare, pool, codes)
    stratify = pooled if len(np.unique(pooled)) <= fraction * len(rows) else None
    try:
        kept, held_out = train_test_split(
            rows, test_size=fraction, random_state=seed % 2**32, stratify=stratify
        )
    except ValueError as problem:
        raise DataError(f"{len(rows)} rows are too few to split: {problem}") from problem
    return np.sort(kept), np.sort(held_out)
