"""From a data set's name to tensors: choose columns, split rows, fit preprocessing, encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairrep.data import prepared_copy
from fairrep.data.attributes import (
    encode_attributes,
    encode_groups,
    intersections,
    name_groups,
    read_attributes,
)
from fairrep.data.choose import choose_features, choose_tasks
from fairrep.data.labels import encode_task, labelled_rows, strata
from fairrep.data.prepared import PreparedData, Rows
from fairrep.data.registry import RawData, open_dataset
from fairrep.data.schema import TableSchema, fit_schema
from fairrep.data.splits import RowSplit, split_rows
from fairrep.errors import ConfigError, DataError
from fairrep.types import TaskSpec


@dataclass(frozen=True)
class Choices:
    """What a user chooses of a data set; the fields are described at :func:`prepare_data`."""

    sensitive: Sequence[str] | None
    bins: int
    seen: Sequence[str] | None
    novel: Sequence[str] | None
    features: Sequence[str] | None
    include_sensitive: bool
    test_fraction: float
    calibration: float
    val_fraction: float
    split_seed: int
    min_rows: int


def prepare_data(
    name: str,
    *,
    path: str | None = None,
    sensitive: Sequence[str] | None = None,
    bins: int,
    seen: Sequence[str] | None = None,
    novel: Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    include_sensitive: bool = False,
    test_fraction: float,
    calibration: float,
    val_fraction: float,
    split_seed: int,
    min_rows: int,
    offline: bool,
    cache: bool,
    **options: Any,
) -> PreparedData:
    """Load a data set, choose its columns, split its rows and preprocess them.

    Args:
        name: a name of the registry, or ``csv`` for the user's own table.
        path: the user's file (``csv``), or a folder with the publisher's files.
        sensitive: sensitive attributes; several give their intersections. ``None`` here and below:
            the data set's own default.
        bins: groups that a real-valued attribute is cut into, at quantiles of the training rows:
            for batches and figures; penalties on real numbers read it unbinned.
        seen: tasks that the encoder is trained on.
        novel: tasks that training never reads.
        features: columns of x before the tasks' own columns and the sensitive ones are taken out.
        include_sensitive: whether the sensitive columns stay in x.
        test_fraction: share of rows held out for the final figures, where the publisher has not
            named test rows.
        calibration: share of the remaining rows that nothing but a certificate reads; 0 for none.
        val_fraction: share of the rows that remain then, for early stopping and selection.
        split_seed: seed of the split alone.
        min_rows: training rows that every group must have.
        offline: never download.
        cache: keep the result on disk and use it next time, if neither files, settings nor code
            have changed.
        **options: the data set's own, e.g. ``types`` for ``csv``.

    Raises:
        ConfigError: settings that do not fit the data set.
        DataError: rows or columns that cannot be used.
    """
    choices = Choices(
        sensitive,
        bins,
        seen,
        novel,
        features,
        include_sensitive,
        test_fraction,
        calibration,
        val_fraction,
        split_seed,
        min_rows,
    )
    source = open_dataset(name, path, offline=offline, **options)
    if not cache:
        return prepare_table(source.read(), choices)
    if name == "csv":
        raise ConfigError("data.cache=true keeps copies of registered data sets only, not of csv.")
    place = prepared_copy.copy_path(name, source.files, asdict(choices) | options)
    copy = prepared_copy.load_copy(name, place)
    if copy is None:
        copy = prepare_table(source.read(), choices)
        prepared_copy.save_copy(copy, place)
    return copy


def prepare_table(raw: RawData, choices: Choices) -> PreparedData:
    """Choose columns of a typed table, split its rows and preprocess them."""
    seen, novel = choose_tasks(raw.spec, choices.seen, choices.novel)
    everybody = len(raw.frame)
    raw = labelled_rows(raw, [*seen, *novel])
    asked = choices.sensitive
    names = tuple(raw.spec.default_sensitive if asked is None else asked)
    attributes = read_attributes(raw.spec, raw.frame, names)
    kept, dropped = choose_features(
        raw,
        [*seen, *novel],
        names,
        choices.features,
        include_sensitive=choices.include_sensitive,
    )
    split = split_rows(
        strata(raw, intersections(name_groups(attributes, bins=choices.bins)), [*seen, *novel]),
        test_rows=raw.test_rows,
        val_rows=raw.val_rows,
        test_fraction=choices.test_fraction,
        calibration=choices.calibration,
        val_fraction=choices.val_fraction,
        split_seed=choices.split_seed,
    )
    named = name_groups(attributes, bins=choices.bins, fitted_on=split.train)
    groups_of_rows = intersections(named)
    groups = _known_groups(groups_of_rows.iloc[split.train], choices)
    tasks, labels = _encode_tasks(raw, seen, novel, split)
    table = raw.frame[kept]
    schema = fit_schema(table.iloc[split.train], raw.spec.kinds)
    encoded, surprises = _encode_features(schema, table, split)
    codes, numbers = encode_groups(groups_of_rows, groups), raw.frame.index.to_numpy()
    specs, as_numbers = encode_attributes(attributes, named, groups, split.train)
    rows = {
        part: Rows(
            x=torch.from_numpy(encoded[part]),
            y=torch.from_numpy(labels[index]),
            s=torch.from_numpy(codes[index]),
            a=torch.from_numpy(as_numbers[index]),
            index=numbers[index],
        )
        for part, index in _parts(split).items()
    }
    return PreparedData(
        raw.spec,
        tasks,
        specs,
        groups,
        schema,
        **rows,
        dropped=dropped,
        surprises=surprises,
        left_out=everybody - len(raw.frame),
        notes=raw.notes,
    )


def _parts(split: RowSplit) -> dict[str, np.ndarray]:
    return {
        "train": split.train,
        "val": split.val,
        "test": split.test,
        "calibration": split.calibration,
    }


def _encode_features(
    schema: TableSchema, table: pd.DataFrame, split: RowSplit
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, dict[str, int]]]]:
    """Encode each split on its own, so that a wide table is never held twice as a whole."""
    encoded, surprises = {}, {}
    for part, index in _parts(split).items():
        rows = table.iloc[index]
        encoded[part] = schema.encode(rows)
        if len(rows) or part != "calibration":
            surprises[part] = schema.surprises(encoded[part], rows.isna().to_numpy())
    return encoded, surprises


def _known_groups(labels: pd.Series, choices: Choices) -> tuple[str, ...]:
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(
            f"fairness compares groups: at least two are needed in the training rows, "
            f"got only '{counts.index[0]}'; choose another data.sensitive."
        )
    least = choices.min_rows
    small = [f"'{group}' (n={count})" for group, count in counts.items() if count < least]
    if small:
        lower = "data.min_rows or data.calibration" if choices.calibration else "data.min_rows"
        raise DataError(
            f"every group needs at least {least} training rows (data.min_rows), "
            f"but {', '.join(small)}; merge groups, drop them, or lower {lower}."
        )
    return tuple(sorted(counts.index))


def _encode_tasks(
    raw: RawData, seen: Sequence[str], novel: Sequence[str], split: RowSplit
) -> tuple[tuple[TaskSpec, ...], np.ndarray]:
    encoded = [
        encode_task(raw.spec, raw.frame, name, seen=name in seen, train=split.train)
        for name in [*seen, *novel]
    ]
    labels = np.stack([codes.astype(np.float32) for _, codes in encoded], axis=1)  # (n, T)
    return tuple(task for task, _ in encoded), labels
