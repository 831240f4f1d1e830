"""FERM: the bound holds, the risk is the least, and every form of the problem agrees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, SVR, LinearSVC

from fairrep.estimators import FairProjection, FERMClassifier, FERMRegressor
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


def test_infinite_epsilon_is_exactly_the_plain_learner():
    X, y, s = made_up(n=200)
    values = X.sum(1) + y
    for learner, kernel in (
        (LogisticRegression(C=0.5), "linear"),
        (LinearSVC(random_state=0), "linear"),
        (SVC(gamma=0.3), "rbf"),
    ):
        model = FERMClassifier(learner, kernel=kernel, gamma=0.3, epsilon=np.inf)
        model.fit(X, y, sensitive_features=s)
        learner.fit(X, y)
        found, plain = model.decision_function(X), learner.decision_function(X)
        np.testing.assert_allclose(found, plain, atol=1e-10)
    model = FERMRegressor(Ridge(2.0), epsilon=np.inf).fit(X, values, sensitive_features=s)
    np.testing.assert_array_equal(model.coef_[0], Ridge(2.0).fit(X, values).coef_)
    model = FERMRegressor(KernelRidge(), kernel="rbf", gamma=0.3, epsilon=np.inf)
    plain = KernelRidge(kernel="rbf", gamma=0.3).fit(X, values)
    model.fit(X, values, sensitive_features=s)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), atol=1e-10)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, np.inf])
def test_named_learners_are_scikit_learn_s(epsilon):
    """The same problems: liblinear, libsvm, Newton and the interior-point method agree."""
    X, y, s = made_up(n=200, groups=3)
    values = X.sum(1) + y
    fine = {"epsilon": epsilon, "tol": 1e-6}
    linear = dict(fine, notion=PARITY)
    pairs = [
        (FERMClassifier("svm", **linear), FERMClassifier("svm", kernel=_dot, **linear)),
        (
            FERMClassifier("logistic", C=0.5, **linear),
            FERMClassifier(LogisticRegression(C=0.5, tol=1e-10, max_iter=1000), **linear),
        ),
        (
            FERMClassifier("svm", kernel="rbf", **linear),
            FERMClassifier(SVC(tol=1e-8), kernel="rbf", **linear),
        ),
        (FERMRegressor("ridge", C=0.5, **fine), FERMRegressor(Ridge(2.0), **fine)),
        (
            FERMRegressor("svr", **fine),
            FERMRegressor(SVR(tol=1e-8), kernel=_dot, **fine),
        ),
    ]
    for ours, theirs in pairs:
        y_now = y if isinstance(ours, FERMClassifier) else values
        f, g = (
            model.fit(X, y_now, sensitive_features=s)._values(X)[:, 0] for model in (ours, theirs)
        )
        np.testing.assert_allclose(f, g, atol=2e-3 * np.abs(f).max())


def _dot(a, b):
    return a @ b


@pytest.mark.parametrize("epsilon", [0.0, 0.1, np.inf])
@pytest.mark.parametrize("estimator", ["svm", "logistic", "ridge", "svr"])
def test_a_linear_kernel_is_linear(estimator, epsilon):
    """Primal and dual: features against the kernel of the same features, given as a matrix."""
    X, y, s = made_up(n=150, groups=3)
    kind = FERMClassifier if estimator in ("svm", "logistic") else FERMRegressor
    options = {"epsilon": epsilon, "notion": PARITY, "tol": 1e-6}
    linear = kind(estimator, **options).fit(X, y, sensitive_features=s)
    kernel = kind(estimator, kernel="precomputed", **options)
    kernel.fit(X @ X.T, y, sensitive_features=s)
    new = made_up(seed=1)[0]
    np.testing.assert_allclose(linear._values(new), kernel._values(new @ X.T), atol=2e-3)
    assert not hasattr(linear, "dual_coef_")
    assert not hasattr(kernel, "coef_")


@pytest.mark.parametrize("estimator", ["svm", "logistic"])
def test_zero_epsilon_is_the_plain_learner_on_projected_rows(estimator):
    """The projected kernel is the kernel of the projected features."""
    X, y, s = made_up(groups=3)
    Z = FairProjection().fit_transform(X, y, sensitive_features=s)
    for kernel in ("linear", "precomputed"):
        rows, projected = (X, Z) if kernel == "linear" else (X @ X.T, Z @ Z.T)
        options = {"kernel": kernel, "tol": 1e-6}
        fair = FERMClassifier(estimator, **options).fit(rows, y, sensitive_features=s)
        plain = FERMClassifier(estimator, epsilon=np.inf, **options)
        plain.fit(projected, y, sensitive_features=s)
        np.testing.assert_allclose(
            fair.decision_function(rows), plain.decision_function(projected), atol=1e-5
        )


@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_a_polynomial_kernel_is_its_explicit_features(epsilon):
    """(1 + ⟨x, z⟩)² in the plane has six features."""
    X, y, s = made_up(d=2)
    a, b = X.T
    root = np.sqrt(2)
    features = np.column_stack([a**2, b**2, root * a * b, root * a, root * b, np.ones_like(a)])
    options = {"epsilon": epsilon, "tol": 1e-6, "C": 0.5}
    kernel = FERMClassifier("logistic", kernel="poly", gamma=1.0, degree=2, coef0=1.0, **options)
    explicit = FERMClassifier("logistic", **options).fit(features, y, sensitive_features=s)
    np.testing.assert_allclose(
        kernel.fit(X, y, sensitive_features=s).decision_function(X),
        explicit.decision_function(features),
        atol=1e-4,
    )


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_row_order_and_names_of_groups_decide_nothing(kernel):
    X, y, s = made_up(groups=3)
    order = np.random.default_rng(1).permutation(len(y))
    names = np.array([{"a": 9, "b": -1, "d": 4}[value] for value in s])
    model = FERMClassifier("logistic", kernel=kernel, epsilon=0.1, tol=1e-6)
    values = model.fit(X, y, sensitive_features=s).decision_function(X)
    model.fit(X[order], y[order], sensitive_features=names[order])
    np.testing.assert_allclose(model.decision_function(X), values, atol=1e-5)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("estimator", ["svm", "logistic"])
def test_weights_are_repetitions(kernel, estimator):
    X, y, s = made_up(groups=2)
    times = np.random.default_rng(0).integers(0, 4, len(y))
    model = FERMClassifier(estimator, kernel=kernel, epsilon=0.1, tol=1e-6)
    model.fit(X, y, sensitive_features=s, sample_weight=times)
    values = model.decision_function(X)
    model.fit(
        *(np.repeat(part, times, axis=0) for part in (X, y)),
        sensitive_features=np.repeat(s, times),
    )
    np.testing.assert_allclose(model.decision_function(X), values, atol=1e-4)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_many_classes_are_one_against_the_rest_each_with_its_own_bound(epsilon):
    X, y, s = made_up(n=300, classes=3, groups=2)
    model = FERMClassifier("logistic", epsilon=epsilon, tol=1e-6)
    model.fit(X, np.array(["x", "y", "z"])[y], sensitive_features=s)
    values = model.decision_function(X)
    for k in range(3):
        one = FERMClassifier("logistic", epsilon=epsilon, tol=1e-6)
        one.fit(X, (y == k).astype(int), sensitive_features=s)
        np.testing.assert_allclose(values[:, k], one.decision_function(X), atol=1e-6)
        gap = largest_gap(values[:, k], (y == k).astype(int), s, "equal_opportunity")
        assert gap <= epsilon + 1e-10
    assert set(model.predict(X)) <= {"x", "y", "z"}
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(1)], model.predict(X))


def test_many_classes_on_a_kernel_start_each_from_the_same_kernel():
    X, y, s = made_up(n=150, classes=3)
    model = FERMClassifier("logistic", kernel="rbf", tol=1e-6).fit(X, y, sensitive_features=s)
    last = FERMClassifier("logistic", kernel="rbf", tol=1e-6)
    last.fit(X, (y == 2).astype(int), sensitive_features=s)
    np.testing.assert_allclose(
        model.decision_function(X)[:, 2], last.decision_function(X), atol=1e-6
    )


def test_a_kernel_matrix_is_the_kernel_and_is_left_alone():
    X, y, s = made_up(n=150)
    new = made_up(seed=1)[0]
    options = {"epsilon": 0.1, "tol": 1e-6}
    K = rbf_kernel(X, gamma=0.2)
    before = K.copy()
    given = FERMClassifier(kernel="precomputed", **options).fit(K, y, sensitive_features=s)
    np.testing.assert_array_equal(K, before)
    named = FERMClassifier(kernel="rbf", gamma=0.2, **options).fit(X, y, sensitive_features=s)
    np.testing.assert_allclose(
        given.decision_function(rbf_kernel(new, X, gamma=0.2)), named.decision_function(new)
    )
    weights = np.arange(150) % 3
    given.fit(K, y, sensitive_features=s, sample_weight=weights)
    named.fit(X, y, sensitive_features=s, sample_weight=weights)
    np.testing.assert_allclose(
        given.decision_function(rbf_kernel(new, X, gamma=0.2)), named.decision_function(new)
    )


def test_probabilities_are_the_logistic_function_of_decision_values():
    X, y, s = made_up()
    model = FERMClassifier("logistic", epsilon=0.1).fit(X, y, sensitive_features=s)
    f = model.decision_function(X)
    np.testing.assert_allclose(model.predict_proba(X), np.column_stack([expit(-f), expit(f)]))
    assert not hasattr(FERMClassifier("svm"), "predict_proba")
    assert hasattr(FERMClassifier(LogisticRegression()), "predict_proba")
