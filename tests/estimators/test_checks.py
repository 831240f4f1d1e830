"""scikit-learn's own checks, through classes that supply the groups."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from fairrep.estimators import FairScoreTransformer, WassersteinBarycenterRegressor
from tests.estimators.supplied import groups_of


class SuppliedRegressor(WassersteinBarycenterRegressor):
    def fit(self, X, y=None, sample_weight=None) -> Any:
        s, self.threshold_ = groups_of(X)
        return super().fit(X, y, sensitive_features=s, sample_weight=sample_weight)

    def predict(self, X, *, sensitive_features=None):
        s = groups_of(X, self.threshold_)[0] if hasattr(self, "threshold_") else None
        return super().predict(X, sensitive_features=s)


class SuppliedTransformer(FairScoreTransformer):
    def fit(self, X, y=None) -> Any:
        s, self.threshold_ = groups_of(X)
        return super().fit(X, y, sensitive_features=s)

    def transform(self, X):
        s = groups_of(X, self.threshold_)[0] if hasattr(self, "threshold_") else None
        return super().transform(X, sensitive_features=s)

    def fit_transform(self, X, y=None):
        return self.fit(X, y).transform(X)


WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "weights go to the base; calibration rows "
    "are halved at random, and a row that stands twice may fall into both halves"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        SuppliedRegressor(Ridge()),
        SuppliedRegressor(Ridge(), sigma=0, cv=2),
        SuppliedTransformer(),
        SuppliedTransformer(sigma=0),
    ],
    expected_failed_checks=lambda estimator: WEIGHTS if hasattr(estimator, "cv") else {},
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
