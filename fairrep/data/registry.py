"""Data sets by name: where they come from, what they hold, what may go wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from fairrep.errors import ConfigError
from fairrep.types import Kind


@dataclass(frozen=True)
class TaskColumn:
    """How a task's label is read from the typed table.

    Attributes:
        kind: ``binary``, ``multiclass`` or ``regression``.
        derive: table → label column (booleans, class names or numbers; missing = no label).
        uses: columns the label is made of, and their stated proxies: never in x while the task
            is asked for.
        about: one line for people.
    """

    kind: Kind
    derive: Callable[[pd.DataFrame], pd.Series]
    uses: tuple[str, ...]
    about: str


@dataclass(frozen=True)
class SensitiveColumn:
    """How a sensitive attribute is read from the typed table (missing = unknown)."""

    derive: Callable[[pd.DataFrame], pd.Series]
    uses: tuple[str, ...]


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set is: columns, tasks, sensitive attributes, terms and known harms."""

    name: str
    title: str
    source: str
    licence: str
    citation: str
    harms: tuple[str, ...]
    features: tuple[str, ...]
    tasks: Mapping[str, TaskColumn]
    sensitive: Mapping[str, SensitiveColumn]
    default_sensitive: tuple[str, ...]
    default_seen: tuple[str, ...]
    default_novel: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Columns whose type is stated rather than inferred: ``numeric`` or ``categorical``."""
    leave_out_unlabelled: bool = True
    """Rows without a label for any chosen task are left out (and counted), or else refused."""


@dataclass(frozen=True)
class RawData:
    """A typed table with its spec and, where the publisher made one, the official test rows."""

    spec: DatasetSpec
    frame: pd.DataFrame
    test_rows: np.ndarray | None = None


# Each module has `load(path, **options) -> RawData`; imported when asked for.
DATASETS: dict[str, str] = {
    "adult": "fairrep.data.datasets.adult",
    "german": "fairrep.data.datasets.german",
    "csv": "fairrep.data.datasets.user_table",
}


def load_dataset(name: str, path: str | None, **options: Any) -> RawData:
    """Read a data set by name; ``options`` are the data set's own.

    Raises:
        ConfigError: unknown name.
        DataError: a file that is missing, empty or not of the expected form.
    """
    if name not in DATASETS:
        raise ConfigError(unknown("data set", name, DATASETS))
    return import_module(DATASETS[name]).load(path, **options)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, what is known, and which one was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{what} '{name}' is not known; known: {', '.join(names)}.{hint}"
