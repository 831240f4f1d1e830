"""X, y and s of a call in scikit-learn's manner: one table, prepared as a user's file is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig
from sklearn.utils.validation import _num_samples, check_array

from fairrep.app.build import data_options
from fairrep.data import PreparedData, RawData
from fairrep.data.datasets.user_table import TASK_KINDS, checked_spec, require_types
from fairrep.data.prepare import Choices, prepare_table
from fairrep.errors import EstimatorError, listed
from fairrep.estimators.groups import fit_groups

FILES = ("path", "test_path", "embeddings", "test_embeddings", "embeddings_key")
FROM_FIT = (*FILES, "sensitive", "seen", "novel")


@dataclass(frozen=True)
class NamedRows:
    """Features, labels and groups side by side, each column by its name."""

    frame: pd.DataFrame
    tasks: list[str]
    sensitive: list[str]


def as_frame(X: Any) -> pd.DataFrame:
    """Features as a DataFrame with text for names and rows numbered from 0.

    Arrays have columns x0, x1, …; those of an array of objects are typed one by one.

    Raises:
        ValueError: not a table of at least one row and one column, sparse, or complex numbers.
        EstimatorError: repeated names.
    """
    if not isinstance(X, pd.DataFrame):
        array = check_array(X, dtype=None, ensure_all_finite=False)
        frame = pd.DataFrame(array, columns=[f"x{j}" for j in range(array.shape[1])])
        return frame.infer_objects() if array.dtype == object else frame
    frame = X.reset_index(drop=True).set_axis([str(name) for name in X.columns], axis=1)
    if repeated := sorted(set(frame.columns[frame.columns.duplicated()])):
        raise EstimatorError(f"names of X's columns must be unique, got {listed(repeated)} twice.")
    if 0 in frame.shape:
        raise EstimatorError(f"X must have rows and columns, got shape {frame.shape}.")
    return frame


def join_rows(
    X: pd.DataFrame, y: Any, sensitive_features: Any, *, sensitive_names: Sequence[str] | None
) -> NamedRows:
    """Put labels and groups beside the features; a column of X by one of their names is replaced.

    Args:
        X: as :func:`as_frame` makes it.
        y: (n,) or (n, T) labels, missing where there is none. Without names they are called y, or
            y0, y1, …
        sensitive_features: (n,) or (n, k). Without names they are called s, or s0, s1, …
        sensitive_names: their names instead.

    Raises:
        EstimatorError: another number of rows than X, no labels of a task, missing or single
            groups, names that do not tell the columns apart.
    """
    fit_groups(sensitive_features, rows=len(X))
    labels = _named(y, "y", rows=len(X), taken=X.columns)
    taken = [*X.columns, *labels.columns]
    groups = _named(sensitive_features, "s", rows=len(X), taken=taken, names=sensitive_names)
    beside = pd.concat([labels, groups], axis=1)
    if repeated := sorted(set(beside.columns[beside.columns.duplicated()])):
        raise EstimatorError(
            f"columns of y and sensitive_features need names of their own, got {listed(repeated)} "
            "twice; rename one."
        )
    for name in labels.columns:
        if labels[name].isna().all():
            raise EstimatorError(f"task '{name}' has no label in any row; leave it out of y.")
    frame = X.assign(**{name: beside[name] for name in beside.columns})
    return NamedRows(frame, list(labels.columns), list(groups.columns))


def prepare_rows(
    rows: NamedRows,
    config: DictConfig,
    *,
    task_kinds: Mapping[str, str] | None,
    validation_rows: Any = None,
) -> PreparedData:
    """Name groups, split and preprocess rows as ``data=csv`` does with a file's; none are for test.

    Args:
        rows: what fit was given.
        config: of the run; ``data=csv``.
        task_kinds: task → ``binary``, ``multiclass`` or ``regression`` where inference errs.
        validation_rows: a mask (n,) or positions; ``None`` draws ``data.val_fraction`` of the rows.

    Raises:
        EstimatorError: settings of ``data`` that fit's arguments take the place of, unknown tasks
            or kinds, positions out of range.
        FairrepError: what :func:`fairrep.data.prepare_data` refuses.
    """
    options = data_options(config)
    _refuse_other_data(options)
    types = (options["types"] or {}) | _checked_kinds(task_kinds, rows.tasks)
    require_types(types)
    spec = checked_spec(
        rows.frame,
        "the rows given to fit",
        types=types,
        positive=options["positive"] or {},
        drop=options["drop"],
    )
    count = len(rows.frame)
    raw = RawData(
        spec,
        rows.frame,
        test_rows=np.zeros(count, dtype=bool),
        val_rows=None if validation_rows is None else _mask(validation_rows, count),
    )
    options |= {"sensitive": rows.sensitive, "seen": rows.tasks, "novel": []}
    return prepare_table(raw, Choices(**{key.name: options[key.name] for key in fields(Choices)}))


def _named(
    values: Any,
    default: str,
    *,
    rows: int,
    taken: Collection[str],
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Columns by their own names, or by ``default`` and a number, never one that is taken."""
    what = "y" if default == "y" else "sensitive_features"
    if (count := _num_samples(values)) != rows:
        raise EstimatorError(f"{what} must have a row for each of X's {rows:,}, got {count:,}.")
    frame = _columns(values, what).reset_index(drop=True)
    if names is not None:
        names = [names] if isinstance(names, str) else list(names)
        if len(names) != frame.shape[1]:
            raise EstimatorError(
                f"{what} has {frame.shape[1]} columns, but {len(names)} names: {listed(names)}."
            )
    elif isinstance(values, pd.DataFrame) or getattr(values, "name", None) is not None:
        names = list(frame.columns)
    else:
        names = _free_names(default, frame.shape[1], taken)
    return frame.set_axis([str(name) for name in names], axis=1)


def _free_names(start: str, count: int, taken: Collection[str]) -> list[str]:
    names = [start] if count == 1 else [f"{start}{j}" for j in range(count)]
    return _free_names(f"{start}_", count, taken) if set(names) & set(taken) else names


def _columns(values: Any, what: str) -> pd.DataFrame:
    if isinstance(values, (pd.Series, pd.DataFrame)):
        return pd.DataFrame(values)
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.dtype.kind == "c":
        raise EstimatorError(
            f"{what} must be one or several columns of numbers or names, got an array of "
            f"{array.dtype}, shape {array.shape}."
        )
    return pd.DataFrame(array).infer_objects()


def _refuse_other_data(options: Mapping[str, Any]) -> None:
    if options["name"] != "csv":
        raise EstimatorError(
            f"data must be csv, the user's own rows, got {options['name']}; give X, y and "
            "sensitive_features to fit."
        )
    if given := [key for key in FROM_FIT if options[key] is not None]:
        raise EstimatorError(
            f"rows, tasks and groups are given to fit, got data.{given[0]} in overrides; leave it "
            "out."
        )


def _checked_kinds(task_kinds: Mapping[str, str] | None, tasks: Sequence[str]) -> dict[str, str]:
    kinds = dict(task_kinds or {})
    for task, kind in kinds.items():
        if task not in tasks:
            raise EstimatorError(f"task_kinds must name tasks ({listed(tasks)}), got '{task}'.")
        if kind not in TASK_KINDS:
            raise EstimatorError(
                f"task_kinds must be among {', '.join(TASK_KINDS)}, got '{kind}' for '{task}'."
            )
    return kinds


def _mask(chosen: Any, rows: int) -> np.ndarray:
    """Rows as booleans, whether they came so or as positions."""
    mask, index = np.zeros(rows, dtype=bool), np.asarray(chosen)
    try:
        mask[index] = True
    except IndexError as problem:
        raise EstimatorError(
            f"validation_rows must be a mask of {rows:,} booleans or positions below {rows:,}, "
            f"got {index.dtype} of shape {index.shape}."
        ) from problem
    return mask
