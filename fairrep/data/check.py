"""What would go wrong with a user's table, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data.attributes import intersections, name_groups, read_attributes
from fairrep.data.datasets.user_table import mixed_values
from fairrep.data.labels import label_values
from fairrep.data.leaks import leaking_features
from fairrep.data.registry import RawData
from fairrep.data.schema import as_numbers, is_number, row_name
from fairrep.errors import FairrepError, listed

MANY_CATEGORIES = 1_000
EMBEDDED_ROWS = 5_000  # at which each column of embeddings is looked at, for a label or a group
QUANTITY = r"[-+]?[$€£¥]?\s?[-+]?\d[\d.,\s']*[$€£¥%]?"  # "2,5", "30%", "$ 1,200"


@dataclass(frozen=True)
class Finding:
    """Something about a table.

    Attributes:
        stops: whether training would refuse the table.
        text: what was found, and the mend.
        drop: a column that should not enter x.
    """

    stops: bool
    text: str
    drop: str | None = None


def column_types(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Per column its inferred type, missing values and number of distinct values."""
    return [
        {
            "name": str(name),
            "type": "numeric" if is_number(frame[name]) else "categorical",
            "missing": int(frame[name].isna().sum()),
            "distinct": int(frame[name].nunique()),
        }
        for name in frame.columns
    ]


def check_table(
    raw: RawData, sensitive: Sequence[str], tasks: Sequence[str], *, min_rows: int, bins: int
) -> list[Finding]:
    """Look for what training would refuse and for what would make its figures worthless.

    Args:
        raw: a user's table.
        sensitive: columns whose groups are compared.
        tasks: columns to predict.
        min_rows: rows that every group must have.
        bins: groups that a real-valued attribute is cut into.
    """
    used = {*sensitive, *tasks, *raw.spec.embeddings}
    features = [name for name in raw.spec.features if name not in used]
    findings = [finding for name in features for finding in _feature(raw, name)]
    findings += _constant_embeddings(raw)
    findings += [
        Finding(False, f"column '{name}' is both a task and the sensitive attribute.")
        for name in sensitive
        if name in tasks
    ]
    if sensitive:
        findings += _sensitive(raw, sensitive, features, min_rows, bins)
    for task in tasks:
        findings += _task(raw, task, features)
    return findings


def _feature(raw: RawData, name: str) -> Iterator[Finding]:
    column, distinct = raw.frame[name], raw.frame[name].nunique()
    if name not in raw.spec.kinds and (mixed := mixed_values(column)):
        yield Finding(True, mixed)
    elif is_number(column):
        try:
            as_numbers(column)
        except FairrepError as problem:
            yield Finding(True, str(problem))
    if column.isna().all():
        yield Finding(False, f"column '{name}' is empty.", name)
    elif distinct == 1 and not column.isna().any():
        yield Finding(False, f"column '{name}' has one value only.", name)
    elif name not in raw.spec.kinds and (words := _misread(column)):
        yield Finding(False, words, name if distinct == len(column) else None)
    elif _is_identifier(column, distinct):
        yield Finding(False, f"column '{name}' differs in every row: an identifier?", name)
    elif not is_number(column) and distinct > MANY_CATEGORIES:
        yield Finding(False, f"column '{name}' has {distinct:,} categories; bin or drop it.")


def _constant_embeddings(raw: RawData) -> list[Finding]:
    """Hundreds of columns are one finding."""
    table = raw.frame[list(raw.spec.embeddings)]
    same = [str(n) for n in table.columns if (table[n].to_numpy() == table[n].iloc[0]).all()]
    if not same:
        return []
    text = f"{len(same)} columns of embeddings have one value only: {listed(same, shown=4)}."
    return [Finding(False, text)]


def _misread(column: pd.Series) -> str | None:
    """Say what becomes of dates and of quantities that are written as text."""
    asked = f"turn it into numbers, or state data.types.{column.name}=categorical."
    if pd.api.types.is_datetime64_any_dtype(column):
        return f"column '{column.name}' holds dates, which are read as categories; {asked}"
    known = column.dropna()
    if is_number(column) or not pd.Series(known.unique(), dtype=str).str.fullmatch(QUANTITY).all():
        return None
    return (
        f"column '{column.name}' looks like numbers but is text, read as categories (row "
        f"{row_name(known, 0)} holds '{known.iloc[0]}'); {asked}"
    )


def _is_identifier(column: pd.Series, distinct: int) -> bool:
    """All different, and not measured: text, or whole numbers in a row."""
    if distinct < len(column) or len(column) < 20:
        return False
    if not is_number(column):
        return True
    values = np.sort(column.to_numpy(np.float64))
    return bool((np.diff(values) == 1).all())


def _sensitive(
    raw: RawData, sensitive: Sequence[str], features: Sequence[str], min_rows: int, bins: int
) -> list[Finding]:
    try:
        attributes = read_attributes(raw.spec, raw.frame, sensitive)
        named = name_groups(attributes, bins=bins)
    except FairrepError as problem:
        return [Finding(True, str(problem))]
    counts = intersections(named).value_counts()
    findings = [
        Finding(
            n < min_rows,
            f"group '{group}' has {n} rows; its training rows must be {min_rows} or more "
            "(data.min_rows).",
        )
        for group, n in counts.items()
        if n < 2 * min_rows
    ]
    if len(counts) < 2:
        findings.append(Finding(True, f"there is one group only, '{counts.index[0]}'."))
    for name in sensitive:  # a column may give away one attribute of several
        codes = pd.factorize(named[name])[0].astype(float)
        given = f"the sensitive attribute ({name})"
        findings += _leaks(raw, features, codes, given, regression=False)
    return findings


def _task(raw: RawData, task: str, features: Sequence[str]) -> list[Finding]:
    try:
        kind, labels, values = label_values(raw.spec, raw.frame, task)
    except FairrepError as problem:
        return [Finding(True, str(problem))]
    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2:
        return [Finding(True, f"task '{task}' has one class only; choose another task.")]
    findings = []
    if missing := len(values) - len(known):
        findings.append(Finding(False, f"task '{task}' has no label in {missing} rows."))
    if kind != "regression":
        small = {labels[c]: n for c, n in enumerate(np.bincount(known.astype(int))) if n < 10}
        findings += [Finding(False, f"task '{task}': {n} rows of '{c}'.") for c, n in small.items()]
    return findings + _leaks(
        raw, features, values, f"task '{task}'", regression=kind == "regression"
    )


def _leaks(
    raw: RawData, features: Sequence[str], target: np.ndarray, given: str, *, regression: bool
) -> list[Finding]:
    score = "R²" if regression else "balanced accuracy"
    embedded = leaking_features(
        raw.frame, raw.spec.embeddings, target, regression=regression, rows=EMBEDDED_ROWS
    )
    columns = [f"'{name}' ({score} {value:.3f})" for name, value in embedded.items()]
    found = [
        Finding(False, f"a column of embeddings alone gives {given} away: {listed(columns)}.")
        for _ in columns[:1]
    ]
    return found + [
        Finding(
            False, f"column '{name}' alone gives {given} away ({score} {value:.3f}).", drop=name
        )
        for name, value in leaking_features(
            raw.frame, features, target, regression=regression
        ).items()
    ]
