"""Embeddings made elsewhere: a file of numbers beside a user's table, one row for each of its rows.

An array (``.npy``) has its rows in the table's order; a table (CSV or parquet) too, unless a key
column that both have says which row is whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fairrep.data.embedding_files import EmbeddingFile, read_embedding_file
from fairrep.data.registry import RawData
from fairrep.data.schema import as_categories, is_number, row_name
from fairrep.data.sources import existing_file
from fairrep.errors import ConfigError, DataError, listed


@dataclass(frozen=True)
class EmbeddingFiles:
    """Where embeddings are: a file for each file of the table, or by key one for all rows."""

    files: tuple[Path, ...]
    key: str | None


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of all rows of a table, in its order.

    Attributes:
        names: of the columns.
        matrix: real and finite numbers (n, D), float32 or float64; perhaps mapped from the file.
        columns: of the files, with the key and those that were dropped.
        key: the column that matched them.
        about: one line for people.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    columns: tuple[str, ...]
    key: str | None
    about: str


def find_embeddings(
    path: str | None, *, test_path: str | None, key: str | None, has_test_table: bool
) -> EmbeddingFiles | None:
    """Find the files of embeddings, or nothing where none are asked for.

    Args:
        path: embeddings of the table's rows.
        test_path: embeddings of the rows of a second table; with a key, ``path`` may hold both.
        key: column that the table and the embeddings have, by which rows are matched.
        has_test_table: whether there is a second table.

    Raises:
        ConfigError: settings that do not fit each other.
        DataError: a file that is missing or empty.
    """
    if path is None:
        if other := [k for k, v in (("test_embeddings", test_path), ("embeddings_key", key)) if v]:
            raise ConfigError(f"data.{other[0]} stands beside data.embeddings=FILE; set that too.")
        return None
    if test_path is not None and not has_test_table:
        raise ConfigError(
            "data.test_embeddings are of the rows of data.test_path; set that too, or leave "
            "data.test_embeddings out."
        )
    if has_test_table and test_path is None and key is None:
        raise ConfigError(
            "every row needs its embedding, those of data.test_path too: set "
            "data.test_embeddings=FILE."
        )
    files = [existing_file(Path(path), setting="data.embeddings")]
    if test_path is not None:
        files.append(existing_file(Path(test_path), setting="data.test_embeddings"))
    return EmbeddingFiles(tuple(files), key)


def read_embeddings(
    asked: EmbeddingFiles, table: pd.DataFrame, test_rows: np.ndarray | None, drop: Sequence[str]
) -> Embeddings:
    """Read the embeddings of a table's rows.

    Args:
        asked: where they are.
        table: all rows; those of a second table are ``test_rows``.
        test_rows: as booleans (n,).
        drop: columns of the embeddings that are left out.

    Raises:
        ConfigError: a key for an array.
        DataError: not real, finite numbers; another number of rows; keys that are not found, or
            not once; column names that the table has too.
    """
    read = [read_embedding_file(file, key=asked.key, drop=drop) for file in asked.files]
    parts = [table]
    if len(read) > 1 and test_rows is not None:
        parts = [table[~test_rows], table[test_rows]]
        read[1] = _with_columns_of(read[0], read[1])
    first = read[0]
    _refuse_clash(first, table, asked.key)
    matrices = [
        _in_order(one, part) if asked.key is None else _by_key(one, part, asked.key)
        for one, part in zip(read, parts)
    ]
    matched = f", matched by {asked.key}" if asked.key else ""
    files = " and ".join(f"'{one.file}'" for one in read)
    return Embeddings(
        first.names,
        matrices[0] if len(matrices) == 1 else np.concatenate(matrices),
        tuple(column for one in read for column in one.columns),
        asked.key,
        f"embeddings of {files}{matched}: {listed(first.names, shown=4)}",
    )


def with_embeddings(raw: RawData, embeddings: Embeddings) -> RawData:
    """Put embeddings beside a user's table: they are its features, and its key leaves it."""
    key = [] if embeddings.key is None else [embeddings.key]
    table = raw.frame.drop(columns=key)
    wide = pd.DataFrame(
        embeddings.matrix, index=table.index, columns=list(embeddings.names), copy=False
    )
    spec = replace(
        raw.spec,
        features=embeddings.names,
        embeddings=embeddings.names,
        key=embeddings.key,
        tasks={name: task for name, task in raw.spec.tasks.items() if name not in key},
        sensitive={name: s for name, s in raw.spec.sensitive.items() if name not in key},
    )
    frame = pd.concat([table, wide], axis=1)
    return RawData(spec, frame, raw.test_rows, (*raw.notes, embeddings.about))


def _with_columns_of(first: EmbeddingFile, second: EmbeddingFile) -> EmbeddingFile:
    """The columns of the first file, in its order, of the second."""
    if first.names == second.names:
        return second
    place = {name: position for position, name in enumerate(second.names)}
    missing = [name for name in first.names if name not in place]
    if missing or len(first.names) != len(second.names):
        raise DataError(
            f"'{second.file}' must hold the same {len(first.names)} columns of embeddings as "
            f"'{first.file}', but has {len(second.names)}"
            + (f", without {listed(missing, shown=4)}." if missing else ".")
        )
    order = [place[name] for name in first.names]
    return replace(second, names=first.names, matrix=second.matrix[:, order])


def _refuse_clash(embeddings: EmbeddingFile, table: pd.DataFrame, key: str | None) -> None:
    both = [name for name in embeddings.names if name in table.columns]
    if not both:
        return
    mend = f"leave them out with data.drop=[{both[0]}], or rename them"
    if key is None and not embeddings.is_array:
        mend = f"match rows by it with data.embeddings_key={both[0]}, or {mend}"
    raise DataError(
        f"columns of embeddings need names that the table does not have, but "
        f"'{embeddings.file}' and the table both have {listed(both, shown=4)}; {mend}."
    )


def _in_order(embeddings: EmbeddingFile, table: pd.DataFrame) -> np.ndarray:
    if len(embeddings.matrix) != len(table):
        raise DataError(
            f"embeddings need one row for each of the table's {len(table)} rows, in its order, but "
            f"'{embeddings.file}' has {len(embeddings.matrix)}; mend the file, or match rows by a "
            "column of both (CSV or parquet) with data.embeddings_key=COLUMN."
        )
    return embeddings.matrix


def _by_key(embeddings: EmbeddingFile, table: pd.DataFrame, key: str) -> np.ndarray:
    """The embedding of each row of the table, found by its key."""
    if key not in table.columns:
        raise DataError(f"data.embeddings_key={key} must be a column of the table, which lacks it.")
    assert embeddings.keys is not None
    asked, known = _comparable(table[key], embeddings.keys)
    for keys, where in ((asked, "the table"), (known, f"'{embeddings.file}'")):
        if gaps := int(keys.isna().sum()):
            raise DataError(
                f"'{key}' must be known for every row, but {gaps} rows of {where} lack it; drop "
                "those rows."
            )
    if repeated := int(known.duplicated().sum()):
        again = known[known.duplicated()].iloc[0]
        raise DataError(
            f"'{embeddings.file}' must hold each {key} once, but {repeated} rows repeat one "
            f"('{again}' for the first); keep one row of each."
        )
    place = pd.Index(known).get_indexer(pd.Index(asked))
    lost = np.flatnonzero(place < 0)
    if len(lost):
        raise DataError(
            f"every row of the table must be found in '{embeddings.file}' by its {key}, but "
            f"{len(lost)} are not (the first: row {row_name(asked, int(lost[0]))}, "
            f"'{asked.iloc[lost[0]]}'); add their embeddings, or leave those rows out."
        )
    return embeddings.matrix[place]


def _comparable(asked: pd.Series, known: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Keys as numbers where both are, else as text: 17 and '17' are the same key."""
    if is_number(asked) and is_number(known):
        return asked, known
    return tuple(as_categories(keys).where(keys.notna()) for keys in (asked, known))  # type: ignore[return-value]
