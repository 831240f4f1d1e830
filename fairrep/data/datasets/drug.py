"""UCI Drug Consumption: 1,885 people, personality measures, and their use of 19 substances."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

DRUGS = (
    *("alcohol", "amphet", "amyl", "benzos", "caff", "cannabis", "choc", "coke", "crack"),
    *("ecstacy", "heroin", "ketamine", "legalh", "lsd", "meth", "mushrooms", "nicotine"),
    *("semer", "vsa"),  # semer(on) is fictitious: it finds people who claim too much
)
FEATURES = (
    *("age", "gender", "education", "country", "ethnicity", "nscore", "escore", "oscore"),
    *("ascore", "cscore", "impulsive", "ss"),
)
NOT_USED = ("CL0", "CL1")  # never, or over a decade ago
FEMALE, WHITE, YOUNG = 0.48246, -0.31685, -0.95197  # the publisher's codes


def _used(table: pd.DataFrame, drug: str) -> pd.Series:
    return ~table[drug].isin(NOT_USED)


def _is(table: pd.DataFrame, column: str, code: float, yes: str, no: str) -> pd.Series:
    """Compare with one of the publisher's codes, which are rounded to five digits."""
    return ((table[column] - code).abs() < 1e-4).map({True: yes, False: no})


SPEC = DatasetSpec(
    name="drug",
    title="Drug consumption (quantified), 2011–12",
    source="UCI Machine Learning Repository, data set 373",
    licence="CC BY 4.0 (E. Fehrman, V. Egan and E. Mirkes)",
    citation="Fehrman, Muhammad, Mirkes, Egan and Gorban (2017), The five factor model of "
    "personality and evaluation of drug consumption risk.",
    harms=(
        "An online survey of volunteers, 91% white: not a population.",
        "Answers are about unlawful acts, given by the people themselves.",
    ),
    features=FEATURES,
    tasks={
        drug: TaskColumn(
            "binary", partial(_used, drug=drug), (drug,), f"used {drug} within the last decade"
        )
        for drug in DRUGS
    },
    sensitive={
        "gender": SensitiveColumn(
            partial(_is, column="gender", code=FEMALE, yes="female", no="male"), ("gender",)
        ),
        "ethnicity": SensitiveColumn(
            partial(_is, column="ethnicity", code=WHITE, yes="white", no="other"), ("ethnicity",)
        ),
        "age": SensitiveColumn(
            partial(_is, column="age", code=YOUNG, yes="18-24", no="25 or more"), ("age",)
        ),
    },
    default_sensitive=("gender",),
    default_seen=("amphet", "benzos", "cannabis", "coke", "ecstacy", "legalh", "nicotine"),
    default_novel=("lsd", "mushrooms", "meth", "ketamine"),
    files=(
        PublishedFile(
            "drug_consumption.data",
            "https://archive.ics.uci.edu/ml/machine-learning-databases/00373/drug_consumption.data",
        ),
    ),
    kinds={"country": "categorical", "ethnicity": "categorical", "gender": "categorical"},
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``drug_consumption.data``; there is no official test set."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file))


def read(file: Path) -> RawData:
    """Read the table; the publisher serves it with and without a header line."""
    columns = ["id", *FEATURES, *DRUGS]
    frame = read_published(file, columns=columns, header=False, dtype=str)
    if frame["id"].iloc[0] == "id":
        frame = frame.iloc[1:].reset_index(drop=True)
    return RawData(SPEC, frame.astype(dict.fromkeys(FEATURES, float)))
