"""Data sets by name: where they come from, what they hold, what may go wrong with them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data.published import PublishedFile
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
    """How a sensitive attribute is read from the typed table (missing = unknown).

    Attributes:
        derive: table → names of groups, or numbers where ``real``.
        uses: columns that it is read from; they leave x with it.
        real: a real number, e.g. an age: penalties may read it unbinned, figures bin it.
    """

    derive: Callable[[pd.DataFrame], pd.Series]
    uses: tuple[str, ...]
    real: bool = False


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
    files: tuple[PublishedFile, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Columns whose type is stated rather than inferred: ``numeric`` or ``categorical``."""
    leave_out_unlabelled: bool = True
    """Rows without a label for any chosen task are left out (and counted), or else refused."""
    embeddings: tuple[str, ...] = ()
    """Columns of x that come from files of embeddings; features that a user names join them."""
    key: str | None = None
    """Column that matches rows with their embeddings: it names rows, and never enters x."""


@dataclass(frozen=True)
class RawData:
    """A typed table with its spec and, where somebody has chosen them, its test and other rows."""

    spec: DatasetSpec
    frame: pd.DataFrame
    test_rows: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    """What a reader should know about these very files, e.g. columns that they lack."""
    val_rows: np.ndarray | None = None
    """Rows to select on, as booleans; ``None`` draws them."""


@dataclass(frozen=True)
class Source:
    """Files on this machine, and how to read them."""

    files: tuple[Path, ...]
    read: Callable[[], RawData]


# Each module has `source(path, *, offline, **options) -> Source` and, but for the user's own
# table, `SPEC`; imported when asked for.
DATASETS: dict[str, str] = {
    "adult": "fairrep.data.datasets.adult",
    "german": "fairrep.data.datasets.german",
    "acs": "fairrep.data.datasets.acs",
    "kdd_census": "fairrep.data.datasets.kdd_census",
    "compas": "fairrep.data.datasets.compas",
    "communities": "fairrep.data.datasets.communities",
    "school": "fairrep.data.datasets.school",
    "drug": "fairrep.data.datasets.drug",
    "law_school": "fairrep.data.datasets.law_school",
    "student": "fairrep.data.datasets.student",
    "csv": "fairrep.data.datasets.user_table",
}


def load_dataset(
    name: str, path: str | None = None, *, offline: bool = False, **options: Any
) -> RawData:
    """Read a data set by name; ``options`` are the data set's own.

    Raises:
        ConfigError: unknown name or option.
        DataError: a file that is missing, empty or not of the expected form.
    """
    return open_dataset(name, path, offline=offline, **options).read()


def open_dataset(name: str, path: str | None, *, offline: bool, **options: Any) -> Source:
    """Find a data set's files (downloading them where need be) without reading them."""
    return _module(name).source(path, offline=offline, **options)


def dataset_spec(name: str) -> DatasetSpec:
    """Return what a registered data set is, without its files."""
    if name == "csv":
        raise ConfigError("csv is a user's own table: its columns say what it is.")
    return _module(name).SPEC


def _module(name: str) -> Any:
    if name not in DATASETS:
        raise ConfigError(unknown("data set", name, DATASETS))
    return import_module(DATASETS[name])


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, what is known, and which one was probably meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{what} '{name}' is not known; known: {', '.join(names)}.{hint}"
