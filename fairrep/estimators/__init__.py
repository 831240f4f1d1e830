"""Estimators in scikit-learn's manner: FERM, fair regression, fair scores."""
