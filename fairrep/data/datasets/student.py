"""UCI Student Performance: pupils of two Portuguese secondary schools, 2005–06."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate
from fairrep.data.tables import read_published
from fairrep.errors import ConfigError, DataError

SUBJECTS = {"portuguese": "student-por.csv", "mathematics": "student-mat.csv"}
NUMBERS = (
    *("Medu", "Fedu", "traveltime", "studytime", "failures", "famrel", "freetime", "goout"),
    *("Dalc", "Walc", "health", "absences"),
)
CATEGORIES = (
    *("school", "sex", "address", "famsize", "Pstatus", "Mjob", "Fjob", "reason", "guardian"),
    *("schoolsup", "famsup", "paid", "activities", "nursery", "higher", "internet", "romantic"),
)
GRADES = ("G1", "G2", "G3")

SPEC = DatasetSpec(
    name="student",
    title="Student Performance, two Portuguese schools, 2005–06",
    source="UCI Machine Learning Repository, data set 320, doi:10.24432/C5TG7T",
    licence="CC BY 4.0 (P. Cortez)",
    citation="Cortez and Silva (2008), Using data mining to predict secondary school student "
    "performance, FUBUTEC.",
    harms=(
        "Grades are given by teachers, and may carry their view of boys and girls.",
        "Answers about alcohol, family and romance are the pupils' own, given at school.",
        "649 pupils of two schools: intervals are wide, and nothing is said about other schools.",
    ),
    features=(*CATEGORIES, "age", *NUMBERS),
    tasks={
        "final_grade": TaskColumn(
            "regression",
            lambda t: t["G3"],
            GRADES,
            "final grade, 0 to 20 (earlier grades left out)",
        ),
        "passed": TaskColumn("binary", lambda t: t["G3"] >= 10, GRADES, "final grade 10 or more"),
    },
    sensitive={
        "sex": SensitiveColumn(lambda t: t["sex"].map({"F": "female", "M": "male"}), ("sex",)),
        "age_over_17": SensitiveColumn(
            lambda t: (t["age"] > 17).map({True: "over 17", False: "17 or less"}), ("age",)
        ),
    },
    default_sensitive=("sex",),
    default_seen=("final_grade",),
    default_novel=("passed",),
    files=(
        PublishedFile(
            "student.zip",
            "https://archive.ics.uci.edu/ml/machine-learning-databases/00320/student.zip",
        ),
    ),
)


def source(path: str | None, *, offline: bool, subject: str | None = None) -> Source:
    """Find the archive, or the unpacked CSV of a subject: ``portuguese`` or ``mathematics``."""
    subject = "portuguese" if subject is None else subject
    if subject not in SUBJECTS:
        raise ConfigError(f"data.subject must be {' or '.join(SUBJECTS)}, got '{subject}'.")
    name = SUBJECTS[subject]
    archive = replace(SPEC.files[0], aliases=(name,))
    file = locate(SPEC.name, archive, path, offline=offline)
    return Source((file,), lambda: read(file, name))


def read(file: Path, name: str) -> RawData:
    """Read one subject's table, whose separator is a semicolon."""
    content = _unpacked(file, name) if zipfile.is_zipfile(file) else None
    columns = (*SPEC.features, *GRADES)
    frame = read_published(file, columns=columns, header=True, content=content, sep=";")
    return RawData(SPEC, frame)


def _unpacked(file: Path, name: str) -> io.BytesIO:
    try:
        with zipfile.ZipFile(file) as archive:
            return io.BytesIO(archive.read(name))
    except (KeyError, zipfile.BadZipFile) as bad:
        raise DataError(f"'{file}' is not the publisher's: it lacks {name}.") from bad
