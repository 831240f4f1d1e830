"""The sampler: the cube, the process on two scales, what an untried setting is worth, proposals."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.integrate import quad
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal, norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from fairrep.tuning import FairBO
from fairrep.tuning.acquisition import Acquisition, log_expected_improvement, log_orthant
from fairrep.tuning.bayesian import propose
from fairrep.tuning.cube import Cube
from fairrep.tuning.process import Process, _priors

SPACE = {
    "depth": IntDistribution(1, 50),
    "split": IntDistribution(2, 500, log=True),
    "share": FloatDistribution(0.1, 0.9, step=0.2),
    "rate": FloatDistribution(1e-4, 0.5, log=True),
    "kind": CategoricalDistribution(("gini", "entropy", None)),
}
LINE = np.array([0])  # one parameter


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.8])
def test_improvement_within_a_bound_is_the_integral(rho):
    """E max(0, f + u) 1{c <= b} = ∫ φ(c) E[max(0, f + u) | c] dc, and f | c is normal."""
    rest = np.sqrt(1 - rho**2)
    for u, b in [(0.2, 0.3), (-0.5, -1.0), (1.0, -2.5), (-2.0, 1.0)]:

        def inner(c, u=u):
            own = np.array([(u + rho * c) / rest])
            return norm.pdf(c) * rest * np.exp(log_expected_improvement(own)[0])

        found = log_orthant(np.array([[b]]), np.eye(1), np.array([rho]), np.array([u]))[0]
        assert found == pytest.approx(np.log(quad(inner, -12, b)[0]), abs=0.1)  # 32 points


def test_bounds_that_hold_together_have_the_orthant_probability():
    covariance = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, -0.3], [0.2, -0.3, 1.0]])
    slack = np.array([[0.3, -1.0, 0.5], [1.0, 2.0, -0.5]])
    expected = multivariate_normal(cov=covariance).cdf(slack)
    found = log_orthant(slack, np.linalg.cholesky(covariance))
    assert found == pytest.approx(np.log(expected), abs=0.05)


def test_settings_come_back_from_the_cube():
    cube = Cube(SPACE)
    rows = np.random.default_rng(0).random((200, len(cube)))
    settings = [cube.settings(row) for row in rows]
    for one in settings:
        for name, own in SPACE.items():
            assert own._contains(own.to_internal_repr(one[name]))
        assert isinstance(one["depth"], int)
        assert isinstance(one["rate"], float)
    assert np.allclose(cube.rows(settings), cube.snapped(rows))
    assert [cube.settings(row) for row in cube.snapped(rows)] == [
        one | {"rate": pytest.approx(one["rate"]), "share": pytest.approx(one["share"])}
        for one in settings
    ]
    assert cube.points(rows).shape == (200, 7)
    assert cube.parameter.tolist() == [0, 1, 2, 3, 4, 4, 4]


def test_values_of_a_parameter_have_intervals_of_one_length():
    cube = Cube({"depth": IntDistribution(1, 50), "kind": CategoricalDistribution(("a", "b"))})
    grid = np.linspace(0, 1, 10_000, endpoint=False) + 5e-5
    drawn = [cube.settings(np.array([one, one])) for one in grid]
    assert np.bincount([one["depth"] for one in drawn])[1:].tolist() == [200] * 50
    assert sum(one["kind"] == "a" for one in drawn) == 5000


@pytest.mark.parametrize("z", [-1e4, -40.0, -5.001, -4.999, -1.0, 0.0, 3.0])
def test_expected_improvement_is_the_integral(z):
    """E max(0, Z + z) = φ(z) ∫ t exp(t z − t²/2) dt."""
    width = 30 / max(1.0, -z) + 10 * max(1.0, z) * (z > -1)
    integral, _ = quad(lambda t: t * np.exp(t * z - t**2 / 2), 0, width, epsabs=0)
    expected = norm.logpdf(z) + np.log(integral)
    assert log_expected_improvement(np.array([z]))[0] == pytest.approx(expected, rel=1e-6)


def test_means_and_hyperparameters_are_those_of_another_implementation():
    """scikit-learn's process with this kernel; and no neighbour is more likely."""
    rng = np.random.default_rng(0)
    x, other = rng.random((30, 2)), rng.random((5, 2))
    y = np.sin(5 * x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=30)
    process = Process(x, y, np.array([0, 1]))
    mean, spread = _priors(2)

    def reference(theta):
        a, b, noise, *lengths = np.exp(theta)
        kernel = a**2 * Matern(lengths[:2], nu=2.5) + b**2 * Matern(lengths[2:], nu=1.5)
        made = GaussianProcessRegressor(kernel + WhiteKernel(noise), optimizer=None, alpha=1e-8)
        made.fit(x, (y - y.mean()) / y.std())
        density = made.log_marginal_likelihood_value_ - (((theta - mean) / spread) ** 2).sum() / 2
        return made, density

    theta = process._theta.numpy()
    made, density = reference(theta)
    assert process.predict(other)[0] == pytest.approx(
        y.mean() + y.std() * made.predict(other), abs=1e-5
    )
    for k in range(len(theta)):
        for step in (-0.05, 0.05):
            assert reference(theta + step * np.eye(len(theta))[k])[1] < density + 1e-3


@pytest.mark.slow
def test_intervals_cover_what_they_promise():
    """95% of untried figures lie within 1.96 deviations, smooth ones and rugged ones."""
    rng = np.random.default_rng(0)
    within = []
    for rugged in (0.0, 0.3):
        for _ in range(10):
            a, b = rng.normal(size=2)
            x = rng.random((60, 2))
            y = np.sin(4 * x[:, 0] + a) + b * x[:, 1] ** 2 + rugged * rng.normal(size=60)
            mean, spread = Process(x[:40], y[:40], np.array([0, 1])).predict(x[40:])
            within.append(np.abs(y[40:] - mean) < 1.96 * spread)
    assert 0.91 < np.mean(within) < 0.99


def test_a_figure_is_known_where_it_was_constant_and_unknown_where_it_jumped():
    rng = np.random.default_rng(1)
    x = np.sort(rng.random(60))[:, None]
    y = np.where(x[:, 0] < 0.5, 0.0, rng.normal(size=60))
    _, spread = Process(x, y, LINE).predict(np.array([[0.15], [0.25], [0.75], [0.85]]))
    assert spread[:2].max() < 0.5 * spread[2:].min()


def test_the_smooth_part_has_no_luck():
    x = np.linspace(0, 1, 21)[:, None]
    y = x[:, 0] ** 2
    y[7] += 1.0
    process = Process(x, y, LINE)
    smooth, _ = process.smooth(x)
    assert abs(smooth[7] - x[7, 0] ** 2) < 0.4
    assert process.predict(x)[0][7] > smooth[7]


def test_nothing_new_is_to_be_seen_at_tried_settings_and_between_equal_ones():
    points = np.array([[0.1, 0.1], [0.1, 0.5], [0.6, 0.3], [0.9, 0.9]])
    utility = np.array([1.0, 1.0, 2.0, 3.0])
    violation = np.array([[0.0], [0.0], [-1.0], [1.0]])
    running = np.array([[0.4, 0.8]])
    worth = Acquisition(points, running, np.array([0, 1]), utility, violation)
    known = np.array([[0.6, 0.3], [0.4, 0.8], [0.1, 0.2]])  # tried, running, between equals
    assert np.isneginf(worth(known)).all()
    assert np.isfinite(worth(np.array([[0.1, 0.6], [0.2, 0.2], [0.5, 0.5]]))).all()


def test_nothing_new_is_to_be_seen_at_a_step_whose_sides_repeat_their_figures():
    beside = np.concatenate([np.linspace(0.2, 0.29, 7), np.linspace(0.31, 0.4, 7)])
    elsewhere = np.array([0.02, 0.6, 0.75, 0.95])
    points = np.concatenate([beside, elsewhere])[:, None]
    utility = np.concatenate([np.repeat([0.4, 0.7], 7), [0.1, 0.5, 0.3, 0.2]])
    violation = np.concatenate([np.repeat([-0.1, 0.2], 7), [-0.2, 0.3, 0.1, -0.1]])[:, None]
    step, open_ground = np.array([[0.3]]), np.array([[0.55], [0.68], [0.85]])
    worth = Acquisition(points, points[:0], LINE, utility, violation)
    assert np.isneginf(worth(step)).all()
    assert np.isfinite(worth(open_ground)).all()
    own = utility + 1e-6 * np.arange(len(utility))  # the same, but none is repeated
    assert np.isfinite(Acquisition(points, points[:0], LINE, own, violation)(step)).all()


def test_the_best_candidate_is_found_in_a_mixed_space():
    cube = Cube(SPACE)
    best = cube.snapped(np.array([[0.31, 0.72, 0.5, 0.43, 0.9]]))
    target = cube.points(best)

    def worth(points):
        return -((points - target) ** 2).sum(axis=1)

    found = propose(cube, worth, best[:0], np.random.default_rng(0))
    assert found is not None
    own, other = cube.settings(found), cube.settings(best[0])
    assert (own["kind"], own["share"]) == (other["kind"], other["share"])
    assert abs(own["depth"] - other["depth"]) <= 1
    assert own["rate"] == pytest.approx(other["rate"], rel=0.2)


def test_the_first_settings_fill_the_space():
    """Of eight points of a Sobol sequence four lie in each half of every coordinate."""
    space = {name: {"type": "float", "low": 0, "high": 1} for name in "abc"}
    for seed in range(3):
        search = FairBO(lambda params: {"u": 0.0}, space, utility="u", n_startup=8, seed=seed)
        table = search.run(8).trials
        for name in "abc":
            assert (table[f"param_{name}"] < 0.5).sum() == 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_fluke_does_not_hold_the_search(seed):
    """A feasible island of a poor utility, far from the good one: both are flat."""

    def objective(params):
        x, y = params["x"], params["y"]
        if abs(x - 0.1) < 0.08:
            return {"u": 0.4, "gap": 0.02}
        return {"u": 0.7, "gap": 0.3} if y < 0.85 else {"u": 0.5, "gap": 0.0}

    space = {name: {"type": "float", "low": 0, "high": 1} for name in "xy"}
    search = FairBO(objective, space, constraints="gap<=0.05", utility="u", seed=seed)
    assert search.run(40).figures["u"] == 0.5


def test_a_search_without_gains_looks_far_away_every_second_time():
    space = {name: {"type": "float", "low": 0, "high": 1} for name in "xy"}

    def objective(params):  # the first trials are the best that there are
        tried.append([params["x"], params["y"]])
        return {"u": -float(max(len(tried) - 3, 0)) - params["x"] / 2}

    tried: list[list[float]] = []
    FairBO(objective, space, utility="u", n_startup=3, seed=1).run(33)
    points, random = np.array(tried), np.random.default_rng(0).random((2000, 2))

    def is_far(k):
        typical = np.median(cdist(random, points[:k]).min(axis=1))
        return cdist(points[k : k + 1], points[:k]).min() > 0.9 * typical

    assert all(is_far(k) for k in range(15, 33, 2))
    assert sum(is_far(k) for k in range(14, 33, 2)) < 6
    assert [k for k in range(3, 12) if k % 5 == 4 and not is_far(k)] == []


def test_figures_that_never_differ_do_not_stop_the_search():
    search = FairBO(lambda _: {"u": 1.0, "gap": 0.3}, {"x": [1, 2, 3, 4]}, utility="u", n_startup=1)
    assert search.run(6).figures["u"] == 1.0
    space = {"x": {"type": "float", "low": 0, "high": 1}}
    bound = FairBO(lambda _: {"u": 1.0, "gap": 0.3}, space, constraints="gap<=0.1", utility="u")
    assert not bound.run(13).feasible


def test_no_setting_is_tried_twice_until_all_are():
    space = {"a": {"type": "int", "low": 1, "high": 4}, "b": [True, False, None]}

    def objective(params):
        return {"u": params["a"] * (1 + (params["b"] is None)), "gap": params["a"] / 10}

    search = FairBO(objective, space, constraints="gap<=0.3", utility="u", n_startup=2)
    table = search.run(14).trials
    tried = table["param_a"].map(str) + table["param_b"].map(str)
    assert tried[2:13].nunique() >= 10  # of the first two any may come again
    assert tried.nunique() == 12
    assert search.result().params == {"a": 3, "b": None}
