"""Which ACS person files are where: the Census Bureau's zips, folktables' cache, parquet subsets.

Read are ``csv_pST.zip`` (as downloaded), ``psam_pFIPS.csv`` and ``ssYYpST.csv`` (unpacked, in
folktables' folders ``YEAR/1-Year/`` or bare) and ``p_FIPS.parquet``. A file's year is in its own
name or in that of a folder above it (``2018/1-Year``, ``acs2024``); unknown otherwise. Files of
folktables' ``5-Year`` folders are others under the same names, and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fairrep.data.published import PublishedFile
from fairrep.data.registry import unknown
from fairrep.data.sources import cache_folder, data_folders, existing_file, locate
from fairrep.errors import ConfigError, DataError

YEARS = tuple(year for year in range(2014, 2025) if year != 2020)  # 2020 has experimental files
STATES = {
    **{"AL": "01", "AK": "02", "AZ": "04", "AR": "05", "CA": "06", "CO": "08", "CT": "09"},
    **{"DE": "10", "DC": "11", "FL": "12", "GA": "13", "HI": "15", "ID": "16", "IL": "17"},
    **{"IN": "18", "IA": "19", "KS": "20", "KY": "21", "LA": "22", "ME": "23", "MD": "24"},
    **{"MA": "25", "MI": "26", "MN": "27", "MS": "28", "MO": "29", "MT": "30", "NE": "31"},
    **{"NV": "32", "NH": "33", "NJ": "34", "NM": "35", "NY": "36", "NC": "37", "ND": "38"},
    **{"OH": "39", "OK": "40", "OR": "41", "PA": "42", "RI": "44", "SC": "45", "SD": "46"},
    **{"TN": "47", "TX": "48", "UT": "49", "VT": "50", "VA": "51", "WA": "53", "WV": "54"},
    **{"WI": "55", "WY": "56", "PR": "72"},
}  # postal code → FIPS code
POSTAL = {fips: postal for postal, fips in STATES.items()}
DEPTH = 4  # folders below the one that the user names


class Found(NamedTuple):
    """A person file."""

    state: str  # postal code
    year: int | None
    path: Path


def find_files(
    path: str | None, states: Sequence[str] | None, year: int | None, *, offline: bool
) -> list[Found]:
    """One file per state: from the user's folder, FAIRREP_DATA, the cache, or the Census Bureau.

    Args:
        path: a folder with files of any known layout, or one file; nothing else is tried then.
        states: postal codes; ``None`` takes all that are found.
        year: survey year; ``None`` takes the newest that is found.
        offline: never download.

    Raises:
        ConfigError: unknown state or year; nothing to choose from.
        DataError: a state's file is nowhere.
    """
    wanted = _check(states, year)
    folders = [Path(path)] if path is not None else [*data_folders("acs"), cache_folder() / "acs"]
    here = [found for folder in folders for found in scan(folder)]
    if path is not None and not here:
        existing_file(Path(path)) if not Path(path).is_dir() else None
        raise DataError(f"'{path}' holds no ACS person file (csv_pST.zip, psam_pNN.csv, ...).")
    year = year or max((found.year for found in here if found.year), default=None)
    chosen = {f.state: f for f in reversed(here) if f.year in (year, None)}  # the first wins
    if wanted is None:
        if not chosen:
            raise ConfigError(
                "no ACS file is at hand: name what to fetch, data.states=[CA] data.year=2023 "
                "(--states CA --year 2023)."
            )
        return [chosen[state] for state in sorted(chosen)]
    missing = [state for state in wanted if state not in chosen]
    if missing and path is not None:
        raise DataError(f"'{path}' has no ACS file of {', '.join(missing)} for {year}.")
    if missing and year is None:
        raise ConfigError(f"data.year is needed to download the ACS files of {missing}.")
    fetched = {s: Found(s, year, _fetch(s, year, offline=offline)) for s in missing if year}
    return [(chosen | fetched)[state] for state in wanted]


def scan(folder: Path) -> list[Found]:
    """All person files in a folder and the folders below it, or the file itself."""
    if folder.is_file():
        files = [folder]
    else:
        levels = ["*/" * depth + "*p*" for depth in range(DEPTH)]
        files = [file for level in levels for file in sorted(folder.glob(level))]
    files = [file for file in files if "5-Year" not in file.parts]
    return [found for file in files if (found := _recognise(file))]


def published(state: str, year: int) -> PublishedFile:
    """The Census Bureau's zip of a state's person file."""
    name = f"csv_p{state.lower()}.zip"
    base = "https://www2.census.gov/programs-surveys/acs/data/pums"
    return PublishedFile(name, f"{base}/{year}/1-Year/{name}")


def _fetch(state: str, year: int, *, offline: bool) -> Path:
    return locate(f"acs/{year}/1-Year", published(state, year), None, offline=offline)


def _recognise(file: Path) -> Found | None:
    name = file.name.lower()
    if match := re.fullmatch(r"(?:psam_p(\d\d)\.csv|p_(\d\d)\.parquet)", name):
        state, year = POSTAL.get(match[1] or match[2]), _year_above(file)
    elif match := re.fullmatch(r"ss(\d\d)p([a-z]{2})\.csv", name):
        state, year = match[2].upper(), 2000 + int(match[1])
    elif match := re.fullmatch(r"csv_p([a-z]{2})\.zip", name):
        state, year = match[1].upper(), _year_above(file)
    else:
        return None
    return Found(state, year, file) if state in STATES else None


def _year_above(file: Path) -> int | None:
    """Read the year from the nearest folder that names one."""
    for folder in list(file.parents)[: DEPTH + 1]:
        if match := re.fullmatch(r"(?:acs)?(20\d\d)", folder.name):
            return int(match[1])
    return None


def _check(states: Sequence[str] | None, year: int | None) -> list[str] | None:
    if year is not None and year not in YEARS:
        raise ConfigError(
            f"data.year must be one of {', '.join(map(str, YEARS))} (no regular survey in 2020), "
            f"got {year}."
        )
    if states is None:
        return None
    wanted = list(dict.fromkeys(state.upper() for state in states))
    for state in wanted:
        if state not in STATES:
            raise ConfigError(unknown("state", state, STATES))
    return wanted
