"""What a typed table holds before anything is split or fitted: groups, base rates, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fairrep.data.attributes import intersections, name_groups, read_attributes
from fairrep.data.labels import label_values
from fairrep.data.registry import RawData


def profile(
    raw: RawData, attributes: Sequence[str], tasks: Sequence[str], *, bins: int
) -> dict[str, Any]:
    """Count rows, groups, labels and missing values; JSON-ready.

    A task's ``by_group`` is its base rate (binary), mean (regression) or the share of its
    commonest class (multiclass) in each group; its ``correlation`` with s is η. A real-valued
    attribute is cut into ``bins`` groups at its quantiles.

    Raises:
        ConfigError: unknown attribute or task.
        DataError: missing values of s, labels that cannot be used, no label at all.
    """
    groups = intersections(name_groups(read_attributes(raw.spec, raw.frame, attributes), bins=bins))
    features = [name for name in raw.spec.features if name in raw.frame.columns]
    missing = raw.frame[features].isna().sum()
    return {
        "rows": len(raw.frame),
        "test_rows": None if raw.test_rows is None else int(raw.test_rows.sum()),
        "sensitive": list(attributes),
        "groups": {str(group): int(n) for group, n in groups.value_counts().sort_index().items()},
        "tasks": {name: _task(raw, name, groups) for name in tasks},
        "features": features,
        "missing": {str(name): int(n) for name, n in missing.items() if n},
        "notes": list(raw.notes),
    }


def correlation_ratio(values: np.ndarray, groups: np.ndarray) -> float:
    """Compute η in [0, 1]: η² is the share of the variance that lies between the groups.

    For two groups and 0/1 values this is the absolute correlation coefficient.
    """
    spread = ((values - values.mean()) ** 2).sum()
    if spread == 0:
        return 0.0
    codes, names = pd.factorize(groups)
    sizes = np.bincount(codes, minlength=len(names))
    means = np.bincount(codes, weights=values, minlength=len(names)) / sizes
    return float(np.sqrt((sizes * (means - values.mean()) ** 2).sum() / spread))


def _task(raw: RawData, name: str, groups: pd.Series) -> dict[str, Any]:
    kind, labels, values = label_values(raw.spec, raw.frame, name)
    known = ~np.isnan(values)
    values, of_group = values[known], groups.to_numpy()[known]
    if kind == "multiclass":  # one column a class, the commonest first
        order = np.bincount(values.astype(int)).argsort()[::-1]
        measured = [(values == code).astype(float) for code in order]
    else:
        measured = [values]
    by_group = pd.Series(measured[0]).groupby(of_group).mean()
    return {
        "kind": kind,
        "about": raw.spec.tasks[name].about,
        "labels": list(labels),
        "labelled": len(values),
        "by_group": {str(group): float(mean) for group, mean in by_group.items()},
        "correlation": max(correlation_ratio(column, of_group) for column in measured),
    }
