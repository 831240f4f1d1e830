"""Fair regression: the guarantee, the closed form, the least change, and every way to calibrate."""

import itertools

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from fairrep.errors import EstimatorError
from fairrep.estimators import WassersteinBarycenterRegressor
from fairrep.functional.group_distributions import largest_ks_distance


class FirstColumn(RegressorMixin, BaseEstimator):
    """A base that predicts the first column of X."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0]


def ks(values, s):
    codes = np.unique(s, return_inverse=True)[1]
    return float(
        largest_ks_distance(torch.tensor(values), torch.tensor(codes), groups=codes.max() + 1)
    )


def ks_most(*sizes):
    """Sum of DKW's bounds on sup|F̂ - F| for samples of these sizes; each fails 1 time in 10,000."""
    return sum((np.log(2e4) / (2 * m)) ** 0.5 for m in sizes)


def people(n, seed=0, groups=2):
    """Groups of unequal sizes whose features and labels differ in mean and scale."""
    rng = np.random.default_rng(seed)
    s = rng.choice(groups, size=n, p=np.arange(1, groups + 1) / (groups * (groups + 1) / 2))
    X = np.column_stack([rng.normal(size=(n, 2)) * (1 + s)[:, None] + s[:, None], s])
    return X, X[:, 0] + 0.5 * X[:, 1] + rng.normal(size=n), s


def fair(base=None, **options):
    base = FirstColumn() if base is None else base
    return WassersteinBarycenterRegressor(base, **{"random_state": 0, **options})


def prefit(**options):
    base = FirstColumn().fit(np.zeros((1, 3)))
    return fair(base, cv="prefit", **options)


LAWS = {
    "skewed": lambda n, rng: rng.gamma(0.3, size=n),
    "heavy-tailed": lambda n, rng: rng.standard_cauchy(n),
    "counts": lambda n, rng: rng.poisson(1.5, size=n).astype(float),
    "constant": lambda n, rng: np.zeros(n),
}


@pytest.mark.parametrize(
    "law", ["skewed", *(pytest.param(law, marks=pytest.mark.slow) for law in [*LAWS][1:])]
)
@pytest.mark.parametrize(("sigma", "halves"), [(None, False), (None, True), (1e-3, False)])
def test_ks_distance_falls_like_the_root_whatever_the_predictions(law, sigma, halves):
    """Mean KS ≤ 0.87 (n_a^-½ + n_b^-½) for n rows, or half of them, with σ and without."""
    rng = np.random.default_rng(3)
    draws, fresh = 20, 20_000

    def rows(n):
        s = np.repeat([0, 1], n)
        return np.where(s == 0, LAWS[law](2 * n, rng), 3 * LAWS[law](2 * n, rng) - 1)[:, None], s

    for n in (100, 1600):
        found = []
        for seed in range(draws):
            X, s = rows(n)
            model = prefit(sigma=sigma, halves=halves, random_state=seed).fit(
                np.hstack([X, X, X]), sensitive_features=s
            )
            X, s = rows(fresh)
            found.append(ks(model.predict(np.hstack([X, X, X]), sensitive_features=s), s))
        noise = 2 * 0.8687 / fresh**0.5
        bound = 2 * 0.8687 / (n / (1 + halves)) ** 0.5 + noise
        assert np.mean(found) < bound + 3 * np.std(found) / draws**0.5


def test_gaussians_are_moved_by_the_closed_form():
    """f | s ~ N(m_s, c_s²) becomes Σ p m + Σ p c (f - m_s) / c_s."""
    n = 200_000
    rng = np.random.default_rng(0)
    s = (rng.random(n) < 0.25).astype(int)
    means, scales, shares = np.array([0, 3]), np.array([1, 2]), np.array([0.75, 0.25])
    X = np.column_stack([means[s] + scales[s] * rng.normal(size=n)] * 3)
    model = prefit().fit(X, sensitive_features=s)
    t = np.linspace(-1.5, 1.5, 13)
    for g in (0, 1):
        asked = np.column_stack([means[g] + scales[g] * t] * 3)
        found = model.predict(asked, sensitive_features=np.full(13, g))
        exact = shares @ means + shares @ scales * t
        # a quantile at 1.5 deviations errs by 1.93 m^-½ deviations; the smaller group has n / 4
        assert np.abs(found - exact).max() < 5 * 2 * 1.93 * (shares @ scales) / (n / 4) ** 0.5


@pytest.mark.parametrize("groups", [2, 3])
def test_no_other_fair_map_is_nearer(groups):
    """Squared distance to f: below every group's own distribution, the pooled one, and ranks."""
    X, _, s = people(40_000, groups=groups)
    model = prefit().fit(X, sensitive_features=s)
    f, moved = X[:, 0], model.predict(X, sensitive_features=s)
    parts = [np.sort(f[s == g]) for g in range(groups)]
    level = np.empty(len(f))
    for g in range(groups):
        level[s == g] = (np.argsort(np.argsort(f[s == g])) + 0.5) / (s == g).sum()
    others = [np.quantile(part, level) for part in (*parts, f)]
    others.append(f.mean() + f.std() * 3**0.5 * (2 * level - 1))  # uniform
    others.append(np.full(len(f), f.mean()))
    assert ks(moved, s) < 0.03
    assert all(ks(other, s) < 0.03 for other in others)
    assert ((moved - f) ** 2).mean() < min(((other - f) ** 2).mean() for other in others)


def test_halves_share_out_the_rows_and_the_whole_serves_both():
    X, _, s = people(1001)
    whole, halved = (prefit(halves=halves).fit(X, sensitive_features=s) for halves in (False, True))
    for g in (0, 1):
        own = np.sort(X[s == g, 0])
        for sample in (whole.map_.distributions[g], whole.map_.targets[g]):
            np.testing.assert_array_equal(sample, own)
        both = torch.cat([halved.map_.distributions[g], halved.map_.targets[g]])
        np.testing.assert_array_equal(both.sort().values, own)
        assert abs(len(halved.map_.distributions[g]) - len(own) / 2) < 1


@pytest.mark.parametrize("sigma", [None, 0])
def test_the_order_within_a_group_stays(sigma):
    X, _, s = people(3000)
    moved = prefit(sigma=sigma).fit(X, sensitive_features=s).predict(X, sensitive_features=s)
    for g in (0, 1):
        order = np.argsort(X[s == g, 0])
        assert (np.diff(moved[s == g][order]) >= 0).all()


def test_tau_goes_from_the_base_to_equal_distributions():
    X, _, s = people(4000)
    moved = {
        tau: prefit(tau=tau, sigma=0).fit(X, sensitive_features=s).predict(X, sensitive_features=s)
        for tau in (0, 0.5, 1)
    }
    np.testing.assert_array_equal(moved[0], X[:, 0])
    np.testing.assert_allclose(moved[0.5], (moved[0] + moved[1]) / 2)
    assert ks(moved[0], s) > ks(moved[0.5], s) > ks(moved[1], s)


def test_max_ks_changes_as_little_as_it_may():
    """The next smaller τ of the grid does not meet the bound on the validation rows."""
    X, _, s = people(20_000)
    model = prefit(max_ks=0.1).fit(X, sensitive_features=s)
    before, after = model.map_.ks
    assert after <= 0.1 < before
    assert 0 < model.map_.tau < 1
    moved = prefit().fit(X, sensitive_features=s).predict(X, sensitive_features=s)
    at, less = (
        ks((1 - tau) * X[:, 0] + tau * moved, s) for tau in (model.map_.tau, model.map_.tau - 0.1)
    )
    assert at < 0.11 < less
    assert prefit(max_ks=0.9).fit(X, sensitive_features=s).map_.tau == 0


def test_a_bound_that_no_tau_meets_is_said():
    X, _, s = people(60)
    with pytest.warns(UserWarning, match=r"max_ks=0\.001 is met by no tau: on \d+ validation"):
        model = prefit(max_ks=0.001).fit(X, sensitive_features=s)
    assert model.map_.tau == 1


def test_the_split_keeps_calibration_rows_from_the_base():
    """A tree that knows its rows by heart would otherwise calibrate on its labels."""
    X, y, s = people(2000)
    model = fair(DecisionTreeRegressor(random_state=0)).fit(X, y, sensitive_features=s)
    known = (model.estimator_.predict(X) == y).mean()
    assert known == pytest.approx(0.7, abs=0.01)  # calibration_size is 0.3
    fresh, _, s_fresh = people(20_000, seed=1)
    most = ks_most(200, 400, 6666, 13333)  # 30% of the groups, fresh rows
    assert ks(model.predict(fresh, sensitive_features=s_fresh), s_fresh) < most


@pytest.mark.parametrize("cv", [4, KFold(4, shuffle=True, random_state=1)])
def test_folds_calibrate_on_predictions_of_rows_unseen(cv):
    X, y, s = people(2000)
    model = fair(DecisionTreeRegressor(random_state=0), cv=cv).fit(X, y, sensitive_features=s)
    assert (model.estimator_.predict(X) == y).all()  # the base is fitted on all rows
    samples = torch.cat(list(model.map_.distributions))
    assert len(samples) == 2000
    if not isinstance(cv, int):
        out_of_fold = cross_val_predict(DecisionTreeRegressor(random_state=0), X, y, cv=cv)
        np.testing.assert_array_equal(samples.sort().values, np.sort(out_of_fold))


def test_calibrating_anew_takes_unlabelled_rows_and_leaves_the_base():
    X, y, s = people(2000)
    model = fair(LinearRegression()).fit(X, y, sensitive_features=s)
    base = model.estimator_
    shifted = X + [5, 0, 0]  # another population
    before = ks(model.predict(shifted, sensitive_features=s), s)
    model.calibrate(shifted, sensitive_features=s)
    assert model.estimator_ is base
    assert ks(model.predict(shifted, sensitive_features=s), s) < ks_most(666, 1333) < before
    np.testing.assert_allclose(model.map_.weights, [(s == g).mean() for g in (0, 1)])


def test_without_groups_at_predict_time_some_difference_stays():
    """Equal distributions in predicted groups; between true ones less than before."""
    X, y, s = people(20_000)
    X = X[:, :2] + np.column_stack([s, -s])  # s can be guessed
    fresh, _, s_fresh = people(20_000, seed=1)
    fresh = fresh[:, :2] + np.column_stack([s_fresh, -s_fresh])
    classifier = LogisticRegression()
    model = fair(Ridge(), aware=False, group_estimator=classifier).fit(X, y, sensitive_features=s)
    moved = model.predict(fresh)
    guessed = model.group_estimator_.predict(fresh)
    base = ks(model.estimator_.predict(fresh), s_fresh)
    most = ks_most(*(0.3 * np.bincount(guessed)), *np.bincount(guessed))
    assert ks(moved, guessed) < most < ks(moved, s_fresh) < base
    assert not hasattr(classifier, "coef_")


def test_the_default_guess_predicts_small_groups_too():
    X, y, _ = people(2000)
    rare = (np.arange(2000) % 50 == 0).astype(int)
    model = fair(Ridge(), aware=False).fit(X, y, sensitive_features=rare)
    assert np.isfinite(model.predict(X)).all()


def test_numbers_are_seeds():
    X, y, s = people(500)
    a, b, c = (
        fair(Ridge(), sigma=0.1, random_state=seed)
        .fit(X, y, sensitive_features=s)
        .predict(X, sensitive_features=s)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_tables_pipelines_and_names_of_groups():
    """A DataFrame reaches the base as it is; groups are named by value, several columns cross."""
    X, y, s = people(1000)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    groups = pd.DataFrame({"sex": np.where(s, "f", "m"), "old": np.arange(1000) % 2 == 0})
    model = fair(make_pipeline(StandardScaler(), Ridge())).fit(frame, y, sensitive_features=groups)
    assert model.groups_.names == ["f · False", "f · True", "m · False", "m · True"]
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    swapped = groups.iloc[::-1]
    moved = model.predict(frame.iloc[::-1], sensitive_features=swapped)
    rows = 0.3 * 1000 * model.groups_.shares
    most = max(ks_most(a, b) for a, b in itertools.combinations(rows, 2))
    assert ks(moved, (swapped["sex"] + swapped["old"].astype(str)).to_numpy()) < most


def test_weights_reach_the_base():
    X, y, s = people(1000)
    weight = np.random.default_rng(0).random(1000)
    model = fair(Ridge(), cv=2).fit(X, y, sensitive_features=s, sample_weight=weight)
    np.testing.assert_allclose(model.estimator_.coef_, Ridge().fit(X, y, weight).coef_)


def test_metadata_is_routed_through_searches_and_pipelines():
    X, y, s = people(4000)
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            fair(Ridge())
            .set_fit_request(sensitive_features=True)
            .set_score_request(sensitive_features=True)
        )
        search = GridSearchCV(model, {"tau": [0.0, 1.0]}, cv=3)
        search.fit(X, y, sensitive_features=s)
        assert search.best_params_ == {"tau": 0.0}  # R² alone prefers no change
        pipeline = make_pipeline(
            StandardScaler(),
            fair(Ridge())
            .set_fit_request(sensitive_features=True)
            .set_predict_request(sensitive_features=True),
        ).fit(X, y, sensitive_features=s)
        moved = pipeline.predict(X, sensitive_features=s)
        assert ks(moved, s) < ks_most(*(0.3 * np.bincount(s))) < ks(y, s)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 1.5}, r"tau must be in \[0, 1\], got 1.5"),
        ({"sigma": -1}, "sigma must be None, 0 or positive, got -1"),
        ({"max_ks": 0}, r"max_ks must be in \(0, 1\], got 0"),
        ({"calibration_size": 1.0}, r"calibration_size must be in \(0, 1\), got 1.0"),
        ({"cv": "none"}, "cv must be 'split', 'prefit', a number of folds or a splitter"),
    ],
)
def test_parameters_out_of_range_are_one_line(options, message):
    X, y, s = people(100)
    with pytest.raises(EstimatorError, match=message):
        fair(Ridge(), **options).fit(X, y, sensitive_features=s)


def test_rows_that_cannot_be_used_are_one_line():
    X, y, s = people(100)
    model = fair(Ridge()).fit(X, y, sensitive_features=s)
    with pytest.raises(EstimatorError, match=r"groups seen in fit \(0, 1\), got 7 in 1 of 100"):
        model.predict(X, sensitive_features=np.where(np.arange(100) == 3, 7, s))
    with pytest.raises(EstimatorError, match="sensitive_features is required"):
        model.predict(X)
    with pytest.raises(EstimatorError, match="at least two groups, got only '1'"):
        fair(Ridge()).fit(X, y, sensitive_features=np.ones(100, int))
    with pytest.raises(EstimatorError, match="at least 2 rows, got '9' with 1"):
        fair(Ridge()).fit(X, y, sensitive_features=np.r_[9, s[1:]])
    with pytest.raises(EstimatorError, match=r"cv='split' must leave rows .* got 4 rows"):
        fair(Ridge()).fit(X[:4], y[:4], sensitive_features=[0, 0, 1, 1])
    broken = X.copy()
    broken[5, 0] = np.inf
    with pytest.raises(EstimatorError, match="scores must be finite numbers, got 1 inf"):
        prefit().fit(broken, sensitive_features=s)


def test_a_score_is_r2_of_the_fair_predictions():
    X, y, s = people(500)
    model = fair(Ridge()).fit(X, y, sensitive_features=s)
    moved = model.predict(X, sensitive_features=s)
    expected = 1 - mean_squared_error(y, moved) / y.var()
    assert model.score(X, y, sensitive_features=s) == pytest.approx(expected)
