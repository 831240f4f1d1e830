"""Estimators in scikit-learn's manner: FERM, fair regression, fair scores."""

from fairrep.estimators.fair_regression import WassersteinBarycenterRegressor
from fairrep.estimators.fair_scores import FairScoreTransformer

__all__ = ["FairScoreTransformer", "WassersteinBarycenterRegressor"]
