"""LSAC law school: 21,791 students of the US bar passage study, entering in 1991."""

from __future__ import annotations

from pathlib import Path

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

SPEC = DatasetSpec(
    name="law_school",
    title="Law school admissions and bar passage, 1991",
    source="github.com/mkusner/counterfactual-fairness, from the LSAC bar passage study",
    licence="none stated",
    citation="Wightman (1998), LSAC National Longitudinal Bar Passage Study.",
    harms=(
        "Only students who were admitted are in the table: it says nothing about applicants.",
        "Grades and bar results are outcomes of unequal schooling before and in law school.",
    ),
    features=("LSAT", "UGPA", "region_first", "race", "sex"),  # sander_index is LSAT and UGPA
    tasks={
        "first_year_grade": TaskColumn(
            "regression", lambda t: t["ZFYA"], ("ZFYA",), "standardised first-year average"
        ),
        "passed_bar": TaskColumn(
            "binary", lambda t: t["first_pf"] == 1, ("first_pf",), "passed the bar at first try"
        ),
    },
    sensitive={
        "race": SensitiveColumn(
            lambda t: t["race"].where(t["race"].isin(["White", "Black"]), "other"), ("race",)
        ),
        "race_detailed": SensitiveColumn(lambda t: t["race"], ("race",)),
        "sex": SensitiveColumn(lambda t: t["sex"].map({1: "female", 2: "male"}), ("sex",)),
    },
    default_sensitive=("race",),
    default_seen=("first_year_grade",),
    default_novel=("passed_bar",),
    files=(
        PublishedFile(
            "law_data.csv",
            "https://raw.githubusercontent.com/mkusner/counterfactual-fairness/master/law_data.csv",
        ),
    ),
    kinds={"sex": "categorical"},
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``law_data.csv``; there is no official test set."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file))


def read(file: Path) -> RawData:
    """Read the table, whose first column numbers the rows."""
    columns = (*SPEC.features, "ZFYA", "first_pf")
    frame = read_published(file, columns=columns, header=True, index_col=0)
    return RawData(SPEC, frame.reset_index(drop=True))
