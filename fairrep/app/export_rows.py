"""Made-up raw rows on which an exported encoder is compared with the one that it came from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fairrep.app.export_graph import CATEGORIES, NUMERIC
from fairrep.data import CategoricalColumn, NumericColumn, TableSchema
from fairrep.data.schema import MISSING

NEVER_SEEN = "a category that was never seen"
MISSING_SHARE = 0.1
Feeds = dict[str, np.ndarray]


def made_up_rows(schema: TableSchema, rows: int, *, seed: int) -> tuple[pd.DataFrame, Feeds]:
    """The same rows as a table and as the exported graph's inputs.

    Numbers are normal, with the training rows' moments; a tenth of them are missing. Every category
    is as likely as one that was never seen.
    """
    rng = np.random.default_rng(seed)
    table: dict[str, np.ndarray] = {}
    inputs: dict[str, list[np.ndarray]] = {NUMERIC: [], CATEGORIES: []}
    for column in schema.columns:
        if isinstance(column, NumericColumn):
            values = _numbers(column, rows, rng)
            inputs[NUMERIC].append(values)
        else:
            codes = rng.integers(-1, len(column.categories), rows)
            inputs[CATEGORIES].append(codes)
            values = _names(column)[codes]  # -1 is the last
        table[column.name] = values
    return pd.DataFrame(table), {name: np.stack(of, axis=1) for name, of in inputs.items() if of}


def _numbers(column: NumericColumn, rows: int, rng: np.random.Generator) -> np.ndarray:
    values = column.mean + column.scale * rng.normal(size=rows)
    return np.where(rng.random(rows) < MISSING_SHARE, np.nan, values)


def _names(column: CategoricalColumn) -> np.ndarray:
    known = [None if name == MISSING else name for name in column.categories]
    return np.array([*known, NEVER_SEEN], dtype=object)
