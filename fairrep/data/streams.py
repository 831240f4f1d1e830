"""Tables larger than memory, some rows at a time, as :meth:`TableSchema.encode` reads them best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from fairrep.data.schema import MISSING, CategoricalColumn, NumericColumn, TableSchema
from fairrep.data.sources import COMPRESSED, existing_file
from fairrep.data.tables import (
    CSV_OPTIONS,
    csv_names,
    is_parquet,
    one_line,
    parquet_schema,
)
from fairrep.errors import DataError, SchemaError, listed

INPUTS = (".parquet", ".pq", *(f".csv{packed}" for packed in COMPRESSED))


class Piece(NamedTuple):
    """Some rows one after the other."""

    features: pd.DataFrame
    """The schema's columns; the index counts the rows of the whole table from 0."""
    kept: pa.Table
    """Columns that are carried along: a parquet's as they are, a CSV's as text."""


class TableStream(Protocol):
    """A table on disk that is read from the first row to the last."""

    rows: int | None
    """How many there are, where the file says so."""
    kept: pa.Schema
    """Names and types of the columns that are carried along."""

    def pieces(self, size: int, *, skip: int) -> Iterator[Piece]:
        """Read ``size`` rows at a time, in the end fewer, after ``skip`` rows in such pieces."""


def open_table(path: str | Path, schema: TableSchema, keep: Sequence[str]) -> TableStream:
    """Open a CSV (comma, header, UTF-8; compressed or not) or parquet file and check its columns.

    Args:
        path: the file.
        schema: whose columns are needed.
        keep: further columns to be carried along.

    Raises:
        DataError: missing, empty or unreadable file, another ending, columns that are missing or of
            a type that cannot be used.
    """
    file = existing_file(Path(path), setting="input")
    if not file.name.lower().endswith(INPUTS):
        raise DataError(f"input must end with {', '.join(INPUTS)}, got '{file}'.")
    with one_line(file):
        return (_Parquet if is_parquet(file) else _Csv)(file, schema, tuple(keep))


class _Parquet:
    """Row group after row group; texts arrive as dictionaries, which are mapped once a piece."""

    def __init__(self, file: Path, schema: TableSchema, keep: tuple[str, ...]) -> None:
        columns = parquet_schema(file)
        _require(file, columns.names, schema, keep)
        for column in schema.columns:
            if isinstance(column, NumericColumn):
                _require_number(file, columns.field(column.name))
        self.file, self.names, self.keep = file, list(schema.names), list(keep)
        self.kept = pa.schema([columns.field(name) for name in keep])
        self.rows: int | None = pq.read_metadata(file).num_rows
        if not self.rows:
            raise DataError(f"'{file}' has columns but no rows; there is nothing to encode.")
        self._texts = [
            column.name
            for column in schema.columns
            if isinstance(column, CategoricalColumn)
            and column.name not in keep
            and _is_text(columns.field(column.name).type)
        ]

    def pieces(self, size: int, *, skip: int) -> Iterator[Piece]:
        for table in self._tables(size, skip):
            features = _without_decimals(table.select(self.names)).to_pandas()
            features.index = pd.RangeIndex(skip, skip + len(table))
            skip += len(table)
            yield Piece(features, table.select(self.keep).replace_schema_metadata())

    def _tables(self, size: int, skip: int) -> Iterator[pa.Table]:
        """Tables of ``size`` rows: batches end where row groups do, which differ in length."""
        waiting: list[pa.RecordBatch] = []
        rows = 0
        for batch in self._batches(size, skip):
            waiting.append(batch)
            rows += len(batch)
            while rows >= size:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, size)
                rows -= size
                waiting = table.slice(size).to_batches()
        if rows:
            yield pa.Table.from_batches(waiting)

    def _batches(self, size: int, skip: int) -> Iterator[pa.RecordBatch]:
        with one_line(self.file):
            opened = pq.ParquetFile(self.file, read_dictionary=self._texts)
        groups = list(range(opened.num_row_groups))
        while groups and skip >= (rows := opened.metadata.row_group(groups[0]).num_rows):
            skip -= rows
            groups.pop(0)
        columns = list(dict.fromkeys([*self.names, *self.keep]))
        batches = opened.iter_batches(size, row_groups=groups, columns=columns)
        while True:
            with one_line(self.file):
                batch = next(batches, None)
            if batch is None:
                return
            dropped = min(skip, len(batch))
            skip -= dropped
            if dropped < len(batch):
                yield batch.slice(dropped)


class _Csv:
    """Chunks of lines; what the schema knows as text is never read as a number."""

    rows: int | None = None

    def __init__(self, file: Path, schema: TableSchema, keep: tuple[str, ...]) -> None:
        names = csv_names(file)
        _require(file, names, schema, keep)
        self.file, self.names, self.keep = file, list(schema.names), list(keep)
        self.kept = pa.schema([(name, pa.string()) for name in keep])
        texts = [
            column.name
            for column in schema.columns
            if isinstance(column, CategoricalColumn) and _holds_text(column)
        ]
        self._types = dict.fromkeys([*texts, *keep], "str")
        if pd.read_csv(file, nrows=1, dtype=str, **CSV_OPTIONS).empty:
            raise DataError(f"'{file}' has a header but no rows; there is nothing to encode.")

    def pieces(self, size: int, *, skip: int) -> Iterator[Piece]:
        with one_line(self.file):
            chunks = pd.read_csv(self.file, dtype=self._types, chunksize=size, **CSV_OPTIONS)
        with chunks:
            while True:
                with one_line(self.file):
                    frame = next(chunks, None)
                if frame is None:
                    return
                if frame.index[0] >= skip:
                    yield Piece(self._features(frame), self._carried(frame))

    def _features(self, frame: pd.DataFrame) -> pd.DataFrame:
        both = {name: _as_read(frame[name]) for name in self.names if name in self.keep}
        return frame[self.names].assign(**both)

    def _carried(self, frame: pd.DataFrame) -> pa.Table:
        return pa.Table.from_pandas(frame[self.keep], self.kept, preserve_index=False)


def _as_read(column: pd.Series) -> pd.Series:
    """Text as pandas would have read it: numbers where all are numbers."""
    try:
        return pd.to_numeric(column)
    except ValueError:
        return column


def _holds_text(column: CategoricalColumn) -> bool:
    """Whether some category is none that pandas reads as a number or a truth value."""
    known = pd.Series([name for name in column.categories if name != MISSING], dtype=object)
    plain = pd.to_numeric(known, errors="coerce").notna() | known.isin(["True", "False"])
    return not plain.all()


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(inner) or types.is_large_string(inner)


def _without_decimals(table: pa.Table) -> pa.Table:
    for position, field in enumerate(table.schema):
        if types.is_decimal(field.type):
            numbers = table.column(position).cast(pa.float64())
            table = table.set_column(position, field.name, numbers)
    return table


def _require(file: Path, names: Sequence[str], schema: TableSchema, keep: Sequence[str]) -> None:
    if lacking := [name for name in schema.names if name not in names]:
        raise SchemaError(
            f"the encoder needs the columns {listed(schema.names)}; '{file}' lacks "
            f"{listed(lacking)}."
        )
    if lacking := [name for name in keep if name not in names]:
        raise DataError(f"keep must name columns of '{file}', which lacks {listed(lacking)}.")


def _require_number(file: Path, field: pa.Field) -> None:
    """Numbers may come as text, which is parsed row by row; anything else cannot be one."""
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    usable = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_boolean,
        types.is_null,
        _is_text,
    )
    if not any(is_one(kind) for is_one in usable):
        raise SchemaError(
            f"column '{field.name}' must hold numbers, but in '{file}' it holds {kind}."
        )
