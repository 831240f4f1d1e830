"""From a data set's name to tensors: choose columns, split rows, fit preprocessing, encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fairrep.data.labels import encode_groups, encode_task, group_labels, labelled_rows
from fairrep.data.registry import DatasetSpec, RawData, load_dataset, unknown
from fairrep.data.schema import TableSchema, fit_schema
from fairrep.data.splits import RowSplit, split_rows
from fairrep.errors import ConfigError, DataError
from fairrep.types import TaskSpec


@dataclass(frozen=True)
class Rows:
    """One split as tensors on the CPU."""

    x: Tensor  # (n, p) float32
    y: Tensor  # (n, T) float32, a column per task, seen ones first; NaN = no label
    s: Tensor  # (n,) int64 group codes, -1 = a group that training never saw
    index: np.ndarray  # (n,) row numbers in the source table

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class PreparedData:
    """Everything that training and evaluation read, and what was done to get there."""

    spec: DatasetSpec
    tasks: tuple[TaskSpec, ...]
    sensitive: tuple[str, ...]
    groups: tuple[str, ...]
    schema: TableSchema
    train: Rows
    val: Rows
    test: Rows
    dropped: dict[str, str]
    """Column → why it is not in x."""
    surprises: dict[str, dict[str, dict[str, int]]]
    """Split → missing and unseen values per column."""
    left_out: int = 0
    """Rows of the source that have no label for any of the tasks."""

    @property
    def seen(self) -> tuple[TaskSpec, ...]:
        """Tasks that the encoder is trained on."""
        return tuple(task for task in self.tasks if task.seen)

    @property
    def splits(self) -> dict[str, Rows]:
        """The splits by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def prepare_data(
    name: str,
    *,
    path: str | None = None,
    sensitive: Sequence[str] | None = None,
    seen: Sequence[str] | None = None,
    novel: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    include_sensitive: bool = False,
    test_fraction: float,
    val_fraction: float,
    split_seed: int,
    min_rows: int,
    **options: Any,
) -> PreparedData:
    """Load a data set, choose its columns, split its rows and preprocess them.

    Args:
        name: a name of the registry, or ``csv`` for the user's own table.
        path: the user's file (``csv``), or a folder with the publisher's files.
        sensitive: sensitive attributes; several give their intersections. ``None`` here and below:
            the data set's own default.
        seen: tasks that the encoder is trained on.
        novel: tasks that training never reads.
        features: columns of x before the tasks' own columns and the sensitive ones are taken out.
        include_sensitive: whether the sensitive columns stay in x.
        test_fraction: share of rows held out for the final figures, where the publisher has not
            named test rows.
        val_fraction: share of the remaining rows for early stopping and selection.
        split_seed: seed of the split alone.
        min_rows: training rows that every group must have.
        **options: the data set's own, e.g. ``types`` for ``csv``.

    Raises:
        ConfigError: settings that do not fit the data set.
        DataError: rows or columns that cannot be used.
    """
    raw = load_dataset(name, path, **options)
    seen, novel = _choose_tasks(raw.spec, seen, novel)
    everybody = len(raw.frame)
    raw = labelled_rows(raw, [*seen, *novel])
    attributes = tuple(raw.spec.default_sensitive if sensitive is None else sensitive)
    groups_of_rows = group_labels(raw.spec, raw.frame, attributes)
    kept, dropped = _choose_features(
        raw, [*seen, *novel], attributes, features, include_sensitive=include_sensitive
    )
    split = split_rows(
        _strata(raw, groups_of_rows, seen[0]),
        test_rows=raw.test_rows,
        test_fraction=test_fraction,
        val_fraction=val_fraction,
        split_seed=split_seed,
    )
    groups = _known_groups(groups_of_rows.iloc[split.train], min_rows)
    tasks, labels = _encode_tasks(raw, seen, novel, split)
    table = raw.frame[kept]
    schema = fit_schema(table.iloc[split.train], raw.spec.kinds)
    rows = {
        part: Rows(
            x=torch.from_numpy(schema.encode(table.iloc[index])),
            y=torch.from_numpy(labels[index].astype(np.float32)),
            s=torch.from_numpy(encode_groups(groups_of_rows.iloc[index], groups)),
            index=raw.frame.index.to_numpy()[index],
        )
        for part, index in _parts(split).items()
    }
    surprises = {part: schema.surprises(table.iloc[index]) for part, index in _parts(split).items()}
    return PreparedData(
        raw.spec,
        tasks,
        attributes,
        groups,
        schema,
        **rows,
        dropped=dropped,
        surprises=surprises,
        left_out=everybody - len(raw.frame),
    )


def _parts(split: RowSplit) -> dict[str, np.ndarray]:
    return {"train": split.train, "val": split.val, "test": split.test}


def _choose_tasks(
    spec: DatasetSpec, seen: Sequence[str] | None, novel: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    chosen_seen = list(spec.default_seen if seen is None else seen)
    default_novel = [task for task in spec.default_novel if task not in chosen_seen]
    chosen_novel = default_novel if novel is None else list(novel)
    if not chosen_seen:
        raise ConfigError("at least one task to train on is needed: set data.tasks.seen=[NAME].")
    for name in [*chosen_seen, *chosen_novel]:
        if name not in spec.tasks:
            raise ConfigError(unknown("task", name, spec.tasks))
    twice = sorted(
        {t for t in [*chosen_seen, *chosen_novel] if [*chosen_seen, *chosen_novel].count(t) > 1}
    )
    if twice:
        raise ConfigError(f"a task is seen or novel, once; listed more than once: {twice}.")
    return chosen_seen, chosen_novel


def _choose_features(
    raw: RawData,
    tasks: Sequence[str],
    attributes: Sequence[str],
    features: Sequence[str] | None,
    *,
    include_sensitive: bool,
) -> tuple[list[str], dict[str, str]]:
    """Take the tasks' own columns and proxies, and the sensitive columns, out of x."""
    wanted = list(raw.spec.features if features is None else features)
    for column in wanted:
        if column not in raw.frame.columns:
            raise ConfigError(unknown("feature column", column, map(str, raw.frame.columns)))
    reasons = {
        column: f"sensitive attribute {name}"
        for name in attributes
        for column in raw.spec.sensitive[name].uses
    }
    if include_sensitive:
        wanted += [column for column in reasons if column not in wanted]
        reasons = {}
    reasons |= {
        column: f"task {name} or its proxy"
        for name in tasks
        for column in raw.spec.tasks[name].uses
    }
    kept = [column for column in wanted if column not in reasons]
    if not kept:
        raise ConfigError("no feature column is left in x after the tasks' and sensitive ones.")
    return kept, {column: why for column, why in reasons.items() if column in wanted}


def _strata(raw: RawData, groups: pd.Series, first_task: str) -> pd.Series:
    """Group by first label (numbers by quintile)."""
    column = raw.spec.tasks[first_task].derive(raw.frame)
    if raw.spec.tasks[first_task].kind == "regression":
        numbers = pd.to_numeric(column, errors="coerce")
        column = pd.qcut(numbers.rank(method="first"), 5, labels=False, duplicates="drop")
    return groups.astype(str) + " | " + column.astype("string").fillna("-")


def _known_groups(labels: pd.Series, min_rows: int) -> tuple[str, ...]:
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(
            f"fairness compares groups: at least two are needed in the training rows, "
            f"got only '{counts.index[0]}'; choose another data.sensitive."
        )
    small = [f"'{group}' (n={count})" for group, count in counts.items() if count < min_rows]
    if small:
        raise DataError(
            f"every group needs at least {min_rows} training rows (data.min_rows), "
            f"but {', '.join(small)}; merge groups, drop them, or lower data.min_rows."
        )
    return tuple(sorted(counts.index))


def _encode_tasks(
    raw: RawData, seen: Sequence[str], novel: Sequence[str], split: RowSplit
) -> tuple[tuple[TaskSpec, ...], np.ndarray]:
    encoded = [
        encode_task(raw.spec, raw.frame, name, seen=name in seen, train=split.train)
        for name in [*seen, *novel]
    ]
    labels = np.stack([codes for _, codes in encoded], axis=1)  # (n, T)
    return tuple(task for task, _ in encoded), labels
