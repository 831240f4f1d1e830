"""Files into data frames: embedded, local CSV or parquet, with one clear line when they fail."""

from __future__ import annotations

from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd

from fairrep.errors import DataError

PARQUET = {".parquet", ".pq"}


def read_embedded(name: str, **options: Any) -> pd.DataFrame:
    """Read a header-less text table that ships inside the package (xz-compressed)."""
    with as_file(files("fairrep.data") / "files" / f"{name}.xz") as path:
        return pd.read_csv(path, header=None, **options)


def read_raw(name: str, folder: str | None, **options: Any) -> pd.DataFrame:
    """Read a publisher's header-less file from the user's folder, or its embedded copy."""
    if folder is None:
        return read_embedded(name, **options)
    return pd.read_csv(existing_file(Path(folder) / name), header=None, **options)


def existing_file(path: Path) -> Path:
    """Return ``path`` if it is a non-empty file, else raise with the reason."""
    if not path.exists():
        raise DataError(f"a data file is needed, but '{path}' does not exist; check data.path.")
    if path.is_dir():
        raise DataError(f"a data file is needed, but '{path}' is a folder; name the file itself.")
    if path.stat().st_size == 0:
        raise DataError(f"'{path}' is empty (0 bytes); give a CSV with a header, or a parquet.")
    return path


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a user's CSV (comma, header line) or parquet file.

    Raises:
        DataError: missing, empty or unreadable file, no rows, repeated column names.
    """
    file = existing_file(Path(path))
    try:
        frame = _read_parquet(file) if file.suffix.lower() in PARQUET else _read_csv(file)
    except (ValueError, OSError) as problem:  # pandas' and pyarrow's parse errors are ValueErrors
        reason = " ".join(str(problem).split())
        raise DataError(f"'{file}' could not be read as a table: {reason}") from problem
    if frame.empty:
        raise DataError(f"'{file}' has a header but no rows; at least one row per split is needed.")
    return frame


def _read_csv(file: Path) -> pd.DataFrame:
    header = pd.read_csv(file, header=None, nrows=1, dtype=str, skipinitialspace=True)
    _refuse_repeated(file, header.iloc[0].tolist())
    return pd.read_csv(file, skipinitialspace=True)


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    _refuse_repeated(file, pq.read_schema(file).names)
    return pd.read_parquet(file)


def _refuse_repeated(file: Path, names: list[str]) -> None:
    repeated = [str(name) for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"column names must be unique, but '{file}' repeats {', '.join(repeated)}; rename them."
        )
