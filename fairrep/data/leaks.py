"""Single features that give a label or a group away."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fairrep.data.schema import factorize, is_number

ALMOST_PERFECT = 0.98  # balanced accuracy or R² on rows that were not fitted on
LEAVES = 32
ROWS = 50_000  # rows looked at, at most, but where a caller has many columns


def leaking_features(
    frame: pd.DataFrame,
    features: Iterable[str],
    target: np.ndarray,
    *,
    regression: bool,
    rows: int = ROWS,
) -> dict[str, float]:
    """Return the features that alone predict ``target`` almost perfectly, with their score.

    Each is fitted on every other row and scored on the rest: numbers by a small tree, categories
    by the mean (or commonest) target of each.

    Args:
        frame: the table.
        features: its columns to look at.
        target: codes or numbers (n,), NaN = unknown.
        regression: whether the target is a number.
        rows: rows looked at, at most.
    """
    known = np.flatnonzero(~np.isnan(target))
    some = np.random.default_rng(0).permutation(known)[:rows]
    scores = {
        name: _score(frame[name].iloc[some], target[some], regression=regression)
        for name in features
    }
    return {name: score for name, score in scores.items() if score >= ALMOST_PERFECT}


def _score(feature: pd.Series, target: np.ndarray, *, regression: bool) -> float:
    fitted, held_out = slice(0, None, 2), slice(1, None, 2)
    if is_number(feature):
        predicted = _by_tree(feature.to_numpy(np.float64, na_value=np.nan), target, regression)
    else:
        predicted = _by_category(factorize(feature)[0], target, regression)
    truth = target[held_out]
    if len(truth) < 2 or len(np.unique(target[fitted])) < 2 or len(np.unique(truth)) < 2:
        return 0.0
    return float((r2_score if regression else balanced_accuracy_score)(truth, predicted))


def _by_tree(values: np.ndarray, target: np.ndarray, regression: bool) -> np.ndarray:
    too_large = np.abs(values) > np.finfo(np.float32).max  # for a tree; training refuses them
    column = np.where(too_large, np.nan, values)[:, None]
    kind = DecisionTreeRegressor if regression else DecisionTreeClassifier
    tree = kind(max_leaf_nodes=LEAVES, random_state=0).fit(column[::2], target[::2])
    return tree.predict(column[1::2])


def _by_category(codes: np.ndarray, target: np.ndarray, regression: bool) -> np.ndarray:
    fitted = pd.Series(target[::2]).groupby(codes[::2])
    guess = fitted.mean() if regression else fitted.agg(lambda part: part.mode().iloc[0])
    overall = target[::2].mean() if regression else pd.Series(target[::2]).mode().iloc[0]
    return pd.Series(codes[1::2]).map(guess).fillna(overall).to_numpy()
