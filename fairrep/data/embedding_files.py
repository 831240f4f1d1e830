"""A file of embeddings, ``.npy``, CSV or parquet → one matrix of finite numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fairrep.data.schema import row_name
from fairrep.data.tables import read_table
from fairrep.errors import ConfigError, DataError, listed

ARRAY = ".npy"
AT_ONCE = 1 << 22  # values looked at together
LARGEST = np.finfo(np.float32).max
WANTED = "embeddings must be one array of real numbers, (rows, columns), as numpy.save writes it"


@dataclass(frozen=True)
class EmbeddingFile:
    """One file's embeddings.

    Attributes:
        file: the file.
        columns: all of its columns.
        names: those that are embeddings: neither the key nor dropped.
        matrix: (n, D), float32 or float64.
        keys: the key of each row (n,), where one is asked for.
        is_array: whether the columns have no names of their own.
    """

    file: Path
    columns: tuple[str, ...]
    names: tuple[str, ...]
    matrix: np.ndarray
    keys: pd.Series | None
    is_array: bool


def read_embedding_file(file: Path, *, key: str | None, drop: Sequence[str]) -> EmbeddingFile:
    """Read one file; column j of an array is named ``embedding_j``.

    Values become float32 where it holds them exactly, else float64; an array that is one of these
    already is mapped, not read.

    Args:
        file: an array (``.npy``), or else a table.
        key: column of a table that names its rows.
        drop: columns that are left out.

    Raises:
        ConfigError: a key for an array.
        DataError: not such a file; no column; values that are no real and finite numbers.
    """
    if file.suffix.lower() == ARRAY:
        if key is not None:
            raise ConfigError(
                f"data.embeddings_key={key} needs embeddings in a table with that column, but "
                f"'{file}' is an array; save them as parquet with the column, or leave the key "
                "out and keep the table's order."
            )
        found = _read_array(file, drop)
    else:
        found = _read_columns(file, key, drop)
    if not found.names:
        raise DataError(f"'{file}' has no column of embeddings; give a file with at least one.")
    _refuse_infinite(found)
    return found


def _read_array(file: Path, drop: Sequence[str]) -> EmbeddingFile:
    try:
        array = np.asarray(np.lib.format.open_memmap(file, mode="r"))  # never unpickles
    except (ValueError, OSError, EOFError) as problem:
        reason = " ".join(str(problem).split())
        raise DataError(f"{WANTED}, but '{file}' is not: {reason}") from problem
    if array.dtype.kind not in "biuf" or array.ndim != 2:
        raise DataError(
            f"{WANTED}, but '{file}' has shape {array.shape} and type {array.dtype}; reshape or "
            "convert it."
        )
    columns = tuple(f"embedding_{j}" for j in range(array.shape[1]))
    names = tuple(name for name in columns if name not in set(drop))
    if len(names) < len(columns):
        array = array[:, [j for j, name in enumerate(columns) if name not in set(drop)]]
    matrix = array.astype(_type([array.dtype]), copy=False)
    return EmbeddingFile(file, columns, names, matrix, keys=None, is_array=True)


def _read_columns(file: Path, key: str | None, drop: Sequence[str]) -> EmbeddingFile:
    table = read_table(file)
    columns = tuple(map(str, table.columns))
    if key is not None and key not in columns:
        raise DataError(
            f"data.embeddings_key={key} must be a column of '{file}', whose columns are "
            f"{listed(columns)}."
        )
    keys = None if key is None else table[key]
    numbers = table.drop(columns=[name for name in table.columns if name == key or name in drop])
    _refuse_text(file, numbers)
    types = [kind if isinstance(kind, np.dtype) else np.dtype(float) for kind in numbers.dtypes]
    matrix = numbers.to_numpy(dtype=_type(types), na_value=np.nan)
    names = tuple(map(str, numbers.columns))
    return EmbeddingFile(file, columns, names, matrix, keys, is_array=False)


def _type(types: Sequence[np.dtype]) -> np.dtype:
    """float32 where it holds every value, else float64."""
    common = np.result_type(np.float32, *types)
    return np.dtype(np.float32 if common == np.float32 else np.float64)


def _refuse_text(file: Path, table: pd.DataFrame) -> None:
    other = [str(n) for n, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if not other:
        return
    column = table[other[0]]
    words = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy()
    first = int(words.argmax()) if words.any() else 0
    raise DataError(
        f"columns of embeddings must hold numbers, but '{file}' has {listed(other, shown=4)} (row "
        f"{row_name(column, first)} of '{other[0]}' holds '{column.iloc[first]}'); mend them, "
        f"leave them out with data.drop=[{','.join(other[:4])}], or match rows by one with "
        "data.embeddings_key."
    )


def _refuse_infinite(found: EmbeddingFile) -> None:
    """Look at some rows at a time: the matrix may be larger than memory should hold twice."""
    step = max(1, AT_ONCE // len(found.names))
    rows, where = 0, None
    for start in range(0, len(found.matrix), step):
        bad = ~(np.abs(found.matrix[start : start + step]) <= LARGEST)  # NaN too
        if bad.any():
            rows += int(bad.any(axis=1).sum())
            where = where or (start + int(bad.any(axis=1).argmax()), bad)
    if where is None:
        return
    row, bad = where
    column = int(bad[bad.any(axis=1).argmax()].argmax())
    raise DataError(
        f"embeddings must be finite (in float32), but row {row + 1} of '{found.file}' holds "
        f"{found.matrix[row, column]} in {found.names[column]} ({rows} such rows); mend them, or "
        "leave those rows out of both files."
    )
