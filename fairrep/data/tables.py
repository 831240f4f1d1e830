"""Files into data frames, with one clear line (and the row number) when they fail."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow.parquet as pq
from pyarrow import types

from fairrep.data.sources import COMPRESSED, existing_file
from fairrep.errors import DataError

PARQUET = {".parquet", ".pq"}
CSV_OPTIONS: dict[str, Any] = {"skipinitialspace": True, "index_col": False, "low_memory": False}
DELIMITERS = ";\t|"
SIGNATURES = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"PAR1": "a parquet file",
    b"\x93NUM": "a NumPy array",
}
# parse errors of pandas and pyarrow are ValueErrors; the others come from compressed files
BROKEN = (ValueError, OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a user's CSV (comma, header line, UTF-8) or parquet file.

    Raises:
        DataError: missing, empty or unreadable file, no rows, repeated column names, another
            delimiter or encoding, lines with too many values, columns of lists or records.
    """
    file = existing_file(Path(path))
    with one_line(file):
        frame = _read_parquet(file) if is_parquet(file) else _read_csv(file)
    if frame.empty:
        raise DataError(f"'{file}' has a header but no rows; at least one row per split is needed.")
    return frame


def is_parquet(file: Path) -> bool:
    """Whether a file's ending says so; everything else is CSV."""
    return file.suffix.lower() in PARQUET


@contextmanager
def one_line(file: Path) -> Iterator[None]:
    """Turn what readers raise of a file into a :class:`DataError` that says what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            yield
        except (pd.errors.ParserWarning, pd.errors.ParserError) as problem:
            raise DataError(_bad_line(file, str(problem))) from problem
        except UnicodeDecodeError as problem:
            raise DataError(_not_utf8(file, problem)) from problem
        except BROKEN as problem:
            reason = " ".join(str(problem).split())
            raise DataError(f"'{file}' could not be read as a table: {reason}") from problem


def read_published(
    file: Path,
    *,
    columns: Sequence[str],
    header: bool,
    content: IO[bytes] | None = None,
    **options: Any,
) -> Any:
    """Read a publisher's table.

    Args:
        file: the file, plain or compressed.
        columns: with a header line, the columns that must be there; without, the names of all.
        header: whether the first line names the columns.
        content: what was unpacked from the file, where it is an archive of several.
        **options: further ones of ``pandas.read_csv``.

    Raises:
        DataError: not a table, or one with other columns.
    """
    try:
        stream = existing_file(file) if content is None else content
        frame = pd.read_csv(stream, header=0 if header else None, **options)
    except BROKEN as bad:
        raise DataError(f"'{file}' is not the publisher's: {' '.join(str(bad).split())}") from bad
    if header and (lacking := [name for name in columns if name not in frame.columns]):
        raise DataError(f"'{file}' is not the publisher's: it lacks {', '.join(lacking[:5])}.")
    if not header and frame.shape[1] != len(columns):
        raise DataError(
            f"'{file}' is not the publisher's: {len(columns)} columns are expected, "
            f"it has {frame.shape[1]}."
        )
    return frame if header else frame.set_axis(list(columns), axis=1)


def _read_csv(file: Path) -> pd.DataFrame:
    csv_names(file)
    return pd.read_csv(file, **CSV_OPTIONS)


def csv_names(file: Path) -> list[str]:
    """Columns of a CSV file.

    Raises:
        DataError: no CSV with commas and a header, or names that are repeated or absent.
    """
    _refuse_other_kind(file)
    options: dict[str, Any] = {"header": None, "dtype": str, "keep_default_na": False}
    options |= {"skipinitialspace": True}
    names = pd.read_csv(file, nrows=1, **options).iloc[0].tolist()
    _refuse_other_delimiter(file, names)
    pd.read_csv(file, nrows=2, **options)  # refuses a first row longer than the header
    _refuse_repeated(file, names)
    return names


def _read_parquet(file: Path) -> pd.DataFrame:
    schema = parquet_schema(file)
    frame = pd.read_parquet(file)
    decimals = [field.name for field in schema if types.is_decimal(field.type)]
    return frame.astype({name: float for name in decimals if name in frame.columns})


def parquet_schema(file: Path) -> Any:
    """Names and types of a parquet file's columns.

    Raises:
        DataError: names that are repeated or absent, columns of lists or records.
    """
    schema = pq.read_schema(file)
    _refuse_repeated(file, schema.names)
    if nested := [field.name for field in schema if types.is_nested(field.type)]:
        raise DataError(
            f"a column must hold one value a row, but in '{file}' those of {', '.join(nested)} "
            "are lists or records; spread them over columns of their own, or delete them."
        )
    return schema


def _refuse_other_kind(file: Path) -> None:
    with open(file, "rb") as stream:
        kind = SIGNATURES.get(stream.read(4))
    if kind and file.suffix.lower() not in COMPRESSED:
        raise DataError(
            f"'{file}' must be text (CSV), or parquet and so named, but it is {kind}; save it as "
            "CSV, or give it the ending of what it is."
        )


def _refuse_other_delimiter(file: Path, names: list[str]) -> None:
    header = ",".join(map(str, names))
    for delimiter in DELIMITERS:
        if header.count(delimiter) >= len(names):  # more of them than commas
            raise DataError(
                f"'{file}' must be separated by commas, but its header (row 0, line 1) looks "
                f"separated by {delimiter!r}; save it with commas, or as parquet."
            )


def _refuse_repeated(file: Path, names: list[str]) -> None:
    nameless = [i for i, name in enumerate(names, 1) if pd.isna(name) or not str(name).strip()]
    if nameless:
        raise DataError(
            f"every column needs a name, but in '{file}' column {nameless[0]} has no name "
            "(a trailing comma, or an index without a header); name or delete it."
        )
    repeated = [str(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"column names must be unique, but '{file}' repeats {', '.join(repeated)}; rename them."
        )


def _not_utf8(file: Path, problem: UnicodeDecodeError) -> str:
    """Find the first line that is not UTF-8: pandas knows only a place in its buffer."""
    with _open(file) as stream:
        for row, content in enumerate(stream):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as found:
                return (
                    f"'{file}' must be UTF-8, but row {row} (line {row + 1}) holds the byte "
                    f"0x{content[found.start]:02x}, as in latin-1 files; save it as UTF-8."
                )
    return f"'{file}' must be UTF-8: {problem}"


def _bad_line(file: Path, reason: str) -> str:
    """Name the first row with more values than the header has names."""
    with (
        _open(file) as stream,
        io.TextIOWrapper(stream, encoding="utf-8", newline="") as text,
        suppress(csv.Error),  # a field without end
    ):
        lines = csv.reader(text)
        columns = len(next(lines))
        for row, values in enumerate(lines, 1):
            if len(values) > columns:
                trailing = " (a trailing comma)" if not values[-1].strip() else ""
                return (
                    f"'{file}' has {columns} columns, but row {row} (line {lines.line_num}) has "
                    f"{len(values)} values{trailing}; mend the file."
                )
    return f"'{file}' could not be read as a table: {' '.join(reason.split())}"


def _open(file: Path) -> IO[bytes]:
    """Open a file's bytes, unpacked; pandas has seen to it that a zip holds one file."""
    if file.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(file)
        return archive.open(archive.namelist()[0])
    openers: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    return openers.get(file.suffix.lower(), open)(file, "rb")
