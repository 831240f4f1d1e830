"""Constrained search: it keeps the constraint, goes for feasibility first, survives failures."""

import numpy as np
import pytest

from fairrep.errors import ConfigError, SearchError
from fairrep.tuning import FairBO

UNIT = {"type": "float", "low": 0, "high": 1}
SQUARE = {"a": UNIT, "b": UNIT}
CENTRE = np.array([0.73, 0.31])


def box(params):
    """Feasible with gap <= 0.05: a square of side 0.1, 1% of the space; the best is its left."""
    point = np.array([params["a"], params["b"]])
    return {"accuracy": 1 - params["a"], "gap": float(np.abs(point - CENTRE).max())}


def rising(params):
    """Accuracy and gap rise together: accuracy² is the gap."""
    return {"accuracy": params["x"], "gap": params["x"] ** 2}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_no_feasible_trial_it_goes_for_feasibility_first(seed):
    """Ten random trials miss 1% of the space; the next ones ignore utility and find it."""
    search = FairBO(box, SQUARE, constraints="gap<=0.05", utility="accuracy", seed=seed)
    table = search.run(16).trials
    assert not table["feasible"][:10].any()
    assert table["feasible"].any()
    first = int(table["feasible"].idxmax())
    assert table["gap"][10 : first + 1].min() < table["gap"][:10].min()


def test_chance_does_not_find_so_small_a_set():
    found = FairBO(
        box, SQUARE, constraints="gap<=0.05", utility="accuracy", sampler="random", seed=1
    ).run(40)
    assert not found.feasible
    assert found.figures["gap"] == found.trials["gap"].min()  # the nearest, not the most useful


@pytest.mark.slow
def test_the_best_feasible_trial_lies_at_the_bound():
    found = FairBO(rising, {"x": UNIT}, constraints="gap<=0.25", utility="accuracy").run(20)
    assert found.feasible
    assert 0.49 < found.params["x"] <= 0.5
    assert found.feasible_count == found.trials["feasible"].sum() > 1


def test_a_plain_search_only_watches_the_constraint():
    found = FairBO(
        rising, {"x": UNIT}, constraints="gap<=0.25", utility="accuracy", enforce=False
    ).run(14)
    assert not found.feasible
    assert found.params["x"] > 0.95
    assert (found.trials["feasible"] == (found.trials["gap"] <= 0.25)).all()


@pytest.mark.slow
def test_a_utility_can_be_minimised_under_a_lower_bound_and_a_callable():
    def cost(figures):
        return figures["gap"] - figures["accuracy"] / 2

    found = FairBO(
        rising,
        {"x": UNIT},
        constraints=["accuracy>=0.4", (cost, 0.0)],
        utility="gap",
        maximize=False,
    ).run(18)
    assert 0.4 <= found.params["x"] < 0.42
    assert found.figures["cost"] <= 0


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
def test_a_resumed_search_makes_the_trials_of_an_uninterrupted_one(tmp_path, sampler):
    def search(storage):
        return FairBO(
            box,
            SQUARE,
            constraints="gap<=0.05",
            utility="accuracy",
            sampler=sampler,
            n_startup=4,
            storage=storage,
        )

    whole = search(None).run(9).trials
    search(tmp_path).run(6)
    resumed = search(tmp_path).run(9).trials
    assert len(resumed) == 9
    for name in ("param_a", "param_b", "accuracy", "gap"):
        assert resumed[name].tolist() == whole[name].tolist()


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_the_best_setting_is_found_beside_failures(seed):
    """Half of the square fails; the best, 1, lies on the border."""

    def fragile(params):
        if params["a"] + params["b"] > 1:
            raise RuntimeError("out of memory")
        return {"accuracy": 4 * params["a"] * params["b"], "gap": params["a"] / 2}

    search = FairBO(fragile, SQUARE, utility="accuracy", max_failures=30, seed=seed)
    assert search.run(30).figures["accuracy"] > 0.85


@pytest.mark.slow
def test_a_failing_region_is_left_and_the_failures_are_kept():
    def fragile(params):
        if params["x"] > 0.6:
            raise RuntimeError("out of memory")
        return rising(params)

    found = FairBO(
        fragile, {"x": UNIT}, constraints="gap<=0.9", utility="accuracy", max_failures=30
    ).run(30)
    failed = found.trials[found.trials["state"] == "failed"]
    assert 0 < len(failed) < 20
    assert set(failed["problem"]) == {"RuntimeError: out of memory"}
    assert 0.55 < found.params["x"] <= 0.6


def test_nan_fails_the_trial_alone():
    calls = []

    def once(params):
        calls.append(params)
        return {"accuracy": float("nan")} if len(calls) == 2 else {"accuracy": params["x"]}

    found = FairBO(once, {"x": UNIT}, utility="accuracy", sampler="random").run(4)
    assert found.trials["state"].tolist() == ["complete", "failed", "complete", "complete"]
    assert "finite" in found.trials["problem"][1]


def test_failures_in_a_row_stop_the_search_and_say_why():
    def broken(params):
        raise ValueError("no such file\n as this")

    search = FairBO(broken, {"x": UNIT}, utility="accuracy", max_failures=3)
    with pytest.raises(SearchError, match=r"the last 3 trials failed.*no such file as this"):
        search.run(50)
    assert len(search.study.trials) == 3


def test_workers_in_threads_make_exactly_the_trials_asked_for():
    told = []
    found = FairBO(
        rising,
        {"x": UNIT},
        constraints="gap<=0.25",
        utility="accuracy",
        workers=3,
        n_startup=4,
        listener=told.append,
    ).run(11)
    assert sorted(found.trials["number"]) == list(range(11))
    assert max(one.done for one in told) == 11
    assert told[-1].feasible == found.feasible_count
    assert told[-1].best == pytest.approx(found.figures["accuracy"])


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"constraints": "gpa<=0.1"}, ConfigError, r"objective's figures \(accuracy, gap\).*'gpa'"),
        ({"utility": "auc"}, ConfigError, "utility must name one of .*'auc'"),
        ({"sampler": "grid"}, ConfigError, "sampler must be one of gp, tpe, random, got 'grid'"),
        ({"workers": 0}, ConfigError, "workers must be at least 1, got 0"),
        ({"n_startup": 0}, ConfigError, "n_startup must be at least 1"),
        ({"space": {}}, ConfigError, "space must name at least one parameter"),
        ({"n_trials": 0}, ConfigError, "n_trials must be at least 1"),
        ({"batch": 0}, ConfigError, "batch must be at least 1, got 0"),
        ({"choose": "best"}, ConfigError, "choose must be one of observed, posterior, got 'best'"),
    ],
)
def test_mistakes_are_one_line(settings, error, message):
    options = {"space": {"x": UNIT}, "utility": "accuracy", "n_trials": 3} | settings
    n_trials, space = options.pop("n_trials"), options.pop("space")
    with pytest.raises(error, match=message) as mistake:
        FairBO(rising, space, **options).run(n_trials)
    assert "\n" not in str(mistake.value)


def test_settings_come_in_batches_and_each_has_its_own_outcome():
    sizes = []

    def several(settings):
        sizes.append(len(settings))
        found = [rising(params) for params in settings]
        if len(sizes) == 2:
            found[1] = {"accuracy": float("nan"), "gap": 0.0}
        return found

    found = FairBO(
        several, {"x": UNIT}, constraints="gap<=0.25", utility="accuracy", batch=4, n_startup=4
    ).run(14)
    assert sizes == [4, 4, 4, 2]
    assert (found.trials["state"] == "failed").tolist() == [k == 5 for k in range(14)]
    assert found.trials["param_x"].nunique() == 14  # a batch's settings keep away from each other
    assert 0.4 < found.params["x"] <= 0.5


def test_a_batch_that_returns_too_few_figures_fails():
    search = FairBO(
        lambda settings: [{"accuracy": 1.0}],
        {"x": UNIT},
        utility="accuracy",
        batch=2,
        max_failures=2,
    )
    with pytest.raises(SearchError, match="an objective of 2 settings returned 1"):
        search.run(4)


def folds(params):
    """Five steps to the figures of ``rising``; noise of the first ones is the same for all."""
    noise = 0.1 * np.array([1, -1, 0.5, 0.2, 0])
    for one in noise:
        yield {name: value + one for name, value in rising(params).items()}


@pytest.mark.parametrize("enforce", [True, False])
def test_pruned_trials_could_not_have_won(enforce):
    """All trials' courses are parallel here: nothing is ever made up, and what trails is cut."""
    settings = {"constraints": "gap<=0.25", "utility": "accuracy", "enforce": enforce}
    whole = FairBO(folds, {"x": UNIT}, sampler="random", **settings).run(30)
    found = FairBO(folds, {"x": UNIT}, sampler="random", prune=True, **settings).run(30)
    pruned = found.trials["state"] == "pruned"
    assert found.params == whole.params
    assert pruned.sum() > 10
    assert found.number not in found.trials["number"][pruned]
    beaten = whole.trials[pruned.to_numpy()]
    hopeless = beaten["accuracy"] < whole.figures["accuracy"]
    if enforce:
        hopeless |= beaten["gap"] > 0.25
    assert hopeless.all()


@pytest.mark.slow
def test_a_sampler_learns_from_pruned_trials():
    found = FairBO(folds, {"x": UNIT}, constraints="gap<=0.25", utility="accuracy", prune=True).run(
        20
    )
    assert (found.trials["state"] == "pruned").sum() > 3
    assert 0.48 < found.params["x"] <= 0.5


def test_without_pruning_every_step_is_taken():
    found = FairBO(folds, {"x": UNIT}, utility="accuracy", sampler="random").run(8)
    assert (found.trials["state"] == "complete").all()


def test_the_posterior_is_not_won_by_a_lucky_trial():
    """True accuracy is −4 (x − ½)², noise is .1; what is lost by choosing, over five searches."""
    lost = {"observed": 0.0, "posterior": 0.0}
    for seed in range(5):
        for choose in lost:
            noise = iter(np.random.default_rng(seed).normal(0, 0.1, 40))

            def noisy(params, noise=noise):
                return {"accuracy": next(noise) - 4 * (params["x"] - 0.5) ** 2}

            search = FairBO(
                noisy, {"x": UNIT}, utility="accuracy", sampler="random", choose=choose, seed=seed
            )
            lost[choose] += 4 * (search.run(40).params["x"] - 0.5) ** 2
    assert lost["posterior"] < lost["observed"] / 2


def test_the_posterior_prefers_the_likely_feasible():
    """Of settings near the bound half are feasible by luck alone."""
    noise = iter(np.random.default_rng(0).normal(0, 0.1, 60))

    def noisy(params):
        return {"accuracy": params["x"], "gap": params["x"] + next(noise)}

    settings = {"constraints": "gap<=0.5", "utility": "accuracy", "sampler": "random"}
    likely = FairBO(noisy, {"x": UNIT}, choose="posterior", **settings).run(60)
    assert likely.feasible
    assert likely.params["x"] <= 0.52
    complete = likely.trials
    observed = complete[complete["feasible"]]["param_x"].max()
    assert observed > 0.55
