"""ACS person files into one float32 table: zips, CSV and parquet alike."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from fairrep.data.sources import existing_file
from fairrep.errors import DataError


def read_people(
    files: Sequence[Path], *, columns: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read the columns that are there; return also those that at least one file lacks.

    All of them are numbers or numeric codes, so float32 holds them exactly.

    Raises:
        DataError: a file that cannot be read, or holds none of the columns.
    """
    tables = [_read(existing_file(file), columns) for file in files]
    lacking = [name for name in columns if any(name not in table.columns for table in tables)]
    return pd.concat(tables, ignore_index=True), lacking


def _read(file: Path, columns: Collection[str]) -> pd.DataFrame:
    try:
        table = _read_parquet(file, columns) if file.suffix == ".parquet" else _csv(file, columns)
    except (ValueError, OSError, zipfile.BadZipFile) as problem:
        raise DataError(f"'{file}' is not an ACS person file: {problem}") from problem
    if table.empty or len(table.columns) == 0:
        raise DataError(f"'{file}' is not an ACS person file: it holds none of its columns.")
    return table


def _read_parquet(file: Path, columns: Collection[str]) -> pd.DataFrame:
    import pyarrow.parquet as pq

    present = set(pq.read_schema(file).names)
    names = [name for name in columns if name in present]
    table = pq.read_table(file, columns=names)
    return pd.DataFrame({name: _numbers(table[name].to_pandas()) for name in names})


def _csv(file: Path, columns: Collection[str]) -> pd.DataFrame:
    if file.suffix != ".zip":
        return _csv_part(file, columns)
    with zipfile.ZipFile(file) as archive:
        members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if not members:
            raise DataError(f"'{file}' holds no CSV file.")
        parts = []
        for member in members:
            with archive.open(member) as stream:
                parts.append(_csv_part(stream, columns))
    return pd.concat(parts, ignore_index=True)


def _csv_part(file: Path | IO[bytes], columns: Collection[str]) -> pd.DataFrame:
    table = pd.read_csv(file, usecols=lambda name: name in columns)
    return pd.DataFrame({name: _numbers(table[name]) for name in columns if name in table})


def _numbers(column: pd.Series) -> np.ndarray:
    return pd.to_numeric(column).to_numpy(dtype=np.float32, na_value=np.nan)
