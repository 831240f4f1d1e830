"""Any user's CSV or parquet: columns are features, sensitive attributes and tasks by name.

Embeddings that the user has made elsewhere may be x instead: see ``data/embeddings.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fairrep.data.embeddings import (
    EmbeddingFiles,
    find_embeddings,
    read_embeddings,
    with_embeddings,
)
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.schema import row_name
from fairrep.data.sources import existing_file
from fairrep.data.tables import read_table
from fairrep.errors import ConfigError, DataError
from fairrep.types import Kind

FEATURE_KINDS = ("numeric", "categorical")
TASK_KINDS = ("binary", "multiclass", "regression")


def source(
    path: str | None,
    *,
    offline: bool,
    test_path: str | None = None,
    types: Mapping[str, str] | None = None,
    positive: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    embeddings: str | None = None,
    test_embeddings: str | None = None,
    embeddings_key: str | None = None,
) -> Source:
    """Find a user's table.

    Args:
        path: CSV with a header line, or parquet.
        offline: of no matter, nothing is downloaded.
        test_path: a second file with the same columns whose rows are the test rows.
        types: column → type where the inferred one is wrong: ``numeric`` or ``categorical`` for a
            feature, ``binary``, ``multiclass`` or ``regression`` for a task. A sensitive attribute
            stated to be ``numeric`` is read as a real number.
        positive: binary task → the value that counts as 1; by default the last in sorted order.
        drop: columns that never enter x (identifiers, leaking columns).
        embeddings: ``.npy`` array (n, D), CSV or parquet of numbers, a row for each of the table's
            in its order. They are x, beside the table's columns that ``features`` names.
        test_embeddings: the same for ``test_path``.
        embeddings_key: column of the table and of the embeddings (CSV or parquet) that matches
            their rows, whatever their order. Rows of the table may share a key. It never enters x.

    Raises:
        ConfigError: no path, an unknown type, settings of embeddings that do not fit each other.
        DataError: an unreadable file, a column of ``types``, ``positive`` or ``drop`` that is not
            there; embeddings that are not finite numbers, or not of these rows.
    """
    if path is None:
        raise ConfigError("data=csv needs a file: set data.path=FILE.csv (or .parquet).")
    types, positive = dict(types or {}), dict(positive or {})
    require_types(types)
    files = tuple(existing_file(Path(file)) for file in (path, test_path) if file)
    beside = find_embeddings(
        embeddings,
        test_path=test_embeddings,
        key=embeddings_key,
        has_test_table=test_path is not None,
    )
    found = (*files, *(beside.files if beside else ()))
    return Source(found, lambda: _read(files, types, positive, drop, beside))


def _read(
    files: Sequence[Path],
    types: Mapping[str, str],
    positive: Mapping[str, str],
    drop: Sequence[str],
    beside: EmbeddingFiles | None,
) -> RawData:
    frame, test_rows = _read_files(files)
    embeddings = read_embeddings(beside, frame, test_rows, drop) if beside else None
    elsewhere = set(embeddings.columns if embeddings else ())
    own = [name for name in drop if name not in elsewhere]
    spec = checked_spec(frame, str(files[0]), types=types, positive=positive, drop=own)
    raw = RawData(spec, frame, test_rows)
    return with_embeddings(raw, embeddings) if embeddings else raw


def checked_spec(
    frame: pd.DataFrame,
    title: str,
    *,
    types: Mapping[str, str],
    positive: Mapping[str, str],
    drop: Sequence[str],
) -> DatasetSpec:
    """Describe a table, from a file or in memory, unless settings and columns do not fit it.

    The arguments are those of :func:`source`; ``title`` is what the table is called.

    Raises:
        DataError: a column of the settings that is not there, one of numbers and words.
    """
    _require_columns(frame, [*types, *positive, *drop])
    _refuse_mixed(frame, stated=types)
    return table_spec(frame, title, types=types, positive=positive, drop=drop)


def table_spec(
    frame: pd.DataFrame,
    path: str,
    *,
    types: Mapping[str, str],
    positive: Mapping[str, str],
    drop: Sequence[str],
) -> DatasetSpec:
    """Describe a table: every column may be a feature, a sensitive attribute or a task."""
    return DatasetSpec(
        name="csv",
        title=path,
        source=path,
        licence="the user's own",
        citation="-",
        harms=("Not stated: write down who is in the table, who is not, and who could be harmed.",),
        features=tuple(column for column in frame.columns if column not in set(drop)),
        tasks={
            column: _task(frame[column], types.get(column), positive.get(column))
            for column in frame.columns
        },
        sensitive={
            column: _sensitive(column, real=types.get(column) == "numeric")
            for column in frame.columns
        },
        default_sensitive=(),
        default_seen=(),
        kinds={column: kind for column, kind in types.items() if kind in FEATURE_KINDS},
        leave_out_unlabelled=False,
    )


def _read_files(files: Sequence[Path]) -> tuple[pd.DataFrame, np.ndarray | None]:
    train, *others = (read_table(file) for file in files)
    if not others:
        return train, None
    (test,) = others
    missing = [column for column in train.columns if column not in test.columns]
    if missing:
        raise DataError(f"'{files[1]}' must have the columns of '{files[0]}', but lacks {missing}.")
    frame = pd.concat([train, test[train.columns]], ignore_index=True)
    return frame, np.arange(len(frame)) >= len(train)


def _refuse_mixed(frame: pd.DataFrame, stated: Mapping[str, str]) -> None:
    for name in frame.columns:
        if name not in stated and (mixed := mixed_values(frame[name])):
            raise DataError(mixed)


def mixed_values(column: pd.Series) -> str | None:
    """Say what is wrong with a column that is mostly numbers but for some words."""
    if pd.api.types.is_numeric_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return None
    words = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy()
    count, known = int(words.sum()), int(column.notna().sum())
    if not 0 < count < known / 2:
        return None
    first = int(np.flatnonzero(words)[0])
    return (
        f"column '{column.name}' mixes numbers and text: row {row_name(column, first)} holds "
        f"'{column.iloc[first]}' ({count} such rows); mend them, leave them empty, or set "
        f"data.types.{column.name}=categorical."
    )


def _require_columns(frame: pd.DataFrame, columns: list[str]) -> None:
    missing = sorted(set(columns) - set(frame.columns))
    if missing:
        raise DataError(
            f"the settings name columns that the table lacks: {', '.join(missing)}; "
            f"its columns: {', '.join(map(str, frame.columns))}."
        )


def require_types(types: Mapping[str, str]) -> None:
    """Refuse a type that is none, by its column."""
    for column, kind in types.items():
        if kind not in FEATURE_KINDS + TASK_KINDS:
            raise ConfigError(
                f"data.types.{column} must be one of {', '.join(FEATURE_KINDS + TASK_KINDS)}, "
                f"got '{kind}'."
            )


def _task(column: pd.Series, stated: str | None, positive: str | None) -> TaskColumn:
    kind = stated if stated in TASK_KINDS else _infer_kind(column)
    name = str(column.name)
    if positive is None:
        return TaskColumn(kind, lambda table: table[name], (name,), "a column of the table")  # type: ignore[arg-type]
    return TaskColumn(
        "binary", lambda table: _equals(table[name], positive), (name,), f"{name} = {positive}"
    )


def _infer_kind(column: pd.Series) -> Kind:
    """Two values: binary; more numbers: regression; more names: multiclass."""
    if column.nunique() <= 2:
        return "binary"
    return "regression" if pd.api.types.is_numeric_dtype(column) else "multiclass"


def _equals(column: pd.Series, value: str) -> pd.Series:
    hit = column.astype("string").str.strip() == str(value)
    if not hit.any():
        raise DataError(
            f"data.positive.{column.name}={value}: no row has that value; "
            f"it has {sorted(map(str, column.dropna().unique()))[:10]}."
        )
    return hit.astype("boolean").where(column.notna())


def _sensitive(name: str, *, real: bool) -> SensitiveColumn:
    return SensitiveColumn(lambda table: table[name], (name,), real)
