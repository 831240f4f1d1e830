"""Cross-validation of one setting: the folds' scores, and all predictions out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class OutOfFold:
    """What one setting did.

    Attributes:
        scores: one a fold.
        predicted: predictions of the validation rows, fold after fold.
        chances: probability of the positive class, if asked for.
        rows: which rows these are.
    """

    scores: np.ndarray
    predicted: np.ndarray
    chances: np.ndarray | None
    rows: np.ndarray


def out_of_fold(
    estimator: Any,
    params: dict[str, Any],
    X: Any,
    y: Any,
    *,
    fit_params: dict[str, Any],
    splits: Sequence[Split],
    scorer: Callable[..., float],
    n_jobs: int | None,
    chances: bool = False,
    stepwise: bool = False,
) -> Iterator[OutOfFold]:
    """Fit a clone with ``params`` on the training rows of every split; score and predict the rest.

    Args:
        estimator: any estimator with ``predict``.
        params: settings.
        X: (n, p).
        y: (n,).
        fit_params: further arguments of ``fit``; those with a value a row are split with X.
        splits: (training rows, validation rows).
        scorer: (estimator, X, y) → number.
        n_jobs: folds at once.
        chances: whether ``predict_proba`` is asked for as well.
        stepwise: whether what is known is yielded after each fold, or only what all of them say.
    """
    made = clone(estimator).set_params(**clone(params, safe=False))
    folds = (delayed(_fold)(clone(made), X, y, fit_params, one, scorer, chances) for one in splits)
    done = []
    for fold in Parallel(n_jobs=n_jobs, return_as="generator")(folds):
        done.append(fold)
        if stepwise or len(done) == len(splits):
            scores, predicted, positive = zip(*done)
            yield OutOfFold(
                np.array(scores, dtype=float),
                np.concatenate(predicted),
                np.concatenate(positive) if chances else None,
                np.concatenate([held for _, held in splits[: len(done)]]),
            )


def _fold(
    estimator: Any,
    X: Any,
    y: Any,
    fit_params: dict[str, Any],
    split: Split,
    scorer: Callable,
    chances: bool,
) -> tuple[float, np.ndarray, np.ndarray | None]:
    train, held = split
    own = _check_method_params(X, fit_params, indices=train)
    estimator.fit(_safe_indexing(X, train), _safe_indexing(y, train), **own)
    X_held, y_held = _safe_indexing(X, held), _safe_indexing(y, held)
    return (
        float(scorer(estimator, X_held, y_held)),
        np.asarray(estimator.predict(X_held)),
        np.asarray(estimator.predict_proba(X_held))[:, 1] if chances else None,
    )
