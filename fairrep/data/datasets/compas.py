"""ProPublica's COMPAS: defendants of Broward County, Florida, scored in 2013–14."""

from __future__ import annotations

from pathlib import Path

from fairrep.data.published import PublishedFile
from fairrep.data.registry import DatasetSpec, RawData, SensitiveColumn, Source, TaskColumn
from fairrep.data.sources import locate_all
from fairrep.data.tables import read_published

RACES = {"African-American": "African-American", "Caucasian": "Caucasian", "Hispanic": "Hispanic"}
SCORES = ("decile_score", "decile_score.1", "score_text", "v_decile_score", "v_score_text")
OUTCOME = (
    *("two_year_recid", "is_recid", "is_violent_recid", "violent_recid", "event", "start", "end"),
    *("r_charge_degree", "r_days_from_arrest", "vr_charge_degree"),
)

SPEC = DatasetSpec(
    name="compas",
    title="COMPAS recidivism scores, Broward County, 2013–14",
    source="ProPublica, github.com/propublica/compas-analysis",
    licence="none stated by the publisher",
    citation="Angwin, Larson, Mattu and Kirchner (2016), Machine Bias, ProPublica.",
    harms=(
        "The label is a recorded re-arrest, not an offence: it carries the bias of policing.",
        "Two-year recidivism is over-counted by the way the file was cut "
        "(Barenstein 2019, ProPublica's COMPAS data revisited).",
        "People are named in the source; names and dates never enter x.",
    ),
    # names, dates, case numbers and everything known only after the screening are left out
    features=(
        *("age", "sex", "race", "juv_fel_count", "juv_misd_count", "juv_other_count"),
        *("priors_count", "c_charge_degree"),
    ),
    tasks={
        "recidivism": TaskColumn(
            "binary", lambda t: t["two_year_recid"] == 1, OUTCOME, "arrested again within 2 years"
        ),
        "violent_recidivism": TaskColumn(
            "binary", lambda t: t["is_violent_recid"] == 1, OUTCOME, "arrested for violence"
        ),
        "high_score": TaskColumn(
            "binary", lambda t: t["score_text"] != "Low", SCORES, "COMPAS score medium or high"
        ),
        "decile_score": TaskColumn(
            "regression", lambda t: t["decile_score"], SCORES, "COMPAS score, 1 to 10"
        ),
    },
    sensitive={
        "race": SensitiveColumn(lambda t: t["race"].map(RACES).fillna("other"), ("race",)),
        "sex": SensitiveColumn(lambda t: t["sex"], ("sex",)),
        "age": SensitiveColumn(lambda t: t["age"], ("age", "age_cat"), real=True),
        "age_over_25": SensitiveColumn(
            lambda t: (t["age"] > 25).map({True: "over 25", False: "25 or less"}),
            ("age", "age_cat"),
        ),
    },
    default_sensitive=("race",),
    default_seen=("recidivism",),
    default_novel=("high_score",),
    files=(
        PublishedFile(
            "compas-scores-two-years.csv",
            "https://raw.githubusercontent.com/propublica/compas-analysis/master/"
            "compas-scores-two-years.csv",
            "c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d",
        ),
    ),
)


def source(path: str | None, *, offline: bool, all_rows: bool | None = None) -> Source:
    """Find the CSV; ``all_rows`` keeps the rows that ProPublica's own analysis leaves out."""
    (file,) = locate_all(SPEC.name, SPEC.files, path, offline=offline)
    return Source((file,), lambda: read(file, all_rows=bool(all_rows)))


def read(file: Path, *, all_rows: bool) -> RawData:
    """Read 7,214 people, or the 6,172 that ProPublica analysed.

    They leave out people without a charge within 30 days of the screening, without a
    recidivism record or a score, and ordinary traffic offences.
    """
    frame = read_published(file, columns=(*SPEC.features, *OUTCOME, *SCORES), header=True)
    if all_rows:
        return RawData(SPEC, frame)
    usual = (
        frame["days_b_screening_arrest"].between(-30, 30)
        & (frame["is_recid"] != -1)
        & (frame["c_charge_degree"] != "O")
        & (frame["score_text"] != "N/A")
    )
    left_out = f"{int((~usual).sum())} rows left out by ProPublica's filter (data.all_rows=true)"
    return RawData(SPEC, frame[usual].reset_index(drop=True), notes=(left_out,))
