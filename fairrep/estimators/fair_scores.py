"""Fair scores: demographic parity at every threshold at once."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from fairrep.estimators.groups import fit_groups
from fairrep.estimators.score_map import MapOptions, as_generator, fit_score_map


class FairScoreTransformer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Move scores so that they are distributed alike in every group.

    The map of :class:`WassersteinBarycenterRegressor` for scores that exist already: probabilities
    or decision values of a classifier. Whatever threshold is put on the result, the groups'
    selection rates are the same up to :math:`0.87\,(n_s^{-1/2} + n_k^{-1/2})` in the mean (n:
    rows of a group in ``fit``), and the order within a group stays. Scores stay in the
    range of those in ``fit``, unless σ is positive.

    Args:
        sigma: how equal scores are told apart. None: at random among themselves. Positive: every
            score is jittered by a uniform draw of [-σ, σ], in the scores' unit. 0: not at all,
            so that ``transform`` is deterministic; then the bound holds without ties only.
        tau: how far to go from the scores as they are (0) to equal distributions (1).
        max_ks: the greatest KS distance allowed on a third of the rows of ``fit``: the least τ (in
            steps of 0.01) that meets it takes the place of ``tau``.
        halves: read ranks off one half of the rows of ``fit`` and what stands at them off the
            other, as published; the bound then holds for n / 2 rows.
        random_state: seed of halves and jitter; with a number, ``transform`` repeats itself.

    Attributes:
        groups_: the groups, their values and rows (:class:`fairrep.estimators.groups.Groups`).
        maps_: the fitted map of each column.

    Example:
        >>> import numpy as np
        >>> from fairrep.estimators import FairScoreTransformer
        >>> rng = np.random.default_rng(0)
        >>> s = np.repeat(["a", "b"], 2000)
        >>> scores = rng.beta(np.where(s == "a", 2, 4), 3)[:, None]
        >>> fair = FairScoreTransformer(random_state=0)
        >>> moved = fair.fit_transform(scores, sensitive_features=s)
        >>> [round(float(np.ptp([(p[s == g] > 0.5).mean() for g in "ab"])), 2)
        ...     for p in (scores, moved)]
        [0.34, 0.0]

    Ref: Chzhen, Denis, Hebiri, Oneto, Pontil (2020), NeurIPS; Jiang, Pacchiano, Stepleton, Jiang,
    Chiappa (2020), UAI, for scores of classifiers.
    """

    def __init__(
        self,
        *,
        sigma: float | None = None,
        tau: float = 1.0,
        max_ks: float | None = None,
        halves: bool = False,
        random_state: Any = None,
    ) -> None:
        self.sigma = sigma
        self.tau = tau
        self.max_ks = max_ks
        self.halves = halves
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, sensitive_features: Any = None) -> Self:
        """Read the groups' distributions off rows that the classifier was not fitted on.

        Args:
            X: (n, k) scores; each column is moved on its own.
            y: not read.
            sensitive_features: (n,) or (n, k), the groups; several columns are intersections.

        Raises:
            EstimatorError: a parameter out of its range, fewer than two groups, missing groups, a
                group with too few rows.
        """
        options = MapOptions(self.sigma, self.tau, self.max_ks, self.halves)
        scores = validate_data(self, X, dtype=float)
        least = options.least_rows
        self.groups_, codes = fit_groups(sensitive_features, rows=len(scores), at_least=least)
        rng = as_generator(self.random_state)
        self.maps_ = [
            fit_score_map(column, codes, self.groups_, options, rng=rng) for column in scores.T
        ]
        return self

    def transform(self, X: Any, *, sensitive_features: Any = None) -> np.ndarray:
        """Fair scores (n, k), in the unit of the scores.

        Raises:
            EstimatorError: no groups, or a group that was absent in ``fit``.
        """
        check_is_fitted(self)
        scores = validate_data(self, X, dtype=float, reset=False)
        codes = self.groups_.codes(sensitive_features, rows=len(scores))
        rng = as_generator(self.random_state)
        moved = [own(column, codes, rng=rng) for own, column in zip(self.maps_, scores.T)]
        return np.stack(moved, axis=1)

    def fit_transform(self, X: Any, y: Any = None, *, sensitive_features: Any = None) -> np.ndarray:
        """Fit and transform the same rows."""
        fitted = self.fit(X, sensitive_features=sensitive_features)
        return fitted.transform(X, sensitive_features=sensitive_features)

    def __sklearn_tags__(self) -> Any:
        """Random where equal scores are told apart."""
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.sigma != 0
        return tags
