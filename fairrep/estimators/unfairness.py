"""How far predictions differ between groups: the figure that model selection looks at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fairrep.estimators.mean_differences import check_notion


def prediction_difference(
    y_true: Any, y_pred: Any, *, sensitive_features: Any, notion: str, classes: Any
) -> float:
    """Largest difference of a rate between two groups.

    The rate is that of a positive prediction, among all rows (``demographic_parity``), the
    positives (``equal_opportunity``), or either class (``equalized_odds``). Of two classes the
    larger is the positive one; of more each is in turn, and the largest difference counts. With
    ``classes=None`` predictions are numbers and rates are their means (``demographic_parity``).

    Args:
        y_true: (n,) labels.
        y_pred: (n,) predicted labels, or numbers.
        sensitive_features: (n,) or (n, k) groups.
        notion: one of the three.
        classes: the labels' values, sorted, or ``None``.

    Returns:
        The difference in [0, 1] (in y's units for numbers). Groups without rows to have a rate of
        take no part; NaN if fewer than two are left.
    """
    check_notion(notion)
    y_true, y_pred = np.ravel(y_true), np.ravel(y_pred)
    frame = pd.DataFrame(sensitive_features)
    codes = frame.groupby(list(frame.columns), observed=True).ngroup().to_numpy()
    count = int(codes.max()) + 1
    if classes is None:
        everybody = np.ones(len(y_pred), dtype=bool)
        return _spread(y_pred.astype(float), everybody, codes, count)
    positives = classes[1:] if len(classes) == 2 else classes
    found = []
    for positive in positives:
        hit = (y_pred == positive).astype(float)
        if notion == "demographic_parity":
            among = [np.ones(len(y_pred), dtype=bool)]
        elif notion == "equal_opportunity":
            among = [y_true == positive]
        else:
            among = [y_true == label for label in classes]
        found += [_spread(hit, rows, codes, count) for rows in among]
    found = [value for value in found if not np.isnan(value)]
    return max(found) if found else float("nan")


def _spread(values: np.ndarray, rows: np.ndarray, codes: np.ndarray, groups: int) -> float:
    """Largest less smallest group mean of the values of some rows."""
    counts = np.bincount(codes[rows], minlength=groups)
    present = counts > 0
    if present.sum() < 2:
        return float("nan")
    sums = np.bincount(codes[rows], values[rows], minlength=groups)
    means = sums[present] / counts[present]
    return float(means.max() - means.min())
