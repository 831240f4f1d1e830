"""Task labels: raw columns → numbers, with the checks that must come first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fairrep.data.registry import DatasetSpec, RawData, unknown
from fairrep.data.schema import as_numbers, factorize
from fairrep.errors import ConfigError, DataError
from fairrep.types import Kind, TaskSpec

YES_NO = {"False": "no", "True": "yes"}


def encode_task(
    spec: DatasetSpec, frame: pd.DataFrame, name: str, *, seen: bool, train: np.ndarray
) -> tuple[TaskSpec, np.ndarray]:
    """Read one task: its spec and its labels (n,) as floats, NaN where there is none.

    Classes are known by value over all rows; the moments of a regression label are those of the
    training rows.

    Raises:
        ConfigError: unknown task.
        DataError: infinite labels, no labels, a class without training rows, one class only.
    """
    kind, labels, codes = label_values(spec, frame, name)
    if kind == "regression":
        return _regression(codes, name, seen, train)
    present = np.unique(codes[train][~np.isnan(codes[train])]).size
    if present < 2:
        raise DataError(
            f"task '{name}' needs at least two classes in the training rows, got {present}; "
            "choose another task or give more rows."
        )
    if present < len(labels):
        absent = [labels[k] for k in range(len(labels)) if not (codes[train] == k).any()]
        raise DataError(
            f"task '{name}' has classes without a training row: {', '.join(absent)}; "
            "merge them into another class or give more rows."
        )
    return TaskSpec(name, kind, labels, seen), codes


def label_values(
    spec: DatasetSpec, frame: pd.DataFrame, name: str
) -> tuple[Kind, tuple[str, ...], np.ndarray]:
    """Kind, class names and labels (n,) of a task: numbers or class codes, NaN = no label.

    Raises:
        ConfigError: unknown task.
        DataError: infinite labels, no label at all, more than two classes of a binary task.
    """
    if name not in spec.tasks:
        raise ConfigError(unknown("task", name, spec.tasks))
    kind = spec.tasks[name].kind
    column = spec.tasks[name].derive(frame).rename(name)
    values, labels = (as_numbers(column), ()) if kind == "regression" else _class_codes(column)
    if np.isnan(values).all():
        raise DataError(f"task '{name}' has no label in any row; choose another task.")
    if kind == "binary" and len(labels) > 2:
        raise DataError(
            f"task '{name}' is stated to be binary but has {len(labels)} values; set "
            f"data.types.{name}=multiclass or data.positive.{name}=VALUE."
        )
    return kind, labels, values


def labelled_rows(raw: RawData, tasks: Sequence[str]) -> RawData:
    """Leave out the rows without a label for any of ``tasks``, or refuse them with their count.

    Rows keep their numbers in the table's index.
    """
    known = np.zeros(len(raw.frame), dtype=bool)
    for name in tasks:
        known |= raw.spec.tasks[name].derive(raw.frame).notna().to_numpy()
    bare = int((~known).sum())
    if not bare:
        return raw
    if not raw.spec.leave_out_unlabelled or bare == len(known):
        raise DataError(
            f"every row needs a label for at least one of {', '.join(tasks)}, but {bare} rows "
            "have none; drop those rows."
        )
    test_rows, val_rows = (
        None if chosen is None else chosen[known] for chosen in (raw.test_rows, raw.val_rows)
    )
    return replace(raw, frame=raw.frame[known], test_rows=test_rows, val_rows=val_rows)


def _regression(
    values: np.ndarray, name: str, seen: bool, train: np.ndarray
) -> tuple[TaskSpec, np.ndarray]:
    known = values[train][~np.isnan(values[train])]
    if known.size < 2 or known.std() == 0:
        raise DataError(f"task '{name}' needs at least two different training labels.")
    return TaskSpec(name, "regression", (), seen, float(known.mean()), float(known.std())), values


def _class_codes(column: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    codes, names = factorize(column)
    named = [YES_NO.get(name, name) for name in names[:-1]]
    labels = sorted(set(named), key=_natural)
    positions = np.array([*map(labels.index, named), np.nan])  # the last: no label
    return positions[codes], tuple(labels)


def _natural(name: str) -> tuple[int, float, str]:
    """Order '2' before '10', and numbers before words."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def strata(raw: RawData, groups: pd.Series, tasks: Sequence[str]) -> np.ndarray:
    """Codes (n,) of what a split keeps in proportion.

    Group by label of the first task (numbers by quintile); where a row has none, group by the
    first of the other tasks that has one, so that tasks with rows of their own are shared out too.
    """
    first = raw.spec.tasks[tasks[0]]
    column = first.derive(raw.frame)
    if first.kind == "regression":
        numbers = pd.to_numeric(column, errors="coerce")
        column = pd.qcut(numbers.rank(method="first"), 5, labels=False, duplicates="drop")
    codes, names = factorize(column)
    labels = np.unique(names.astype(str), return_inverse=True)[1][codes]
    bare = codes < 0
    for position, name in enumerate(tasks[1:], start=len(names)):
        if not bare.any():
            break
        labelled = bare & raw.spec.tasks[name].derive(raw.frame).notna().to_numpy()
        labels[labelled] = position
        bare &= ~labelled
    return pd.factorize(groups, sort=True)[0] * (len(names) + len(tasks)) + labels
