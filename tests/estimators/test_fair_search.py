"""FairSearchCV: scikit-learn's own checks, the constraint, the trials, mistakes."""

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from xgboost import XGBClassifier

from fairrep.errors import FairrepError
from fairrep.estimators import FairSearchCV, FERMClassifier
from fairrep.estimators.prediction_metrics import class_metrics, number_metrics
from tests.estimators.balanced import balanced_groups

STRENGTH = {"C": FloatDistribution(1e-4, 10, log=True)}


class Search(FairSearchCV):
    def fit(self, X, y=None, **params):
        return super().fit(X, y, sensitive_features=balanced_groups(X, y), **params)


@parametrize_with_checks(
    [
        Search(LogisticRegression(), STRENGTH, n_trials=2, cv=2, random_state=0),
        Search(Ridge(), {"alpha": [0.1, 1.0]}, n_trials=2, cv=2, random_state=0),
    ],
    expected_failed_checks=lambda estimator: {
        "check_dtype_object": "a TypeError in every trial is told as one ValueError"
    },
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def people():
    """600 rows; the label depends on the group through one feature, and on another."""
    rng = np.random.default_rng(0)
    s = rng.choice(["a", "b"], 600)
    X = rng.normal(size=(600, 3)) + (s == "b")[:, None] * [1.5, 0, 0]
    y = np.where(X[:, 0] + X[:, 1] + rng.normal(size=600) > 0.7, "yes", "no")
    return X, y, s


@pytest.mark.slow
def test_a_constrained_search_is_fair_where_a_plain_one_is_not(people):
    X, y, s = people
    options = {"n_trials": 22, "cv": 3, "random_state": 0}
    space = {"C": FloatDistribution(1e-5, 10, log=True)}
    fair, plain = (
        FairSearchCV(LogisticRegression(), space, enforce=enforce, **options).fit(
            X, y, sensitive_features=s
        )
        for enforce in (True, False)
    )
    assert fair.feasible_
    assert fair.best_unfairness_ <= 0.05
    assert plain.best_unfairness_ > 0.2
    assert plain.best_score_ > fair.best_score_
    assert fair.feasible_count_ == fair.trials_dataframe()["feasible"].sum() >= 1


def test_unfairness_is_that_of_all_predictions_out_of_fold(people):
    X, y, s = people
    cv = KFold(4, shuffle=True, random_state=3)
    search = FairSearchCV(LogisticRegression(), STRENGTH, n_trials=2, cv=cv, random_state=0)
    search.fit(X, y, sensitive_features=s)
    predicted = cross_val_predict(
        LogisticRegression(**search.best_params_), X, y, cv=KFold(4, shuffle=True, random_state=3)
    )
    rates = [np.mean(predicted[s == group] == "yes") for group in ("a", "b")]
    assert search.best_unfairness_ == pytest.approx(abs(rates[0] - rates[1]))


def test_it_predicts_as_its_best_estimator_on_frames_in_pipelines(people):
    X, y, s = people
    frame = pd.DataFrame(X, columns=["u", "v", "w"])
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0))
    space = {"randomforestclassifier__max_depth": {"low": 1, "high": 6}}
    search = FairSearchCV(
        forest, space, constraint="equalized_odds_difference<=0.3", n_trials=3, cv=2, random_state=1
    ).fit(frame, y, sensitive_features=pd.Series(s))
    assert search.score(frame, y) > 0.6
    assert (search.predict(frame) == search.best_estimator_.predict(frame)).all()
    assert search.predict_proba(frame).shape == (600, 2)
    assert list(search.classes_) == ["no", "yes"]
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]
    assert search.best_score_ == search.cv_results_["mean_test_score"][search.best_index_]


@pytest.mark.parametrize(
    ("learner", "space"),
    [
        (RandomForestClassifier(5, random_state=0), {"max_depth": {"low": 1, "high": 6}}),
        (HistGradientBoostingClassifier(max_iter=5), {"learning_rate": {"low": 1e-3, "high": 0.5}}),
        (XGBClassifier(n_estimators=5, n_jobs=1), {"learning_rate": {"low": 1e-3, "high": 0.5}}),
        (MLPClassifier(max_iter=3, random_state=0), {"hidden_layer_sizes": [4, 8]}),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_any_classifier_can_be_searched(people, learner, space):
    X, y, s = people
    y = (y == "yes").astype(int)
    search = FairSearchCV(learner, space, n_trials=3, cv=2, sampler="random", random_state=0)
    search.fit(X, y, sensitive_features=s)
    table = search.trials_dataframe()
    assert (table["state"] == "complete").all()
    cv = StratifiedKFold(2)
    best = learner.__class__(**learner.get_params() | search.best_params_)
    assert search.best_score_ == pytest.approx(cross_val_score(best, X, y, cv=cv).mean())


def test_an_estimator_that_takes_the_groups_gets_them(people):
    X, y, s = people
    search = FairSearchCV(
        FERMClassifier("logistic", notion="demographic_parity"),
        {"epsilon": [0.0, 10.0]},
        constraint="demographic_parity_difference<=0.1",
        n_trials=4,
        cv=2,
        random_state=0,
    ).fit(X, y, sensitive_features=s)
    assert search.best_params_ == {"epsilon": 0.0}


def test_regressors_are_bound_by_ks_distance_and_callables(people):
    X, _, s = people

    def spread(y_true, y_pred, sensitive_features):
        return np.std(y_pred)

    search = FairSearchCV(
        Ridge(),
        {"alpha": {"low": 1e-2, "high": 1e6, "log": True}},
        constraint=["demographic_parity_difference<=0.9", (spread, 0.5)],
        n_trials=14,
        cv=2,
        random_state=0,
    ).fit(X, X[:, 0], sensitive_features=s)
    assert search.feasible_
    table = search.trials_dataframe()
    assert (table["feasible"] == (table["spread"] <= 0.5)).all()


def test_metrics_match_their_definitions():
    y = np.array([1, 1, 0, 0, 1, 0])
    predicted = np.array([1, 0, 0, 0, 1, 1])
    s = np.array(list("aaabbb"))
    found = {name: m(y, predicted, s) for name, m in class_metrics(np.array([0, 1])).items()}
    assert found == pytest.approx(
        {
            "demographic_parity_difference": 1 / 3,
            "equal_opportunity_difference": 1 / 2,
            "equalized_odds_difference": 1 / 2,
            "demographic_parity_ratio": 1 / 2,
            "accuracy": 4 / 6,
            "balanced_accuracy": 4 / 6,
        }
    )
    values = np.array([0.0, 1.0, 2.0, 1.5, 2.5, 3.5])
    numbers = {name: metric(y, values, s) for name, metric in number_metrics().items()}
    assert numbers["demographic_parity_difference"] == pytest.approx(2 / 3)
    assert numbers["mean_difference"] == pytest.approx(1.5)


def test_a_stored_search_goes_on_with_the_same_data_only(people, tmp_path):
    X, y, s = people

    def search(n_trials):
        return FairSearchCV(
            LogisticRegression(),
            STRENGTH,
            n_trials=n_trials,
            cv=2,
            random_state=0,
            storage=tmp_path,
        )

    first = search(2).fit(X, y, sensitive_features=s).trials_dataframe()
    second = search(4).fit(X, y, sensitive_features=s).trials_dataframe()
    assert second["param_C"][:2].tolist() == first["param_C"].tolist()
    with pytest.raises(FairrepError, match="another data; choose another name or storage"):
        search(4).fit(X + 1, y, sensitive_features=s)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"constraint": "gap<=0.1"}, "one of the metrics demographic_parity_difference, .*'gap'"),
        ({"constraint": "demographic_parity_difference<=-1"}, "ε must be >= 0"),
        ({"space": {}}, "space must name at least one parameter"),
        ({"space": {"depth": [1]}}, r"parameters of LogisticRegression \(C, .*\), got depth"),
        ({"space": {"C": [-1.0]}}, "the last 5 trials failed.*C"),
        ({"n_trials": 0}, "n_trials must be at least 1"),
        ({"sampler": "grid"}, "sampler must be one of gp, tpe, random"),
        ({"prune": True, "n_jobs": 2}, "prune needs folds one after another, got n_jobs=2"),
    ],
)
def test_mistakes_are_one_line(people, settings, message):
    X, y, s = people
    options = {"space": STRENGTH, "n_trials": 6, "cv": 2} | settings
    search = FairSearchCV(LogisticRegression(), options.pop("space"), **options)
    with pytest.raises(FairrepError, match=message) as mistake:
        search.fit(X, y, sensitive_features=s)
    assert "\n" not in str(mistake.value)
    assert isinstance(mistake.value, ValueError)


def test_probabilities_can_be_bound(people):
    X, y, s = people
    search = FairSearchCV(
        LogisticRegression(),
        STRENGTH,
        constraint=["auc>=0.6", "score_mean_difference<=0.9"],
        n_trials=3,
        cv=KFold(3, shuffle=True, random_state=0),
        random_state=0,
    ).fit(X, y, sensitive_features=s)
    chances = cross_val_predict(
        LogisticRegression(**search.best_params_),
        X,
        y,
        cv=KFold(3, shuffle=True, random_state=0),
        method="predict_proba",
    )[:, 1]
    at = search.best_index_
    assert search.cv_results_["auc"][at] == pytest.approx(roc_auc_score(y, chances))
    means = [chances[s == group].mean() for group in ("a", "b")]
    found = search.cv_results_["score_mean_difference"][at]
    assert found == pytest.approx(abs(means[0] - means[1]))


def test_pruned_settings_are_not_the_best(people):
    X, y, s = people
    options = {"n_trials": 14, "cv": 3, "sampler": "random", "random_state": 0}
    space = {"C": FloatDistribution(1e-5, 10, log=True)}
    search = FairSearchCV(LogisticRegression(), space, prune=True, **options)
    search.fit(X, y, sensitive_features=s)
    table = search.trials_dataframe()
    pruned = table["state"] == "pruned"
    assert pruned.any()
    assert len(search.cv_results_["params"]) == (~pruned).sum()
    best = table[~pruned].iloc[search.best_index_]
    assert best["param_C"] == search.best_params_["C"]


def test_a_fold_without_one_of_the_groups_is_measured_with_the_others(people):
    """Differences are of all predictions out of fold; those of one fold alone are not needed."""
    X, y, s = people
    order = np.argsort(s, kind="stable")  # folds in a row: the outer ones hold one group
    for prune in (False, True):
        options = {"n_trials": 2, "cv": KFold(4), "random_state": 0, "prune": prune}
        search = FairSearchCV(LogisticRegression(), STRENGTH, **options)
        search.fit(X[order], y[order], sensitive_features=s[order])
        assert (search.trials_dataframe()["state"] == "complete").all()
