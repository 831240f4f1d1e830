"""UCI Census-Income (KDD): 299,285 people of the 1994 and 1995 US population surveys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

COLUMNS = (
    *("age", "class_of_worker", "industry_code", "occupation_code", "education", "wage_per_hour"),
    *("enrolled", "marital_status", "industry", "occupation", "race", "hispanic_origin", "sex"),
    *("union_member", "unemployment_reason", "full_or_part_time", "capital_gains"),
    *("capital_losses", "dividends", "tax_filer_status", "previous_region", "previous_state"),
    *("household_detail", "household_summary", "instance_weight", "migration_msa"),
    *("migration_region", "migration_within_region", "same_house", "migration_sunbelt"),
    *("persons_worked_for", "family_under_18", "father_country", "mother_country"),
    *("own_country", "citizenship", "own_business", "veterans_form", "veterans_benefits"),
    *("weeks_worked", "year", "income"),
)
WORK = (
    *("weeks_worked", "class_of_worker", "industry_code", "occupation_code", "industry"),
    *("occupation", "wage_per_hour", "union_member", "unemployment_reason"),
    *("full_or_part_time", "persons_worked_for", "own_business"),
)
FAMILY = (
    *("marital_status", "tax_filer_status", "household_detail", "household_summary"),
    "family_under_18",
)
MOVES = (
    *("same_house", "previous_region", "previous_state", "migration_msa", "migration_region"),
    *("migration_within_region", "migration_sunbelt"),
)
UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/census-income-mld"

SPEC = DatasetSpec(
    name="kdd_census",
    title="Census-Income (KDD), 1994–95",
    source="UCI Machine Learning Repository, data set 117",
    licence="CC BY 4.0 (US Census Bureau)",
    citation="Lane and Kohavi (2000), Census-Income (KDD), UCI.",
    harms=(
        "Only 6% of the rows have an income above 50k dollars, and children are among them: "
        "trivial predictors look accurate.",
        "1994 prices and society: not a basis for decisions about anybody today.",
    ),
    # instance_weight is the survey's design, not a property of the person
    features=tuple(c for c in COLUMNS if c not in ("instance_weight", "income")),
    tasks={
        "income": TaskColumn(
            "binary", lambda t: t["income"].str.startswith("50000+"), ("income",), "> 50k $"
        ),
        "employed": TaskColumn(
            "binary", lambda t: t["weeks_worked"] > 0, WORK, "worked in the year before"
        ),
        "weeks_worked": TaskColumn(
            "regression", lambda t: t["weeks_worked"], WORK, "weeks worked in the year before"
        ),
        "married": TaskColumn(
            "binary",
            lambda t: t["marital_status"].str.startswith("Married"),
            FAMILY,
            "marital status begins with Married",
        ),
        "moved": TaskColumn(
            "binary",
            lambda t: t["same_house"].map({"Yes": False, "No": True}),
            MOVES,
            "lived elsewhere a year before (asked of half the rows)",
        ),
    },
    sensitive={
        "sex": SensitiveColumn(lambda t: t["sex"], ("sex",)),
        "race": SensitiveColumn(lambda t: t["race"], ("race",)),
        "age": SensitiveColumn(lambda t: t["age"], ("age",), real=True),
        "citizenship": SensitiveColumn(
            lambda t: (
                t["citizenship"]
                .str.contains("Not a citizen")
                .map({True: "not a citizen", False: "citizen"})
            ),
            ("citizenship",),
        ),
    },
    default_sensitive=("sex",),
    default_seen=("income", "married"),
    default_novel=("moved",),
    files=(
        PublishedFile(
            "census-income.data.gz",
            f"{UCI}/census-income.data.gz",
            aliases=("census-income.data", "kdd_census_train.csv"),
        ),
        PublishedFile(
            "census-income.test.gz",
            f"{UCI}/census-income.test.gz",
            aliases=("census-income.test", "kdd_census_test.csv"),
        ),
    ),
    kinds=dict.fromkeys(
        ("industry_code", "occupation_code", "own_business", "veterans_benefits", "year"),
        "categorical",
    ),
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find the publisher's train and test files."""
    train, test = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((train, test), lambda: read(train, test))


def read(train: Path, test: Path) -> RawData:
    """Read both header-less files; "?" is a missing value."""
    options: Any = {"columns": COLUMNS, "header": False, "skipinitialspace": True, "na_values": "?"}
    first, second = (read_published(file, **options) for file in (train, test))
    frame = pd.concat([first, second], ignore_index=True)
    return RawData(SPEC, frame, test_rows=np.arange(len(frame)) >= len(first))
