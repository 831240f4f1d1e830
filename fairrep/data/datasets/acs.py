"""American Community Survey: US census person records, several tasks on the same people.

Tasks and row filters follow folktables (Ding et al. 2021); poverty and private coverage besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from fairrep.data.datasets.acs_files import find_files
from fairrep.data.datasets.acs_table import read_people
from fairrep.data.registry import (
    DatasetSpec,
    RawData,
    SensitiveColumn,
    Source,
    TaskColumn,
    unknown,
)
from fairrep.errors import ConfigError, DataError

NUMBERS = ("AGEP", "WKHP", "WKWN", "PINCP", "WAGP", "POVPIP", "JWMNP", "PWGTP")
FEATURES = (
    *("AGEP", "SEX", "RAC1P", "HISP", "SCHL", "FOD1P", "MAR", "RELP", "RELSHIPP", "CIT"),
    *("NATIVITY", "POBP", "ANC", "LANX", "ENG", "ESP", "GCL", "MIL", "MIG", "DIS", "DEAR"),
    *("DEYE", "DREM", "DPHY", "COW", "INDP", "OCCP", "WKHP", "WKWN", "JWTR", "JWTRNS", "ESR"),
    *("ST", "STATE"),
)  # FER is left out: it is asked of women only
OTHERS = ("MIGSP", "PINCP", "WAGP", "POVPIP", "JWMNP", "PUBCOV", "PRIVCOV", "HICOV", "PWGTP")
MONEY = ("PINCP", "WAGP", "POVPIP")
INSURANCE = ("PUBCOV", "PRIVCOV", "HICOV")
WORK = ("ESR", "COW", "INDP", "OCCP", "WKHP", "WKWN", "JWTR", "JWTRNS", "JWMNP", "PINCP", "WAGP")
RACES = {1: "White", 2: "Black", 6: "Asian"}


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table.columns:
        raise _lacks(name)
    return table[name]


def _lacks(name: str) -> DataError:
    return DataError(f"the ACS files at hand lack the column {name}, which is asked for.")


def _true(table: pd.DataFrame, name: str, test: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """``test`` where the column is known, no label elsewhere."""
    column = _column(table, name)
    return test(column).astype("boolean").where(column.notna())


def _moved(table: pd.DataFrame) -> pd.Series:
    """Newer files have MIG; in all of them MIGSP is where somebody who moved came from."""
    if "MIG" in table.columns:
        return _true(table, "MIG", lambda code: code != 1)
    came = _column(table, "MIGSP").notna()
    return came.astype("boolean").where(_column(table, "AGEP") >= 1)


def _binary(
    name: str, test: Callable[[pd.Series], pd.Series], uses: tuple[str, ...], about: str
) -> TaskColumn:
    return TaskColumn("binary", partial(_true, name=name, test=test), uses, about)


def _number(name: str, uses: tuple[str, ...], about: str) -> TaskColumn:
    return TaskColumn("regression", partial(_column, name=name), uses, about)


def _named(name: str, names: Mapping[int, str], other: str) -> SensitiveColumn:
    return SensitiveColumn(lambda t: _column(t, name).map(names).fillna(other), (name,))


SPEC = DatasetSpec(
    name="acs",
    title="American Community Survey, 1-year person records",
    source="US Census Bureau, Public Use Microdata Sample, www2.census.gov",
    licence="US government work; the Census Bureau's terms of use",
    citation="Ding, Hardt, Miller and Schmidt (2021), Retiring Adult, NeurIPS.",
    harms=(
        "A sample with survey weights, which are not used: rates are of the sample.",
        "Incomes are as reported; thresholds in dollars move with prices between years.",
        "Sex has two values, and race is self-reported in census categories.",
    ),
    features=FEATURES,
    tasks={
        "income": _binary("PINCP", lambda v: v > 50_000, MONEY, "income > 50k $"),
        "employment": _binary("ESR", lambda v: v == 1, WORK, "civilian, at work"),
        "public_coverage": _binary("PUBCOV", lambda v: v == 1, INSURANCE, "public insurance"),
        "private_coverage": _binary("PRIVCOV", lambda v: v == 1, INSURANCE, "private insurance"),
        "mobility": TaskColumn("binary", _moved, ("MIG", "MIGSP"), "moved in the last year"),
        "travel_time": _binary("JWMNP", lambda v: v > 20, ("JWMNP",), "commute > 20 minutes"),
        "poverty": _binary("POVPIP", lambda v: v < 200, MONEY, "below 200% of the poverty line"),
        "income_dollars": _number("PINCP", MONEY, "income in dollars"),
        "commute_minutes": _number("JWMNP", ("JWMNP",), "commute in minutes"),
        "poverty_ratio": _number("POVPIP", MONEY, "income in % of the poverty line, up to 501"),
    },
    sensitive={
        "sex": _named("SEX", {1: "male", 2: "female"}, "unknown"),
        "race": _named("RAC1P", RACES, "other"),
        "hispanic": SensitiveColumn(
            lambda t: (_column(t, "HISP") > 1).map({True: "hispanic", False: "not hispanic"}),
            ("HISP",),
        ),
        "nativity": _named("NATIVITY", {1: "native", 2: "foreign born"}, "unknown"),
        "disability": SensitiveColumn(
            lambda t: (_column(t, "DIS") == 1).map({True: "disability", False: "none"}),
            ("DIS", "DEAR", "DEYE", "DREM", "DPHY"),
        ),
        "age": SensitiveColumn(lambda t: _column(t, "AGEP"), ("AGEP",), real=True),
        "age_over_40": SensitiveColumn(
            lambda t: (_column(t, "AGEP") > 40).map({True: "over 40", False: "40 or less"}),
            ("AGEP",),
        ),
    },
    default_sensitive=("sex",),
    default_seen=("income", "employment"),
    default_novel=("public_coverage", "mobility", "poverty"),
    kinds={c: "categorical" for c in FEATURES if c not in NUMBERS},
)

# folktables' people for each of its five problems; all of them have a label there: who was not
# asked (children for work, home workers for a commute) counts as "no"
FILTERS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "income": lambda t: (t["AGEP"] > 16) & (t["PINCP"] > 100) & (t["WKHP"] > 0) & (t["PWGTP"] >= 1),
    "employment": lambda t: t["AGEP"] >= 0,  # everybody
    "public_coverage": lambda t: (t["AGEP"] < 65) & (t["PINCP"] <= 30_000),
    "mobility": lambda t: (t["AGEP"] > 18) & (t["AGEP"] < 35),
    "travel_time": lambda t: (t["AGEP"] > 16) & (t["PWGTP"] >= 1) & (t["ESR"] == 1),
}


def source(
    path: str | None,
    *,
    offline: bool,
    states: Sequence[str] | None = None,
    year: int | None = None,
    folktables: Sequence[str] | None = None,
    people: str | None = None,
) -> Source:
    """Find person files.

    Args:
        path: a folder with files of any known layout (``acs_files``), or one file.
        offline: never download.
        states: postal codes; all that are found by default.
        year: 2014 to 2024 without 2020; the newest that is found by default.
        folktables: tasks that only folktables' people have a label for; none by default.
        people: the folktables problem whose people alone are read; everybody by default.
    """
    for task in [*(folktables or ()), *([people] if people else [])]:
        if task not in FILTERS:
            raise ConfigError(unknown("folktables problem", task, FILTERS))
    found = find_files(path, states, year, offline=offline)
    files = tuple(file.path for file in found)
    title = f"{SPEC.title}, {found[0].year or 'year unknown'}: {' '.join(f.state for f in found)}"
    return Source(files, lambda: read(files, folktables or (), people, title=title))


def read(
    files: Sequence[Path], folktables: Sequence[str], people: str | None, *, title: str
) -> RawData:
    """Stack the files' people; columns that a file lacks are named."""
    frame, lacking = read_people(files, columns=dict.fromkeys((*FEATURES, *OTHERS)))
    if people:
        frame = frame[_asked(FILTERS[people], frame)].reset_index(drop=True)
    notes = (f"columns that the files lack: {', '.join(lacking)}",) if lacking else ()
    spec = replace(
        SPEC,
        title=title,
        features=tuple(name for name in FEATURES if name in frame.columns),
        tasks={
            name: _filtered(task, FILTERS[name]) if name in folktables else task
            for name, task in SPEC.tasks.items()
        },
    )
    return RawData(spec, frame, notes=notes)


def _filtered(task: TaskColumn, people: Callable[[pd.DataFrame], pd.Series]) -> TaskColumn:
    """The same task with a label for all of the filter's people, and for nobody else."""

    def derive(table: pd.DataFrame) -> pd.Series:
        return task.derive(table).fillna(False).where(_asked(people, table))

    return replace(task, derive=derive)


def _asked(people: Callable[[pd.DataFrame], pd.Series], table: pd.DataFrame) -> pd.Series:
    """Which rows a folktables problem is about."""
    try:
        return people(table)
    except KeyError as lacking:
        raise _lacks(str(lacking.args[0])) from lacking
