"""UCI Communities and Crime: 1,994 US communities, 1990 census and 1995 crime reports."""

from __future__ import annotations

from pathlib import Path

from fairrep.data.datasets.communities_columns import COLUMNS, POLICE_SURVEY
from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

PLACE = ("state", "county", "community", "communityname", "fold")
RACE_SHARES = ("racepctblack", "racePctWhite", "racePctAsian", "racePctHisp")
TARGET = "ViolentCrimesPerPop"

SPEC = DatasetSpec(
    name="communities",
    title="Communities and Crime, 1990–95",
    source="UCI Machine Learning Repository, data set 183",
    licence="CC BY 4.0 (M. Redmond)",
    citation="Redmond and Baveja (2002), A data-driven software tool for enabling cooperative "
    "information sharing among police departments, EJOR 141.",
    harms=(
        "Crime is what the police recorded, and recording differs between communities.",
        "Rows are places, not people: a fair prediction for places says nothing about people.",
    ),
    # places and folds identify rows; the police survey is missing for 84% of the communities
    features=tuple(c for c in COLUMNS if c not in (*PLACE, *POLICE_SURVEY, TARGET)),
    tasks={
        "violent_crime": TaskColumn(
            "regression", lambda t: t[TARGET], (TARGET,), "violent crimes per head, scaled to 0–1"
        ),
        "high_crime": TaskColumn(
            "binary", lambda t: t[TARGET] > 0.3, (TARGET,), "scaled violent crime above 0.3"
        ),
    },
    sensitive={
        "black_share": SensitiveColumn(
            lambda t: (t["racepctblack"] > 0.06).map({True: "above 0.06", False: "up to 0.06"}),
            RACE_SHARES,
        ),
        "hispanic_share": SensitiveColumn(
            lambda t: (t["racePctHisp"] > 0.04).map({True: "above 0.04", False: "up to 0.04"}),
            RACE_SHARES,
        ),
    },
    default_sensitive=("black_share",),  # scaled; 0.06 and 0.04 are the medians
    default_seen=("violent_crime",),
    files=(
        PublishedFile(
            "communities.data",
            "https://archive.ics.uci.edu/ml/machine-learning-databases/communities/"
            "communities.data",
            "d90d85bd66bad9a00fa0ed6c15ac017b5966d528e55ba2940ad028d071353f95",
        ),
    ),
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``communities.data``; there is no official test set."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file))


def read(file: Path) -> RawData:
    """Read the header-less table; "?" is a missing value."""
    return RawData(SPEC, read_published(file, columns=COLUMNS, header=False, na_values="?"))
