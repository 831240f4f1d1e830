"""ILEA School: 15,362 pupils of 139 London secondary schools; each school is a task."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.errors import DataError

SCHOOLS = 139
GENDER = ("gender_1", "gender_2")
ETHNIC = tuple(f"ethnic_{k}" for k in range(1, 12))
FEATURES = (
    *("year_1", "year_2", "year_3", "school_percentage_1", "school_percentage_2"),
    *GENDER,
    *("vr_band_1", "vr_band_2", "vr_band_3"),
    *ETHNIC,
    *("school_gender_1", "school_gender_2", "school_gender_3"),
    *("denomination_1", "denomination_2", "denomination_3"),
)  # 0/1 columns, but for the percentages; a last, constant column is left out


def _score(table: pd.DataFrame, school: int) -> pd.Series:
    """Exam scores of one school's pupils, no label for the others."""
    return table["score"].where(table["school"] == school)


SPEC = DatasetSpec(
    name="school",
    title="Inner London Education Authority exam scores, 1985–87",
    source="the MALSAR package's school.mat, github.com/jiayuzhou/MALSAR",
    licence="none stated",
    citation="Nuttall, Goldstein, Prosser and Rasbash (1989), Differential school effectiveness.",
    harms=(
        "The file does not say which gender or ethnic code is which: groups have numbers only.",
        "Exam scores of the 1980s; schools differ in intake, so a school's task is not its merit.",
    ),
    features=FEATURES,
    tasks={
        f"school_{k}": TaskColumn(
            "regression",
            partial(_score, school=k),
            ("score", "school"),
            f"exam score in school {k}",
        )
        for k in range(1, SCHOOLS + 1)
    },
    sensitive={
        "gender": SensitiveColumn(
            lambda t: (t["gender_1"] == 1).map({True: "gender 1", False: "gender 2"}), GENDER
        ),
        "ethnic_group": SensitiveColumn(
            lambda t: (t["ethnic_1"] == 1).map({True: "group 1", False: "another"}), ETHNIC
        ),
    },
    default_sensitive=("gender",),
    default_seen=tuple(f"school_{k}" for k in range(1, 101)),
    default_novel=tuple(f"school_{k}" for k in range(101, SCHOOLS + 1)),
    files=(
        PublishedFile(
            "school.mat",
            "https://raw.githubusercontent.com/jiayuzhou/MALSAR/master/data/school.mat",
        ),
    ),
)


def source(path: str | None, *, offline: bool) -> Source:
    """Find ``school.mat``; there is no official test set."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file))


def read(file: Path) -> RawData:
    """Stack the schools' matrices: X and Y are 1 × 139 cells of (pupils, 28) and (pupils, 1)."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        cells = loadmat(file)
        features, scores = cells["X"].ravel(), cells["Y"].ravel()
    except (MatReadError, ValueError, KeyError, NotImplementedError) as problem:
        raise DataError(f"'{file}' is not the School data's MATLAB file: {problem}") from problem
    pupils = [len(matrix) for matrix in features]
    table = np.vstack([matrix[:, : len(FEATURES)] for matrix in features]).astype(np.float32)
    frame = pd.DataFrame(table, columns=list(FEATURES))
    frame["school"] = np.repeat(np.arange(1, len(pupils) + 1), pupils)
    frame["score"] = np.concatenate([matrix.ravel() for matrix in scores]).astype(np.float32)
    return RawData(SPEC, frame)
