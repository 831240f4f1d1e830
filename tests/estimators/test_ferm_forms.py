"""FERM: every form of the same problem gives the same function."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC, SVR, LinearSVC

from fairrep.estimators import FairProjection, FERMClassifier, FERMRegressor
from tests.estimators.ferm_data import largest_gap, made_up

PARITY = "demographic_parity"


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
