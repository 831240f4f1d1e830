"""FERM: the bound holds, and the risk is the least that it allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from fairrep.estimators import FERMClassifier, FERMRegressor
from fairrep.penalties.notion import NOTIONS
from tests.estimators.ferm_data import differences, largest_gap, made_up

PARITY = "demographic_parity"
FINE = 1e-7


def risk(model, X, y, C):
    """The penalised risk of a linear model of one problem."""
    f = X @ model.coef_[0] + model.intercept_[0]
    if isinstance(model, FERMRegressor):
        miss = np.abs(y - f)
        loss = miss**2 / 2 if model.estimator == "ridge" else np.maximum(0, miss - model.tube)
    else:
        margin = (2 * y - 1) * f
        hinge = model.estimator == "svm"
        loss = np.maximum(0, 1 - margin) if hinge else np.logaddexp(0, -margin)
    return model.coef_[0] @ model.coef_[0] / 2 + C * loss.sum()


@settings(max_examples=40, deadline=None)
@given(
    notion=st.sampled_from(NOTIONS),
    groups=st.sampled_from([2, 4]),
    estimator=st.sampled_from(["svm", "logistic"]),
    kernel=st.sampled_from(["linear", "rbf", "poly"]),
    epsilon=st.sampled_from([0.0, 0.02, 0.3]),
    seed=st.integers(0, 10_000),
)
def test_mean_decision_values_differ_by_at_most_epsilon(
    notion, groups, estimator, kernel, epsilon, seed
):
    X, y, s = made_up(groups=groups, seed=seed)
    model = FERMClassifier(estimator, kernel=kernel, epsilon=epsilon, notion=notion)
    model.fit(X, y, sensitive_features=s)
    values = model.decision_function(X)
    gap = largest_gap(values, y, s, notion)
    rounding = 1e-9 * max(1.0, np.abs(values).max())
    assert gap <= epsilon + rounding
    np.testing.assert_allclose(np.abs(model.mean_differences_).max(), gap, atol=rounding)
    free = FERMClassifier(estimator, kernel=kernel, epsilon=np.inf, notion=notion)
    free_gap = np.abs(free.fit(X, y, sensitive_features=s).mean_differences_).max()
    if 0 < epsilon < free_gap and model.n_solves_ < model.max_solves:
        assert gap >= 0.99 * epsilon  # nothing is given away


@settings(max_examples=15, deadline=None)
@given(
    groups=st.sampled_from([2, 4]),
    estimator=st.sampled_from(["ridge", "svr"]),
    kernel=st.sampled_from(["linear", "rbf"]),
    epsilon=st.sampled_from([0.0, 0.02, 0.3]),
    seed=st.integers(0, 10_000),
)
def test_mean_predictions_differ_by_at_most_epsilon(groups, estimator, kernel, epsilon, seed):
    X, _, s = made_up(groups=groups, seed=seed)
    y = X.sum(1) + np.sin(3 * X[:, 0])
    model = FERMRegressor(estimator, kernel=kernel, epsilon=epsilon)
    values = model.fit(X, y, sensitive_features=s).predict(X)
    assert largest_gap(values, y, s, PARITY) <= epsilon + 1e-9 * np.abs(values).max()


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("estimator", ["logistic", "ridge"])
def test_positive_epsilon_equals_a_general_constrained_solver(estimator, notion, groups):
    """SLSQP on min risk subject to |⟨w, u⟩| ≤ ε, with its own derivatives."""
    X, y, s = made_up(n=90, groups=groups)
    C, epsilon = 0.5, 0.05
    if estimator == "ridge":
        if notion != PARITY:
            pytest.skip("regressors know demographic parity only")
        y = X.sum(1) + y
        model = FERMRegressor("ridge", C=C, epsilon=epsilon, tol=FINE)
    else:
        model = FERMClassifier("logistic", C=C, epsilon=epsilon, notion=notion, tol=FINE)
    model.fit(X, y, sensitive_features=s)
    U = differences(X, y, s, notion)
    Z = np.hstack([X, np.ones((len(X), 1))])

    def objective(w):
        f = Z @ w
        if estimator == "ridge":
            loss, slope = (f - y) ** 2 / 2, f - y
        else:
            loss, slope = np.logaddexp(0, f) - y * f, expit(f) - y
        return w[:-1] @ w[:-1] / 2 + C * loss.sum(), np.append(w[:-1], 0) + C * Z.T @ slope

    rows = np.vstack([U.T, -U.T])
    bound = {
        "type": "ineq",
        "fun": lambda w: epsilon - rows @ w[:-1],
        "jac": lambda w: np.hstack([-rows, np.zeros((len(rows), 1))]),
    }
    best = minimize(
        objective,
        np.zeros(Z.shape[1]),
        jac=True,
        constraints=bound,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    found = np.append(model.coef_[0], model.intercept_)
    assert np.abs(U.T @ model.coef_[0]).max() <= epsilon * (1 + 1e-12)
    np.testing.assert_allclose(objective(found)[0], best.fun, rtol=1e-6)
    np.testing.assert_allclose(found, best.x, atol=1e-4)


@pytest.mark.parametrize("estimator", ["svm", "svr"])
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_piecewise_losses_equal_a_quadratic_programme(estimator, epsilon):
    """SLSQP with a slack variable a hinge."""
    X, y, s = made_up(n=36, d=3)
    C, n = 0.3, 36
    if estimator == "svr":
        y = X.sum(1)
        model = FERMRegressor("svr", C=C, epsilon=epsilon, tube=0.2, tol=FINE)
        signs, offsets = np.repeat([1, -1], n), np.concatenate([y - 0.2, -y - 0.2])
    else:
        model = FERMClassifier("svm", C=C, epsilon=epsilon, notion=PARITY, tol=FINE)
        signs, offsets = 2 * y - 1, np.ones(n)
    model.fit(X, y, sensitive_features=s)
    u = differences(X, y, s, PARITY)[:, 0]
    q, Z = len(signs), np.tile(np.hstack([X, np.ones((n, 1))]), (len(signs) // n, 1))
    A = np.vstack(
        [
            np.hstack([signs[:, None] * Z, np.eye(q)]),
            np.hstack([np.zeros((q, 4)), np.eye(q)]),
            np.hstack([[u, -u], np.zeros((2, 1 + q))]),
        ]
    )
    least = np.concatenate([offsets, np.zeros(q), np.full(2, -epsilon)])
    best = minimize(
        lambda v: (
            v[:3] @ v[:3] / 2 + C * v[4:].sum(),
            np.concatenate([v[:3], [0], np.full(q, C)]),
        ),
        np.concatenate([np.zeros(4), np.abs(offsets) + 1]),
        jac=True,
        constraints={"type": "ineq", "fun": lambda v: A @ v - least, "jac": lambda v: A},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    np.testing.assert_allclose(risk(model, X, y, C), best.fun, rtol=1e-6)
    np.testing.assert_allclose(model.coef_[0], best.x[:3], atol=1e-3)


@pytest.mark.parametrize("notion", NOTIONS)
def test_the_kkt_conditions_hold(notion):
    """∇risk + Σ λ_k u_k = 0 with λ_k = μ_k ⟨w, u_k⟩, μ ≥ 0, and μ_k > 0 only at the bound."""
    X, y, s = made_up(n=200, groups=4)
    model = FERMClassifier("logistic", C=0.7, epsilon=0.1, notion=notion, tol=FINE)
    model.fit(X, y, sensitive_features=s)
    U, w = differences(X, y, s, notion), model.coef_[0]
    f = X @ w + model.intercept_[0]
    np.testing.assert_allclose(U.T @ w, model.mean_differences_[0], atol=1e-10)
    slope = 0.7 * (expit(f) - y)
    forces = model.multipliers_[0] * model.mean_differences_[0]
    scale = np.abs(X.T @ slope).max() + 1
    assert np.abs(w + X.T @ slope + U @ forces).max() < 1e-6 * scale
    assert abs(slope.sum()) < 1e-6 * scale
    assert (model.multipliers_ >= 0).all()
    assert np.abs(model.mean_differences_).max() <= 0.1
    slack = 0.1 - np.abs(model.mean_differences_[0])
    assert np.abs(forces) @ slack <= 1e-6 * np.abs(forces).sum()


@pytest.mark.parametrize("estimator", ["svm", "logistic", "ridge", "svr"])
def test_the_least_risk_falls_as_epsilon_rises(estimator):
    X, y, s = made_up(n=200, groups=3)
    risks = []
    for epsilon in (0, 0.01, 0.1, 0.3, 1, 3, np.inf):
        if estimator in ("svm", "logistic"):
            model = FERMClassifier(estimator, epsilon=epsilon, notion=PARITY)
        else:
            model = FERMRegressor(estimator, epsilon=epsilon)
        risks.append(risk(model.fit(X, y, sensitive_features=s), X, y, 1.0))
    falls = -np.diff(risks)
    assert (falls > -1e-6 * risks[0]).all()
    assert risks[0] > 1.01 * risks[-1]  # the constraint costs something here
