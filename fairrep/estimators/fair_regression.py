"""Fair regression: any regressor, then the Wasserstein barycenter of its groups' predictions."""

from __future__ import annotations

import numbers
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, column_or_1d, get_tags, indexable
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from fairrep.errors import EstimatorError
from fairrep.estimators.group_rows import share_of_every_group
from fairrep.estimators.groups import fit_groups
from fairrep.estimators.score_map import MapOptions, as_generator, fit_score_map


class WassersteinBarycenterRegressor(RegressorMixin, MetaEstimatorMixin, BaseEstimator):
    r"""Predictions that are distributed alike in every group, as near to a regressor's as can be.

    .. math:: \hat g(x, s) = (1 - \tau) f(x) + \tau \sum_k \hat p_k\, \hat Q_k(\hat F_s(f(x)))

    f is the base regressor; :math:`\hat F_s` and :math:`\hat Q_k` are distribution and quantile
    functions of its predictions on the calibration rows of a group. With τ = 1 the
    Kolmogorov–Smirnov distance between two groups' predictions is, in the mean, at most
    :math:`0.87\,(n_s^{-1/2} + n_k^{-1/2})` for n calibration rows of a group, whatever f is and
    however the data are distributed: given these rows, :math:`\sum_k \hat p_k \hat Q_k` is one
    increasing function for all groups, so that they differ by the errors of :math:`\hat F` alone.
    The order of predictions within a group stays.

    Args:
        estimator: the base regressor. It sees X as it is; whether the group is a column of X is
            the user's choice.
        cv: which rows calibrate. ``"split"``: a part of the rows of ``fit``, which the base does
            not see. A number k or a scikit-learn splitter: predictions out of fold of all rows,
            and a base fitted on all. ``"prefit"``: all rows, of a base that is fitted already.
        calibration_size: share of every group's rows for ``cv="split"``, in (0, 1).
        sigma: how equal predictions are told apart. None: at random among themselves. A positive
            number: every prediction is jittered by a uniform draw of [-σ, σ], in the label's unit,
            as published. 0: not at all (mid-ranks), so that ``predict`` is deterministic; then the
            bound above holds for predictions without ties only.
        tau: τ in [0, 1], how far to go from the base (0) to equal distributions (1).
        max_ks: the greatest KS distance allowed on validation rows, a third of the calibration
            rows: the least τ (in steps of 0.01) that meets it takes the place of ``tau``.
        halves: read :math:`\hat F` off one half of the calibration rows and :math:`\hat Q` off the
            other, as published; the bound then holds for n / 2 rows.
        aware: whether ``predict`` is told the groups. If not, ``group_estimator`` predicts them,
            and the map is fitted on predicted groups: what is equal is the distribution in these,
            and between true groups the more remains, the worse they are predicted.
        group_estimator: classifier of the groups for ``aware=False``; None is a logistic
            regression.
        random_state: seed of splits, halves and jitter; with a number, ``predict`` repeats itself.

    Attributes:
        estimator_: the fitted base.
        groups_: the groups, their values and rows (:class:`fairrep.estimators.groups.Groups`).
        group_estimator_: the fitted classifier of the groups, for ``aware=False``.
        map_: the fitted map (:class:`fairrep.estimators.score_map.ScoreMap`) with its ``tau`` and,
            if ``max_ks`` chose it, ``ks`` on the validation rows before and after.

    Example:
        >>> import numpy as np
        >>> from sklearn.linear_model import LinearRegression
        >>> from fairrep.estimators import WassersteinBarycenterRegressor
        >>> rng = np.random.default_rng(0)
        >>> s = rng.integers(2, size=4000)
        >>> X = np.column_stack([rng.normal(size=4000) + 2 * s, s])
        >>> y = X[:, 0] + rng.normal(size=4000)
        >>> fair = WassersteinBarycenterRegressor(LinearRegression(), random_state=0)
        >>> fair = fair.fit(X, y, sensitive_features=s)
        >>> base, moved = fair.estimator_.predict(X), fair.predict(X, sensitive_features=s)
        >>> [round(abs(float(p[s == 1].mean() - p[s == 0].mean())), 1) for p in (base, moved)]
        [2.1, 0.0]

    Ref: Chzhen, Denis, Hebiri, Oneto, Pontil (2020), NeurIPS; τ < 1: Chzhen and Schreuder (2022),
    Annals of Statistics 50.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        cv: Any = "split",
        calibration_size: float = 0.3,
        sigma: float | None = None,
        tau: float = 1.0,
        max_ks: float | None = None,
        halves: bool = False,
        aware: bool = True,
        group_estimator: Any = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.calibration_size = calibration_size
        self.sigma = sigma
        self.tau = tau
        self.max_ks = max_ks
        self.halves = halves
        self.aware = aware
        self.group_estimator = group_estimator
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any = None, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> Self:
        """Fit the base as ``cv`` says, then calibrate.

        Args:
            X: (n, p), whatever the base takes.
            y: (n,) labels; not read with ``cv="prefit"``.
            sensitive_features: (n,) or (n, k), the groups; several columns are intersections.
            sample_weight: (n,), handed to the base.

        Raises:
            EstimatorError: a parameter out of its range, fewer than two groups, missing groups, a
                group with too few rows, predictions that are not finite.
        """
        options = self.check_parameters()
        X, y = self._validated(X, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        rng = as_generator(self.random_state)
        codes = self._fit_groups(X, sensitive_features, options)
        train, held = self._split(codes, options, rng)
        predicted = self._fit_base(X, y, sample_weight, train, held, rng)
        if not self.aware:
            classifier = self.group_estimator or _balanced_classifier()
            self.group_estimator_ = clone(classifier).fit(_safe_indexing(X, train), codes[train])
            codes = self.group_estimator_.predict(X)
        self.map_ = fit_score_map(predicted, codes[held], self.groups_, options, rng=rng)
        return self

    def calibrate(self, X: Any, *, sensitive_features: Any = None) -> Self:
        """Fit the map anew on other rows, which need no labels; the base stays.

        Args:
            X: (n, p) rows that the base was not fitted on.
            sensitive_features: their groups, which may be others than in ``fit``; for
                ``aware=False`` they are not read.

        Raises:
            EstimatorError: as :meth:`fit`.
        """
        check_is_fitted(self, "estimator_")
        options = self.check_parameters()
        if self.aware:
            codes = self._fit_groups(X, sensitive_features, options)
        else:
            codes = self.group_estimator_.predict(X)
        rng = as_generator(self.random_state)
        self.map_ = fit_score_map(self.estimator_.predict(X), codes, self.groups_, options, rng=rng)
        return self

    def predict(self, X: Any, *, sensitive_features: Any = None) -> np.ndarray:
        """Fair predictions (n,), in the label's unit.

        Args:
            X: (n, p).
            sensitive_features: their groups; not read with ``aware=False``.

        Raises:
            EstimatorError: no groups, or a group that was absent in ``fit``.
        """
        check_is_fitted(self, "map_")
        validate_data(self, X, skip_check_array=True, reset=False)
        scores = self.estimator_.predict(X)
        if self.aware:
            codes = self.groups_.codes(sensitive_features, rows=len(scores))
        else:
            codes = self.group_estimator_.predict(X)
        return self.map_(scores, codes, rng=as_generator(self.random_state))

    def score(
        self, X: Any, y: Any, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> float:
        """R² of :meth:`predict`."""
        predicted = self.predict(X, sensitive_features=sensitive_features)
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        """What the base takes; random where equal predictions are told apart."""
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        tags.target_tags.required = not (isinstance(self.cv, str) and self.cv == "prefit")
        tags.regressor_tags.poor_score = True  # what the groups explain is given up
        tags.non_deterministic = self.sigma != 0
        return tags

    def check_parameters(self) -> MapOptions:
        """The map's parameters, if all are in their ranges.

        Raises:
            EstimatorError: the first that is not.
        """
        if not 0 < self.calibration_size < 1:
            raise EstimatorError(
                f"calibration_size must be in (0, 1), got {self.calibration_size}."
            )
        if isinstance(self.cv, str) and self.cv not in ("split", "prefit"):
            raise EstimatorError(
                f"cv must be 'split', 'prefit', a number of folds or a splitter, got '{self.cv}'."
            )
        if isinstance(self.cv, numbers.Integral) and self.cv < 2:
            raise EstimatorError(f"cv must be at least 2 folds, got {self.cv}.")
        return MapOptions(self.sigma, self.tau, self.max_ks, self.halves)

    def _validated(self, X: Any, y: Any) -> tuple[Any, Any]:
        """X as the base takes it, y as a column; both can be indexed."""
        prefit = isinstance(self.cv, str) and self.cv == "prefit"
        if y is None and not prefit:
            raise EstimatorError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; only "
                "cv='prefit' does without."
            )
        y = None if y is None else column_or_1d(y, warn=True)
        X, y = indexable(X, y)
        validate_data(self, X, skip_check_array=True)
        return X, y

    def _fit_groups(self, X: Any, sensitive_features: Any, options: MapOptions) -> np.ndarray:
        self.groups_, codes = fit_groups(
            sensitive_features, rows=_num_samples(X), at_least=options.least_rows
        )
        return codes

    def _split(
        self, codes: np.ndarray, options: MapOptions, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows that the base is fitted on, and rows that calibrate."""
        everyone = np.arange(len(codes))
        if not isinstance(self.cv, str) or self.cv == "prefit":
            return everyone, everyone
        held = share_of_every_group(
            codes, self.calibration_size, at_least=options.least_rows, rng=rng
        )
        if len(held) == len(codes):
            raise EstimatorError(
                f"cv='split' must leave rows to the base, got {len(codes)} rows that all "
                "calibrate; give more rows, or calibrate out of fold: cv=5."
            )
        return np.setdiff1d(everyone, held), held

    def _fit_base(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        train: np.ndarray,
        held: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Fit the base; its predictions of the calibration rows."""
        if isinstance(self.cv, str) and self.cv == "prefit":
            check_is_fitted(self.estimator)
            self.estimator_ = self.estimator
            return self.estimator_.predict(X)
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        own = {name: values[train] for name, values in given.items()}
        self.estimator_ = clone(self.estimator).fit(
            _safe_indexing(X, train), _safe_indexing(y, train), **own
        )
        if isinstance(self.cv, str):
            return self.estimator_.predict(_safe_indexing(X, held))
        cv = self.cv
        if isinstance(cv, numbers.Integral):
            cv = KFold(int(cv), shuffle=True, random_state=int(rng.integers(2**31)))
        return cross_val_predict(clone(self.estimator), X, y, cv=cv, params=given)


def _balanced_classifier() -> Any:
    """A classifier that predicts small groups too."""
    scaler = StandardScaler(with_mean=False)  # sparse X stays sparse
    return make_pipeline(scaler, LogisticRegression(class_weight="balanced", max_iter=1000))
