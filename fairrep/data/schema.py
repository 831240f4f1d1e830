"""Fitted preprocessing: training rows → column schemas → one float matrix, saved as JSON.

A numeric column becomes (value - mean) / scale, missing values replaced by the training median; if
the training rows had some, a column of codes behind all others says where it is missing.
A categorical column becomes the code of its category; a missing value is a category of its own if
the training rows had one. Missing otherwise, and categories never seen in training, become -1,
which the encoder's input layer turns into a row of zeros. Columns are found by name: order and
extra columns do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairrep.errors import SchemaError, listed

MISSING = "(missing)"
UNSEEN = -1
TOGETHER = 32  # columns copied out of a table at a time: a few cache lines of a row


@dataclass(frozen=True)
class NumericColumn:
    """(value - mean) / scale; missing → ``median`` first. Units: the column's own.

    With ``indicator``, a further column of x says where it is missing.
    """

    name: str
    mean: float
    scale: float
    median: float
    indicator: bool = False

    def encode(self, column: pd.Series) -> np.ndarray:
        """Standardised values (n,)."""
        values = as_numbers(column)
        return (np.where(np.isnan(values), self.median, values) - self.mean) / self.scale


@dataclass(frozen=True)
class CategoricalColumn:
    """Category → its position in ``categories``; unknown → -1."""

    name: str
    categories: tuple[str, ...]

    def encode(self, column: pd.Series) -> np.ndarray:
        """Category codes (n,)."""
        codes, names = factorize(column)
        return pd.Index(self.categories).get_indexer(pd.Index(names))[codes]


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True)
class TableSchema:
    """The columns of x, in order, with what was fitted on the training rows."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Feature columns in the order of x."""
        return tuple(column.name for column in self.columns)

    @property
    def indicators(self) -> tuple[str, ...]:
        """Numeric columns whose missing values are marked, in the order of x's last columns."""
        return tuple(
            column.name
            for column in self.columns
            if isinstance(column, NumericColumn) and column.indicator
        )

    def encode(self, table: pd.DataFrame | np.ndarray) -> np.ndarray:
        """Apply to a DataFrame (columns by name) or an array (columns in order).

        Returns:
            float32 matrix (n, p): standardised numbers and category codes in the columns' order,
            then for every indicator 1 where its column is missing, 0 elsewhere.

        Raises:
            SchemaError: a column is missing, repeated, not a number or infinite.
        """
        frame = self._as_frame(table)
        width = len(self.columns) + len(self.indicators)
        encoded = np.empty((len(frame), width), dtype=np.float32)
        for first, part in _few_columns(frame):
            block = np.empty((part.shape[1], len(frame)), dtype=np.float32)
            for row, column in zip(block, self.columns[first:]):
                row[:] = column.encode(part[column.name])
            encoded[:, first : first + len(block)] = block.T
        for position, name in enumerate(self.indicators, start=len(self.columns)):
            encoded[:, position] = frame[name].isna()
        return encoded

    def surprises(self, encoded: np.ndarray, missing: np.ndarray) -> dict[str, dict[str, int]]:
        """Count missing values and unseen categories per column (columns without any left out).

        Args:
            encoded: rows as :meth:`encode` returns them (n, p).
            missing: which values of the feature columns were missing.
        """
        unseen = {
            column.name: ((encoded[:, j] == UNSEEN) & ~missing[:, j]).sum()
            for j, column in enumerate(self.columns)
            if isinstance(column, CategoricalColumn)
        }
        counts = {"missing": dict(zip(self.names, missing.sum(axis=0))), "unseen": unseen}
        return {
            kind: {name: int(n) for name, n in by_column.items() if n}
            for kind, by_column in counts.items()
        }

    def to_json(self) -> list[dict[str, Any]]:
        """As a JSON-ready list, one entry a column."""
        return [
            {"kind": "numeric" if isinstance(column, NumericColumn) else "categorical"}
            | asdict(column)
            for column in self.columns
        ]

    @classmethod
    def from_json(cls, saved: Sequence[Mapping[str, Any]]) -> TableSchema:
        """The inverse of :meth:`to_json`."""
        return cls(tuple(_column_from_json(dict(entry)) for entry in saved))

    def _as_frame(self, table: pd.DataFrame | np.ndarray) -> pd.DataFrame:
        if isinstance(table, pd.DataFrame):
            missing = [name for name in self.names if name not in table.columns]
            if missing:
                raise SchemaError(
                    f"the encoder needs the columns {listed(self.names)}; "
                    f"the table lacks {listed(missing)}."
                )
            frame = table[list(self.names)]
            if frame.shape[1] != len(self.names):
                raise SchemaError("column names must be unique; the table repeats a feature.")
            return frame
        array = np.asarray(table)
        if array.ndim != 2 or array.shape[1] != len(self.names):
            raise SchemaError(
                f"an array must have shape (n, {len(self.names)}), one column each for "
                f"{listed(self.names)}; got {array.shape}."
            )
        return pd.DataFrame(array, columns=list(self.names), copy=False)


def fit_schema(table: pd.DataFrame, kinds: Mapping[str, str] | None = None) -> TableSchema:
    """Fit on training rows. ``kinds`` states a column's type where its dtype would mislead."""
    kinds = kinds or {}
    return TableSchema(
        tuple(
            _fit_numeric(part[name])
            if kinds.get(name, _infer_kind(part[name])) == "numeric"
            else _fit_categorical(part[name])
            for _, part in _few_columns(table)
            for name in part.columns
        )
    )


def _few_columns(table: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """Split a table into a few columns at a time, and the position of the first of them.

    Copied, each column is contiguous: read one by one from a matrix of many columns, every value
    would cost a cache line.
    """
    for first in range(0, table.shape[1], TOGETHER):
        yield first, table.iloc[:, first : first + TOGETHER].copy()


def as_numbers(column: pd.Series) -> np.ndarray:
    """Floats with NaN for missing, or a SchemaError that names the first bad row."""
    numbers = column if is_number(column) else _parsed(column)
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.abs(values) > np.finfo(np.float32).max
    if infinite.any():
        first = int(np.flatnonzero(infinite)[0])
        raise SchemaError(
            f"column '{column.name}' must be finite (in float32), but {int(infinite.sum())} rows "
            f"are not (first: row {row_name(column, first)}); drop them or leave them empty."
        )
    return values


def _parsed(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    bad = (numbers.isna() & column.notna()).to_numpy()
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise SchemaError(
            f"column '{column.name}' must hold numbers, but row {row_name(column, first)} holds "
            f"'{column.iloc[first]}' ({int(bad.sum())} such rows)."
        )
    return numbers


def row_name(column: pd.Series, position: int) -> str:
    """Name a row for people: counted from 1 in the whole table, or by its label."""
    label = column.index[position]
    return str(label + 1) if isinstance(label, (int, np.integer)) else f"'{label}'"


def as_categories(column: pd.Series) -> pd.Series:
    """Category names: whole floats read as integers (1.0 → '1'), missing → '(missing)'."""
    codes, names = factorize(column)
    return pd.Series(names[codes], column.index, name=column.name, dtype=object)


def factorize(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) and the name of each code; only distinct values are turned into text."""
    codes, values = pd.factorize(column)
    names = [_category_name(value) for value in values]
    return codes, np.array([*names, MISSING], dtype=object)  # code -1 = missing = the last


def _category_name(value: Any) -> str:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if is_number and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def is_number(column: pd.Series) -> bool:
    """Whether a column's type is a number's (booleans are categories)."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _infer_kind(column: pd.Series) -> str:
    return "numeric" if is_number(column) else "categorical"


def _fit_numeric(column: pd.Series) -> NumericColumn:
    values = as_numbers(column)
    known = values[~np.isnan(values)]
    if known.size == 0:
        return NumericColumn(str(column.name), mean=0.0, scale=1.0, median=0.0)
    median = float(np.median(known))
    filled = np.where(np.isnan(values), median, values)
    scale = float(filled.std())
    return NumericColumn(
        str(column.name),
        mean=float(filled.mean()),
        scale=scale if scale > 0 else 1.0,
        median=median,
        indicator=known.size < values.size,
    )


def _fit_categorical(column: pd.Series) -> CategoricalColumn:
    codes, names = factorize(column)
    known = names if (codes < 0).any() else names[:-1]
    return CategoricalColumn(str(column.name), tuple(sorted(set(known))))


def _column_from_json(entry: dict[str, Any]) -> Column:
    if entry.pop("kind") == "numeric":
        return NumericColumn(**entry)
    return CategoricalColumn(entry["name"], tuple(entry["categories"]))
