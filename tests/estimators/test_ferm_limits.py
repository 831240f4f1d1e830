"""FERM's limits: many rows, sparse rows, routing, and what cannot be fitted."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from fairrep.errors import EstimatorError
from fairrep.estimators import FERMClassifier, FERMRegressor, ferm_base
from fairrep.estimators.hinge import fit_hinges
from fairrep.estimators.linear_rows import LinearRows
from fairrep.estimators.multipliers import find_multipliers
from fairrep.estimators.newton import logistic, squared
from tests.estimators.ferm_data import largest_gap, made_up


def test_nystroem_features_approximate_the_kernel():
    """All rows as landmarks are the kernel itself; fewer come near, and keep the bound."""
    X, y, s = made_up(n=200)
    options = {"kernel": "rbf", "gamma": 0.05, "epsilon": 0.1, "C": 0.3, "tol": 1e-6}
    exact = FERMClassifier("logistic", **options).fit(X, y, sensitive_features=s)
    values = exact.decision_function(X)
    errors = []
    for components in (20, 200):
        model = FERMClassifier(
            "logistic", max_exact_rows=199, n_components=components, random_state=0, **options
        )
        found = model.fit(X, y, sensitive_features=s).decision_function(X)
        assert model.coef_.shape == (1, components)
        assert largest_gap(found, y, s, "equal_opportunity") <= 0.1 + 1e-9
        errors.append(np.abs(found - values).max())
    assert errors[1] < 1e-3 < errors[0] < 0.2 * np.abs(values).max()


def test_exact_kernels_go_up_to_the_threshold():
    X, y, s = made_up(n=60)
    at = FERMClassifier(kernel="rbf", max_exact_rows=60).fit(X, y, sensitive_features=s)
    assert not hasattr(at, "nystroem_")
    at.set_params(max_exact_rows=59).fit(X, y, sensitive_features=s)
    assert hasattr(at, "nystroem_")
    assert not hasattr(at, "dual_coef_")


@pytest.mark.parametrize("estimator", ["svm", "logistic", "ridge", "svr"])
@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
def test_sparse_rows_give_the_same(estimator, kernel):
    X, y, s = made_up(d=6)
    X[np.abs(X) < 1] = 0
    kind = FERMClassifier if estimator in ("svm", "logistic") else FERMRegressor
    model = kind(estimator, kernel=kernel, epsilon=0.05, tol=1e-5)
    dense = model.fit(X, y, sensitive_features=s).predict(X)
    thin = model.fit(sparse.csr_matrix(X), y, sensitive_features=s)
    np.testing.assert_allclose(thin.predict(sparse.csr_array(X)), dense, atol=1e-4)


@pytest.mark.slow
def test_a_linear_kernel_builds_no_kernel_and_fills_no_sparse_rows(monkeypatch):
    """1,500 rows of 20,000 features: 240 MB as an array; 18 MB as a kernel, which is not called."""
    rng = np.random.default_rng(0)
    X = sparse.random(1500, 20_000, density=0.002, format="csr", random_state=0)
    y, s = rng.integers(0, 2, 1500), rng.integers(0, 2, 1500)

    def never(*_):
        raise AssertionError("a kernel was built")

    monkeypatch.setattr(ferm_base, "kernel_matrix", never)
    tracemalloc.start()
    model = FERMClassifier("logistic", epsilon=0.01).fit(X, y, sensitive_features=s)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6
    assert np.abs(model.mean_differences_).max() <= 0.01


def test_a_base_learner_of_one_s_own_keeps_its_settings():
    X, y, s = made_up(n=200)
    strong = FERMClassifier(LogisticRegression(C=1e-4)).fit(X, y, sensitive_features=s)
    weak = FERMClassifier(LogisticRegression(C=100.0)).fit(X, y, sensitive_features=s)
    assert np.abs(strong.coef_).max() < 0.1 < np.abs(weak.coef_).max()
    grid = {"estimator__C": [0.1, 1.0]}
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(FERMClassifier(LinearSVC()), grid, cv=2)
        search.fit(X, y, sensitive_features=s)
    assert search.best_params_["estimator__C"] in (0.1, 1.0)


def test_routing_reaches_every_fold():
    """In a Pipeline inside GridSearchCV, with weights too; kernels are cut both ways."""
    X, y, s = made_up(n=120)
    with config_context(enable_metadata_routing=True):
        ferm = FERMClassifier("logistic")
        ferm.set_fit_request(sensitive_features=True, sample_weight=True)
        ferm.set_score_request(sample_weight=True)
        search = GridSearchCV(
            make_pipeline(StandardScaler().set_fit_request(sample_weight=True), ferm),
            {"fermclassifier__epsilon": [0.0, 1.0]},
            cv=3,
            error_score="raise",
        )
        search.fit(X, y, sensitive_features=s, sample_weight=np.ones(len(y)))
        assert not np.isnan(search.cv_results_["mean_test_score"]).any()
        kernel = GridSearchCV(FERMClassifier(kernel="precomputed"), {"C": [0.1, 1.0]}, cv=3)
        linear = GridSearchCV(FERMClassifier(), {"C": [0.1, 1.0]}, cv=StratifiedKFold(3))
        kernel.fit(X @ X.T, y, sensitive_features=s)
        linear.fit(X, y, sensitive_features=s)
    np.testing.assert_allclose(
        kernel.cv_results_["mean_test_score"], linear.cv_results_["mean_test_score"], atol=0.02
    )


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"estimator": "forest"}, {}, "one of svm, logistic, or a scikit-learn est.*'forest'"),
        ({"kernel": "sigmoid"}, {}, "kernel must be one of linear, rbf, poly, precomp.*'sigmoid'"),
        ({"notion": "parity"}, {}, "notion must be one of demographic_parity"),
        ({"epsilon": -0.1}, {}, "epsilon must be 0 .* got -0.1"),
        ({"epsilon": np.nan}, {}, "epsilon must be 0 .* got nan"),
        ({"C": 0}, {}, "C must be positive, got 0"),
        ({"kernel": "rbf", "gamma": -1}, {}, "gamma must be positive, 'scale' or 'auto', got -1"),
        ({"kernel": "precomputed"}, {}, "square kernel matrix of the rows in fit, got 120 × 4"),
        ({"kernel": "rbf", "estimator": LogisticRegression()}, {}, "takes kernel='precomputed'"),
        ({"estimator": DecisionTreeClassifier()}, {}, "coef_ for each of the 4 features, but Dec"),
        ({"estimator": SVC(kernel="rbf")}, {}, "coef_ for each of the 4 features, but SVC"),
        ({}, {"y": np.zeros(120)}, "at least two classes, got one class only: '0.0'"),
        ({}, {"y": np.arange(120) % 2}, "rows with y = 1 to have a mean, got none of b"),
        ({"notion": "equalized_odds"}, {"y": np.arange(120) % 2}, "rows with y = 0 .* none of a"),
        (
            {},
            {"y": np.where(np.arange(120) % 2, 0, 1 + np.arange(120) // 60)},
            "rows with y = 0 .* none of b",
        ),
        ({}, {"X": np.full((120, 4), np.inf)}, "X must be finite numbers, got 480 inf"),
        ({}, {"y": np.full(120, np.nan)}, "y must be finite numbers, got 120 NaN"),
        ({}, {"s": np.zeros(120)}, "at least two groups, got only '0.0'"),
        ({}, {"s": None}, "sensitive_features is required"),
        ({}, {"s": ["a", "b"]}, "each of the 120 rows of X, got 2"),
        ({}, {"s": np.where(np.arange(120) > 5, 1.0, np.nan)}, "must not be missing, got 6 rows"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(options, change, message):
    X, y, s = made_up()
    data = {"X": X, "y": y, "s": s} | change
    with pytest.raises(EstimatorError, match=message) as error:
        FERMClassifier(**options).fit(data["X"], data["y"], sensitive_features=data["s"])
    assert "\n" not in str(error.value)


def test_regressors_say_what_they_cannot_do():
    X, _, s = made_up()
    with pytest.raises(EstimatorError, match="a regressor's notion must be 'demographic_parity'"):
        FERMRegressor(notion="equal_opportunity").fit(X, X[:, 0], sensitive_features=s)
    with pytest.raises(EstimatorError, match="tube must not be negative, got -1"):
        FERMRegressor("svr", tube=-1).fit(X, X[:, 0], sensitive_features=s)
    with pytest.raises(EstimatorError, match="one of ridge, svr"):
        FERMRegressor("svm").fit(X, X[:, 0], sensitive_features=s)


def test_missing_numbers_are_refused_when_predicting():
    X, y, s = made_up()
    model = FERMClassifier().fit(X, y, sensitive_features=s)
    with pytest.raises(EstimatorError, match="X must be finite numbers, got 1 NaN"):
        model.predict([[0, 1, np.nan, 2]])


def test_the_exact_svm_says_when_there_are_too_many_features():
    X = sparse.random(50, 6000, density=0.01, format="csr", random_state=0)
    y, s = np.arange(50) % 2, np.arange(50) // 2 % 2
    with pytest.raises(EstimatorError, match="at most 5,000 features, got 6,000; use a smooth"):
        FERMClassifier().fit(X, y, sensitive_features=s)
    FERMClassifier(LinearSVC()).fit(X, y, sensitive_features=s)


@pytest.mark.parametrize("size", [1, 2])
def test_a_learner_that_no_penalty_moves_is_refused(size):
    """One without regularisation undoes every shrinkage: there is no μ to be found."""
    with (
        pytest.warns(ConvergenceWarning),
        pytest.raises(EstimatorError, match=r"L2-regularised risk.* or use epsilon=0"),
    ):
        find_multipliers(
            lambda mu: (None, np.full(size, 2.0)), np.eye(size), bound=1, tol=1e-3, max_solves=10
        )


def test_the_projection_holds_for_a_learner_without_a_penalty():
    X, y, s = made_up(n=200)
    free = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model = FERMClassifier(free).fit(X, y, sensitive_features=s)
    assert np.abs(model.mean_differences_).max() < 1e-9


@pytest.mark.parametrize("loss", [logistic, squared])
def test_derivatives_of_losses_are_their_derivatives(loss):
    f, y, h = np.linspace(-4, 4, 33), np.tile([-1.0, 1.0, 1.0], 11), 1e-5
    value, slope, curve = loss(f, y)
    assert np.all(value >= 0)
    np.testing.assert_allclose((loss(f + h, y)[0] - loss(f - h, y)[0]) / (2 * h), slope, atol=1e-8)
    np.testing.assert_allclose((loss(f + h, y)[1] - loss(f - h, y)[1]) / (2 * h), curve, atol=1e-8)


@pytest.mark.parametrize("gamma", ["scale", "auto", 0.3])
@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_gamma_means_what_it_does_in_svc(kernel, gamma):
    X, y, s = made_up(n=150)
    options = {"kernel": kernel, "gamma": gamma, "tol": 1e-8}
    model = FERMClassifier(epsilon=np.inf, **options).fit(X, y, sensitive_features=s)
    values = SVC(**options).fit(X, y).decision_function(X)
    np.testing.assert_allclose(model.decision_function(X), values, atol=1e-6)


def test_the_bound_is_kept_when_the_search_is_cut_short():
    X, y, s = made_up(groups=4)
    model = FERMClassifier("svm", epsilon=0.05, notion="equalized_odds", max_solves=3)
    with pytest.warns(ConvergenceWarning, match="did not settle within 3 fits; the bound is kept"):
        model.fit(X, y, sensitive_features=s)
    assert 0.02 < np.abs(model.mean_differences_).max() <= 0.05


def test_equal_means_need_no_multiplier():
    """Rows given to both groups: u is 0, and every ε gives the plain learner."""
    X, y, _ = made_up(n=60)
    X, y, s = np.vstack([X, X]), np.tile(y, 2), np.repeat([0, 1], 60)
    plain = FERMClassifier("logistic", epsilon=np.inf).fit(X, y, sensitive_features=s)
    for epsilon in (0.0, 0.1):
        model = FERMClassifier("logistic", epsilon=epsilon).fit(X, y, sensitive_features=s)
        np.testing.assert_allclose(model.coef_, plain.coef_, atol=1e-8)


def test_one_multiplier_has_a_closed_form_for_the_squared_loss():
    """min (w - c)² / 2 subject to |w| ≤ ε: μ = (c - ε) / ε."""
    found = find_multipliers(
        lambda mu: (None, np.array([3.0 / (1 + mu[0])])),
        np.eye(1),
        bound=0.5,
        tol=1e-10,
        max_solves=50,
    )
    assert abs(found.multipliers[0] - 5.0) < 1e-7
    assert found.solves <= 6  # the gap is linear in the force: secants, not halvings


def test_costs_of_hinges_are_repetitions():
    rng = np.random.default_rng(0)
    X, signs = rng.normal(size=(40, 3)), np.where(rng.random(40) > 0.5, 1.0, -1.0)
    times = rng.integers(1, 4, 40)
    none = np.zeros((40, 1))
    once = fit_hinges(LinearRows(X, none), signs, np.ones(40), times * 0.5, tol=1e-9)
    rows = LinearRows(np.repeat(X, times, axis=0), np.zeros((times.sum(), 1)))
    full = np.ones(times.sum())
    again = fit_hinges(rows, np.repeat(signs, times), full, 0.5 * full, tol=1e-9)
    np.testing.assert_allclose(np.append(*once), np.append(*again), atol=1e-10)


def test_a_ridge_of_many_features_is_scikit_learn_s():
    """More features than are solved at once: conjugate gradients."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2100))
    y, s = X[:, 0] + rng.normal(size=80), np.arange(80) % 2
    model = FERMRegressor("ridge", C=0.01, epsilon=np.inf, tol=1e-6)
    model.fit(X, y, sensitive_features=s)
    np.testing.assert_allclose(model.predict(X), Ridge(100.0).fit(X, y).predict(X), atol=1e-6)
