"""NVPSearchCV: two-step selection, GridSearchCV in every other respect."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fairrep.errors import EstimatorError
from fairrep.estimators import FairProjection, FERMClassifier, NVPSearchCV
from fairrep.estimators.nvp_search import shortlist
from fairrep.estimators.unfairness import prediction_difference
from tests.estimators.ferm_data import made_up

GRID = {"C": [0.001, 0.01, 0.1, 1.0]}
FOLDS = StratifiedKFold(4)


def by_hand(model, grid, X, y, s, notion="equal_opportunity"):
    """Mean accuracy and mean unfairness of every C over the folds."""
    table = np.zeros((2, len(grid)))
    for train, test in FOLDS.split(X, y):
        for i, C in enumerate(grid):
            fitted = clone(model).set_params(C=C)
            options = {"sensitive_features": s[train]} if hasattr(model, "epsilon") else {}
            fitted.fit(X[train], y[train], **options)
            predicted = fitted.predict(X[test])
            rates = []
            for group in np.unique(s):
                rows = s[test] == group
                if notion == "equal_opportunity":
                    rows &= y[test] == 1
                rates.append(predicted[rows].mean())
            table[:, i] += (predicted == y[test]).mean(), max(rates) - min(rates)
    return table / 4


@pytest.mark.parametrize("notion", ["equal_opportunity", "demographic_parity"])
@pytest.mark.parametrize("model", [FERMClassifier("logistic", epsilon=0.5), LogisticRegression()])
def test_the_least_unfair_within_97_percent_of_the_best_score(model, notion):
    """With an estimator whose fit takes the groups, and with one whose fit does not."""
    X, y, s = made_up(n=300, groups=3)
    search = NVPSearchCV(model, GRID, unfairness=notion, cv=FOLDS)
    search.fit(X, y, sensitive_features=s)
    accuracy, unfairness = by_hand(model, GRID["C"], X, y, s, notion)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], accuracy)
    np.testing.assert_allclose(search.cv_results_["mean_test_unfairness"], unfairness)
    short = accuracy >= 0.97 * accuracy.max()
    np.testing.assert_array_equal(search.cv_results_["shortlisted"], short)
    expected = np.where(short, unfairness, np.inf).argmin()
    assert search.best_index_ == expected
    assert search.best_params_ == {"C": GRID["C"][expected]}
    assert search.best_score_ == accuracy[expected]
    assert search.best_unfairness_ == pytest.approx(unfairness[expected])
    refitted = clone(model).set_params(C=GRID["C"][expected])
    refitted.fit(X, y, **({"sensitive_features": s} if hasattr(model, "epsilon") else {}))
    np.testing.assert_array_equal(search.predict(X), refitted.predict(X))
    assert search.score(X, y) == refitted.score(X, y)


def test_columns_of_unfairness_stand_beside_those_of_grid_search():
    X, y, s = made_up(n=200)
    plain = GridSearchCV(LogisticRegression(), GRID, cv=FOLDS, return_train_score=True).fit(X, y)
    search = NVPSearchCV(LogisticRegression(), GRID, cv=FOLDS, return_train_score=True)
    search.fit(X, y, sensitive_features=s)
    results = pd.DataFrame(search.cv_results_)
    for column in plain.cv_results_:
        if not column.endswith("_time"):
            assert list(results[column]) == list(plain.cv_results_[column]), column
    splits = results[[f"split{i}_test_unfairness" for i in range(4)]]
    np.testing.assert_allclose(results["mean_test_unfairness"], splits.mean(axis=1))
    np.testing.assert_allclose(results["std_test_unfairness"], splits.std(axis=1, ddof=0))
    ranks = results["mean_test_unfairness"].rank(method="min").astype(int)
    assert list(results["rank_test_unfairness"]) == list(ranks)
    assert "mean_train_unfairness" in results
    assert not search.multimetric_
    assert search.scorer_(search, X, y) == search.score(X, y)


def test_shortlists():
    assert shortlist(np.array([0.80, 0.777, 0.775, np.nan]), share=0.97).tolist() == [1, 1, 0, 0]
    assert shortlist(np.array([-1.0, -1.02, -1.04]), share=0.97).tolist() == [1, 1, 0]
    assert not shortlist(np.array([np.nan]), share=0.97).any()


def test_share_one_takes_the_best_score():
    X, y, s = made_up(n=300)
    search = NVPSearchCV(LogisticRegression(), GRID, cv=FOLDS, share=1)
    search.fit(X, y, sensitive_features=s)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()


def test_refit_scoring_and_splitters_mean_what_they_do_in_grid_search():
    X, y, s = made_up(n=200)
    fitted = {}
    for name, options in {
        "none": {"refit": False},
        "first": {"refit": lambda results: 0},
        "auc": {"scoring": "roc_auc"},
        "own": {"scoring": lambda model, X, y: -model.C},
        "several": {"scoring": ["accuracy", "roc_auc"], "refit": "roc_auc"},
        "groups": {"cv": GroupKFold(4)},
    }.items():
        search = NVPSearchCV(LogisticRegression(), GRID, **({"cv": FOLDS} | options))
        extra = {"groups": np.arange(200) // 10} if name == "groups" else {}
        fitted[name] = search.fit(X, y, sensitive_features=s, **extra)
    assert not hasattr(fitted["none"], "best_estimator_")
    assert fitted["none"].best_index_ in range(4)
    assert fitted["first"].best_params_ == {"C": 0.001}
    auc = GridSearchCV(LogisticRegression(), GRID, cv=FOLDS, scoring="roc_auc").fit(X, y)
    for name, column in (("auc", "mean_test_score"), ("several", "mean_test_roc_auc")):
        np.testing.assert_array_equal(
            fitted[name].cv_results_[column], auc.cv_results_["mean_test_score"]
        )
    assert fitted["own"].best_params_ == {"C": 0.001}
    assert fitted["several"].multimetric_
    assert set(fitted["several"].scorer_) == {"accuracy", "roc_auc"}
    assert fitted["groups"].n_splits_ == 4


@pytest.mark.slow
def test_processes_change_nothing():
    X, y, s = made_up(n=200)
    one = NVPSearchCV(FERMClassifier("logistic"), GRID, cv=FOLDS).fit(X, y, sensitive_features=s)
    two = clone(one).set_params(n_jobs=2).fit(X, y, sensitive_features=s)
    for column in ("mean_test_score", "mean_test_unfairness"):
        np.testing.assert_array_equal(one.cv_results_[column], two.cv_results_[column])


def test_a_measure_of_one_s_own():
    X, y, s = made_up(n=200)

    def always(y_true, y_pred, groups):
        assert len(y_true) == len(y_pred) == len(groups) == 50
        return float(len(np.unique(groups)))

    search = NVPSearchCV(LogisticRegression(), GRID, cv=FOLDS, unfairness=always)
    search.fit(X, y, sensitive_features=s)
    assert set(search.cv_results_["mean_test_unfairness"]) == {2.0}
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()  # of equals


def test_groups_reach_the_steps_of_a_pipeline_that_take_them():
    X, y, s = made_up(n=200)
    steps = make_pipeline(StandardScaler(), FairProjection(), LinearSVC())
    grid = {"fairprojection__shrinkage": [0.0, 1.0]}
    search = NVPSearchCV(steps, grid, cv=FOLDS, share=0.5)
    search.fit(X, y, sensitive_features=s)
    assert search.best_params_ == {"fairprojection__shrinkage": 1.0}
    with config_context(enable_metadata_routing=True):
        routed = clone(search).fit(X, y, sensitive_features=s)
    for column in ("mean_test_score", "mean_test_unfairness"):
        np.testing.assert_array_equal(routed.cv_results_[column], search.cv_results_[column])


def test_routing_hands_the_groups_to_estimator_and_scorer():
    X, y, s = made_up(n=200)
    search = NVPSearchCV(FERMClassifier("logistic", epsilon=0.5), GRID, cv=FOLDS)
    search.fit(X, y, sensitive_features=s)
    with config_context(enable_metadata_routing=True):
        routed = clone(search).fit(X, y, sensitive_features=s)
        outer = make_pipeline(StandardScaler(), clone(search))
        outer.fit(X, y, sensitive_features=s)
    np.testing.assert_array_equal(
        routed.cv_results_["mean_test_unfairness"], search.cv_results_["mean_test_unfairness"]
    )
    assert outer[-1].best_params_["C"] in GRID["C"]


def test_weights_reach_fit_and_score():
    X, y, s = made_up(n=200)
    weights = np.random.default_rng(0).random(200)
    model, grid = LogisticRegression(), {"C": [0.1, 1.0]}
    plain = GridSearchCV(model, grid, cv=FOLDS).fit(X, y, sample_weight=weights)
    search = NVPSearchCV(model, grid, cv=FOLDS)
    search.fit(X, y, sensitive_features=s, sample_weight=weights)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )


def test_regressors_are_compared_by_mean_predictions():
    X, _, s = made_up(n=200)
    y = X.sum(1)
    search = NVPSearchCV(Ridge(), {"alpha": [0.1, 1e4]}, unfairness="demographic_parity", cv=4)
    search.fit(X, y, sensitive_features=s)
    narrow, wide = search.cv_results_["mean_test_unfairness"][::-1]
    assert narrow < wide
    assert search.best_params_ == {"alpha": 0.1}  # the other is not on the shortlist


def test_folds_that_lack_a_group_are_left_out_of_the_mean():
    X, y, s = made_up(n=80)
    order = np.argsort(s, kind="stable")  # the groups one after the other
    X, y, s = X[order], y[order], s[order]
    mixed, pure = np.arange(20, 60), np.arange(0, 20)
    cut = [(np.arange(80), mixed), (np.arange(80), pure)]
    search = NVPSearchCV(LogisticRegression(), {"C": [1.0]}, cv=cut)
    search.fit(X, y, sensitive_features=s)
    results = search.cv_results_
    assert np.isnan(results["split1_test_unfairness"][0])
    assert results["mean_test_unfairness"][0] == results["split0_test_unfairness"][0]
    search = NVPSearchCV(LogisticRegression(), {"C": [1.0]}, cv=[cut[1]])
    with pytest.raises(EstimatorError, match="two groups to compare; use fewer folds"):
        search.fit(X, y, sensitive_features=s)


def test_differences_of_rates_are_counted():
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    p = np.array([1, 0, 1, 1, 1, 0, 0, 0])
    s = np.array(list("aabbaabb"))

    def difference(notion, classes=(0, 1), predicted=p):
        return prediction_difference(
            y, predicted, sensitive_features=s, notion=notion, classes=classes
        )

    assert difference("equal_opportunity") == 0.5
    assert difference("demographic_parity") == 0.0
    assert difference("equalized_odds") == 0.5
    assert difference("demographic_parity", None, p * 2.0 + (s == "a")) == 1.0
    assert np.isnan(difference("equal_opportunity", (2, 3)))


@pytest.mark.parametrize(
    ("options", "groups", "message"),
    [
        ({"unfairness": "parity"}, "s", "notion must be one of"),
        ({"share": 0}, "s", r"share must lie in \(0, 1\], got 0"),
        ({}, None, "sensitive_features is required"),
        ({}, ["a"], "each of the 120 rows of X, got 1"),
    ],
)
def test_what_cannot_be_searched_is_said_in_one_line(options, groups, message):
    X, y, s = made_up()
    search = NVPSearchCV(LogisticRegression(), GRID, **options)
    with pytest.raises(EstimatorError, match=message) as error:
        search.fit(X, y, sensitive_features=s if groups == "s" else groups)
    assert "\n" not in str(error.value)


def test_scorers_made_by_scikit_learn_keep_their_requests():
    """A scorer that asks for weights gets them beside the groups."""
    X, y, s = made_up(n=200)
    seen = []

    def accuracy(y_true, y_pred, sample_weight=None):
        seen.append(sample_weight is not None)
        return float((y_true == y_pred).mean())

    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy).set_score_request(sample_weight=True)
        model = LogisticRegression().set_fit_request(sample_weight=True)
        search = NVPSearchCV(model, {"C": [1.0]}, cv=FOLDS, scoring=scorer)
        search.fit(X, y, sensitive_features=s, sample_weight=np.ones(200))
    assert seen == [True] * 4
