"""UCI Adult: 48,842 people of the 1994 US census, with the publisher's train and test files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult"

COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
WHITE_COLLAR = ("Exec-managerial", "Prof-specialty", "Adm-clerical", "Sales", "Tech-support")

SPEC = DatasetSpec(
    name="adult",
    title="Adult (census income), 1994",
    source="UCI Machine Learning Repository, data set 2, doi:10.24432/C5XW20",
    licence="CC BY 4.0 (B. Becker and R. Kohavi)",
    citation="Kohavi (1996), Scaling up the accuracy of naive-Bayes classifiers, KDD.",
    harms=(
        "The threshold of 50k dollars sits at the 76th percentile of income (88th for Black people "
        "and 89th for women), so trivial predictors look accurate and gaps depend on it "
        "(Ding et al. 2021, Retiring Adult).",
        "People are recorded as one of two sexes and five races, partly by a household member.",
        "1994 prices and society: not a basis for decisions about anybody today.",
    ),
    # everything a default task is read from is left out already
    features=("age", "workclass", "education-num", "occupation", "race", "native-country"),
    tasks={
        "income": TaskColumn("binary", lambda t: t["income"] == ">50K", ("income",), "> 50k $"),
        "long_hours": TaskColumn(
            "binary", lambda t: t["hours-per-week"] > 40, ("hours-per-week",), "> 40 h a week"
        ),
        "hours_per_week": TaskColumn(
            "regression", lambda t: t["hours-per-week"], ("hours-per-week",), "hours a week"
        ),
        "married": TaskColumn(
            "binary",
            lambda t: t["marital-status"].str.startswith("Married"),
            ("marital-status", "relationship"),
            "marital status begins with Married",
        ),
        "investor": TaskColumn(
            "binary",
            lambda t: (t["capital-gain"] > 0) | (t["capital-loss"] > 0),
            ("capital-gain", "capital-loss"),
            "any capital gain or loss",
        ),
        "educated": TaskColumn(
            "binary",
            lambda t: t["education-num"] >= 13,
            ("education", "education-num"),
            "bachelor's degree or more",
        ),
        "white_collar": TaskColumn(
            "binary",
            lambda t: t["occupation"].isin(WHITE_COLLAR).where(t["occupation"].notna()),
            ("occupation",),
            "managerial, professional, clerical, sales or technical occupation",
        ),
    },
    sensitive={
        "sex": SensitiveColumn(lambda t: t["sex"], ("sex",)),
        "race": SensitiveColumn(lambda t: t["race"], ("race",)),
        "age": SensitiveColumn(lambda t: t["age"], ("age",), real=True),
        "age_over_40": SensitiveColumn(
            lambda t: pd.Series(np.where(t["age"] > 40, "over 40", "40 or less"), t.index),
            ("age",),
        ),
    },
    default_sensitive=("sex",),
    default_seen=("income", "long_hours"),
    default_novel=("married", "investor"),
    files=(
        PublishedFile(
            "adult.data",
            f"{UCI}/adult.data",
            "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            embedded=True,
        ),
        PublishedFile(
            "adult.test",
            f"{UCI}/adult.test",
            "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
            embedded=True,
        ),
    ),
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``adult.data`` and ``adult.test``: embedded, or in the folder ``path``."""
    train, test = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((train, test), lambda: read(train, test))


def read(train: Path, test: Path) -> RawData:
    """Read both files; "?" is a missing value.

    The test file's first line is a comment, and its labels end in a dot.
    """
    options: Any = {"columns": COLUMNS, "header": False, "skipinitialspace": True, "na_values": "?"}
    first = read_published(train, **options)
    second = read_published(test, skiprows=1, **options)
    frame = pd.concat([first, second], ignore_index=True)
    frame["income"] = frame["income"].str.rstrip(".")
    return RawData(SPEC, frame, test_rows=np.arange(len(frame)) >= len(first))
