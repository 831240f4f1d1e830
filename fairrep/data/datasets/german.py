"""UCI Statlog German Credit: 1,000 loan applicants, 1973–75, in the publisher's codes."""

from __future__ import annotations

from pathlib import Path

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

COLUMNS = (
    "checking",
    "duration",
    "history",
    "purpose",
    "amount",
    "savings",
    "employment",
    "installment_rate",
    "personal_status",
    "guarantors",
    "residence",
    "property",
    "age",
    "other_plans",
    "housing",
    "existing_credits",
    "job",
    "dependants",
    "telephone",
    "foreign_worker",
    "credit",
)
FEMALE = ("A92", "A95")

SPEC = DatasetSpec(
    name="german",
    title="Statlog German Credit, 1973–75",
    source="UCI Machine Learning Repository, data set 144, doi:10.24432/C5NC77",
    licence="CC BY 4.0 (H. Hofmann)",
    citation="Hofmann (1994), Statlog (German Credit Data), UCI.",
    harms=(
        "Bad credits were over-sampled (300 of 1,000), so base rates are not the bank's.",
        "Sex is mixed with marital status in one column, and its codes are disputed "
        "(Grömping 2019, South German Credit).",
        "Only 37 applicants are not foreign workers: gaps between those groups are mostly noise.",
    ),
    features=tuple(column for column in COLUMNS if column != "credit"),
    tasks={"credit": TaskColumn("binary", lambda t: t["credit"] == 1, ("credit",), "good credit")},
    sensitive={
        "sex": SensitiveColumn(
            lambda t: t["personal_status"].isin(FEMALE).map({True: "female", False: "male"}),
            ("personal_status",),
        ),
        "foreign_worker": SensitiveColumn(
            lambda t: t["foreign_worker"].map({"A201": "foreign", "A202": "domestic"}),
            ("foreign_worker",),
        ),
        "age": SensitiveColumn(lambda t: t["age"], ("age",), real=True),
        "age_over_25": SensitiveColumn(
            lambda t: (t["age"] > 25).map({True: "over 25", False: "25 or less"}), ("age",)
        ),
    },
    default_sensitive=("sex",),
    default_seen=("credit",),
    files=(
        PublishedFile(
            "german.data",
            "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data",
            "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
            embedded=True,
        ),
    ),
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``german.data``: embedded, or at ``path``; there is no official test."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file))


def read(file: Path) -> RawData:
    """Read the header-less table of codes."""
    return RawData(SPEC, read_published(file, columns=COLUMNS, header=False, sep=" "))
