"""Small tables and settings for the tests of the data layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data import PreparedData, prepare_data

SETTINGS = {
    "test_fraction": 0.2,
    "calibration": 0.0,
    "val_fraction": 0.2,
    "split_seed": 0,
    "min_rows": 10,
    "bins": 2,
    "offline": True,
    "cache": False,
}


def prepare(name: str, **options: Any) -> PreparedData:
    """Prepare with the usual settings, unless told otherwise."""
    return prepare_data(name, **{**SETTINGS, **options})


def people(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """A user's table: numbers, categories, a sensitive attribute and labels."""
    draws = np.random.default_rng(seed)
    age = draws.integers(18, 80, rows)
    sex = draws.choice(["f", "m"], rows)
    hired = (age + draws.normal(0, 10, rows) > 45).astype(int)
    return pd.DataFrame(
        {
            "age": age,
            "pay": np.round(draws.normal(30.0, 5.0, rows), 2),
            "city": draws.choice(["Genova", "London", "Pisa"], rows),
            "sex": sex,
            "hired": hired,
            "grade": draws.choice(["low", "mid", "high"], rows),
        }
    )


def write_csv(folder: Path, table: pd.DataFrame, name: str = "people.csv") -> str:
    """Write a table as CSV and return its path as a setting."""
    file = folder / name
    table.to_csv(file, index=False)
    return str(file)


def vectors(rows: int = 400, seed: int = 7, dtype: str = "float32") -> np.ndarray:
    """Embeddings of ``people``, in their order."""
    return np.random.default_rng(seed).normal(3.0, 2.0, (rows, 5)).astype(dtype)


def write_array(folder, array: np.ndarray, name: str = "people.npy") -> str:
    """Write an array and return its path as a setting."""
    np.save(folder / name, array)
    return str(folder / name)


def write_keyed(folder, array, keys, name: str = "people.parquet") -> str:
    """A table of embeddings in another order than the people's, with its key in the middle."""
    table = pd.DataFrame(array, columns=list("vwxyz")[: array.shape[1]])
    table.insert(2, "person_id", keys)
    table.sample(frac=1, random_state=3).to_parquet(folder / name)
    return str(folder / name)
