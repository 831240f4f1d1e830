"""FairProjection: what it takes out, what it leaves, and how it lives in scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairrep.errors import EstimatorError
from fairrep.estimators import FairProjection
from fairrep.functional.mean_projection import mean_difference_directions, project_out
from fairrep.penalties.notion import NOTIONS
from tests.estimators.ferm_data import differences, made_up

METHODS = ("orthogonal", "coordinate")


@settings(max_examples=40, deadline=None)
@given(
    notion=st.sampled_from(NOTIONS),
    method=st.sampled_from(METHODS),
    groups=st.integers(2, 4),
    seed=st.integers(0, 10_000),
)
def test_no_mean_differs_between_groups_afterwards(notion, method, groups, seed):
    X, y, s = made_up(groups=groups, d=9, seed=seed)
    projection = FairProjection(notion, method).fit(X, y, sensitive_features=s)
    Z = projection.transform(X)
    assert np.abs(differences(Z, y, s, notion)).max() < 1e-9 * np.abs(X).max()
    k = projection.directions_.shape[1]
    assert k == np.linalg.matrix_rank(differences(X, y, s, notion))
    assert Z.shape[1] == (9 if method == "orthogonal" else 9 - k)


@pytest.mark.parametrize("notion", NOTIONS)
@pytest.mark.parametrize("groups", [2, 4])
def test_both_forms_give_the_same_classifier(notion, groups):
    """The same linear functions: without a penalty on norms, the same decision values."""
    X, y, s = made_up(n=400, groups=groups, d=8)
    values = []
    for method in METHODS:
        Z = FairProjection(notion, method).fit_transform(X, y, sensitive_features=s)
        learner = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(Z, y)
        values.append(learner.decision_function(Z))
    np.testing.assert_allclose(*values, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_shrinkage_is_the_share_of_the_difference_that_goes(method):
    X, y, s = made_up(groups=3, d=6)
    before = differences(X, y, s, "equalized_odds")
    part = FairProjection("equalized_odds", method, shrinkage=0.3)
    after = differences(part.fit_transform(X, y, sensitive_features=s), y, s, "equalized_odds")
    np.testing.assert_allclose(after, 0.7 * before, atol=1e-10)
    none = FairProjection("equalized_odds", method, shrinkage=0)
    np.testing.assert_array_equal(none.fit_transform(X, y, sensitive_features=s), X)


def test_orthogonal_is_the_projection_of_the_torch_baseline():
    X, _, s = made_up(groups=3)
    Z = FairProjection("demographic_parity").fit_transform(X, sensitive_features=s)
    x, codes = torch.tensor(X), torch.tensor(np.unique(s, return_inverse=True)[1])
    expected = project_out(x, mean_difference_directions(x, codes, groups=3))
    np.testing.assert_allclose(Z, expected.numpy(), atol=1e-12)


def test_the_paper_s_formula():
    """x_j - x_i u_j / u_i, with i where |u_i| is largest."""
    X, y, s = made_up()
    u = differences(X, y, s, "equal_opportunity")[:, 0]
    i = np.abs(u).argmax()
    Z = FairProjection(method="coordinate").fit_transform(X, y, sensitive_features=s)
    np.testing.assert_allclose(Z, np.delete(X - X[:, [i]] * u / u[i], i, axis=1), atol=1e-12)


def test_sparse_rows_give_the_same_and_coordinate_keeps_them_sparse():
    X, y, s = made_up(d=6)
    X[np.abs(X) < 1] = 0
    for method in METHODS:
        projection = FairProjection(method=method).fit(X, y, sensitive_features=s)
        thin = FairProjection(method=method).fit(sparse.csr_matrix(X), y, sensitive_features=s)
        Z = thin.transform(sparse.csr_array(X))
        assert sparse.issparse(Z) == (method == "coordinate")
        found = Z.toarray() if sparse.issparse(Z) else Z
        np.testing.assert_allclose(found, projection.transform(X), atol=1e-12)
    untouched = X[:, thin.dropped_[0]] == 0
    kept = np.delete(X, thin.dropped_, axis=1)
    np.testing.assert_array_equal(found[untouched], kept[untouched])


def test_row_order_and_names_of_groups_decide_nothing():
    X, y, s = made_up(groups=3)
    order = np.random.default_rng(1).permutation(len(y))
    names = pd.Series(s).map({"a": 9, "b": -1, "d": 4}).to_numpy()
    Z = FairProjection().fit(X, y, sensitive_features=s).transform(X)
    other = FairProjection().fit(X[order], y[order], sensitive_features=names[order]).transform(X)
    np.testing.assert_allclose(Z, other, atol=1e-12)


def test_weights_are_repetitions():
    X, y, s = made_up(groups=3)
    times = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = FairProjection().fit(X, y, sensitive_features=s, sample_weight=times)
    repeated = FairProjection().fit(
        *(np.repeat(part, times, axis=0) for part in (X, y)),
        sensitive_features=np.repeat(s, times),
    )
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-12)


def test_equal_means_lose_nothing():
    X = np.array([[0.1, 1.0], [0.3, 3.0], [0.3, 3.0], [0.1, 1.0]])
    projection = FairProjection("demographic_parity").fit(X, sensitive_features=[0, 0, 1, 1])
    assert projection.directions_.shape == (2, 0)
    np.testing.assert_array_equal(projection.transform(X), X)


def test_more_classes_are_each_the_positive_one_in_turn():
    X, y, s = made_up(classes=3, d=9)
    Z = FairProjection().fit_transform(X, y, sensitive_features=s)
    for k in range(3):
        rows = y == k
        gap = Z[rows & (s == "a")].mean(0) - Z[rows & (s == "b")].mean(0)
        assert np.abs(gap).max() < 1e-10


def test_names_of_features_and_pandas_output():
    X, y, s = made_up()
    frame = pd.DataFrame(X, columns=["age", "income", "hours", "debt"])
    projection = FairProjection(method="coordinate").set_output(transform="pandas")
    Z = projection.fit_transform(frame, y, sensitive_features=s)
    dropped = frame.columns[projection.dropped_[0]]
    assert list(Z) == [name for name in frame if name != dropped]
    assert list(Z) == list(projection.get_feature_names_out())
    whole = FairProjection().fit(frame, y, sensitive_features=s)
    assert list(whole.get_feature_names_out()) == list(frame)


def test_composes_in_a_pipeline_and_a_grid_search():
    """The groups reach the projection by name, or by routing."""
    X, y, s = made_up()
    steps = make_pipeline(StandardScaler(), FairProjection(), LogisticRegression())
    steps.fit(X, y, fairprojection__sensitive_features=s)
    with config_context(enable_metadata_routing=True):
        routed = make_pipeline(
            StandardScaler(),
            FairProjection().set_fit_request(sensitive_features=True),
            LogisticRegression(),
        )
        search = GridSearchCV(routed, {"fairprojection__shrinkage": [0.0, 1.0]}, cv=3)
        search.fit(X, y, sensitive_features=s)
        routed.fit(X, y, sensitive_features=s)
    np.testing.assert_array_equal(routed.predict(X), steps.predict(X))
    assert search.cv_results_["mean_test_score"].shape == (2,)


@pytest.mark.parametrize(
    ("options", "change", "message"),
    [
        ({"notion": "parity"}, {}, "notion must be one of demographic_parity, equal_opp"),
        ({"method": "svd"}, {}, "method must be one of orthogonal, coordinate, got 'svd'"),
        ({"shrinkage": 1.5}, {}, r"shrinkage must lie in \[0, 1\], got 1.5"),
        ({}, {"y": None}, "requires y to be passed.* notion='demographic_parity'"),
        ({}, {"y": np.zeros(120)}, "at least two classes, got only '0.0'"),
        ({}, {"y": np.arange(120) % 2}, "rows with y = 1 to have a mean, got none of b"),
        ({}, {"X": np.full((120, 2), np.nan)}, "X must be finite numbers, got 240 NaN"),
        ({}, {"s": None}, "sensitive_features is required"),
        ({}, {"s": np.zeros(120)}, "at least two groups, got only '0.0'"),
    ],
)
def test_what_cannot_be_fitted_is_said_in_one_line(options, change, message):
    X, y, s = made_up()
    data = {"X": X, "y": y, "s": s} | change
    with pytest.raises(EstimatorError, match=message) as error:
        FairProjection(**options).fit(data["X"], data["y"], sensitive_features=data["s"])
    assert "\n" not in str(error.value)


def test_missing_numbers_are_refused_when_transforming():
    X, y, s = made_up()
    projection = FairProjection().fit(X, y, sensitive_features=s)
    with pytest.raises(EstimatorError, match="X must be finite numbers, got 1 inf"):
        projection.transform([[0, 1, np.inf, 2]])
