"""Search spaces and constraints: what is read, what is refused in one line."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from fairrep.errors import ConfigError
from fairrep.tuning import parse_constraint, parse_constraints, search_space


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"low": 1, "high": 9}, IntDistribution(1, 9)),
        ({"type": "int", "low": 2, "high": 64, "log": True}, IntDistribution(2, 64, log=True)),
        ({"low": 0.5, "high": 2, "step": 0.5}, FloatDistribution(0.5, 2, step=0.5)),
        ({"type": "float", "low": 1, "high": 9, "step": None}, FloatDistribution(1, 9)),
        (["gini", "entropy"], CategoricalDistribution(("gini", "entropy"))),
        ({"choices": [None, 3]}, CategoricalDistribution((None, 3))),
        (FloatDistribution(1e-3, 1, log=True), FloatDistribution(1e-3, 1, log=True)),
    ],
)
def test_dictionaries_and_distributions_mean_the_same(given, expected):
    assert search_space({"p": given}) == {"p": expected}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "space must name at least one parameter"),
        (None, "space must name at least one parameter"),
        ({"p": 3}, "space.p must be a distribution, a list of choices or a dictionary"),
        ({"p": {"low": 1}}, "space.p must have low and high, got no high"),
        ({"p": {"low": 5, "high": 1}}, "space.p: .*low"),
        ({"p": {"low": 0, "high": 1, "log": True}}, "space.p: .*log"),
        ({"p": {"type": "normal"}}, "type must be one of int, float, categorical, got 'normal'"),
        ({"p": {"low": 1, "high": 2, "hi": 3}}, "it takes low, high, log, step, got hi"),
        ({"p": []}, "choices must be a list of values"),
        ({"p": {"low": "a", "high": "b"}}, "space.p"),
    ],
)
def test_a_space_that_describes_no_set_is_refused(given, message):
    with pytest.raises(ConfigError, match=message) as mistake:
        search_space(given)
    assert "\n" not in str(mistake.value)


def test_an_upper_bound_is_broken_above_and_a_lower_bound_below():
    gap, ratio = parse_constraints(["gap<=0.05", "ratio >= 0.8"], known=["gap", "ratio"])
    assert (gap.holds(0.05), gap.holds(0.051), gap.holds(float("nan"))) == (True, False, False)
    assert (ratio.holds(0.8), ratio.holds(0.79)) == (True, False)
    assert (str(gap), str(ratio)) == ("gap <= 0.05", "ratio >= 0.8")
    assert gap.violation(0.07) == pytest.approx(0.02)
    assert ratio.violation(0.7) == pytest.approx(0.1)


def test_a_callable_is_a_constraint_of_its_own_name():
    def harm(figures):
        return figures["gap"]

    found = parse_constraint((harm, 0.1), known=["gap"])
    assert (found.metric, found.bound, found.measure) == ("harm", 0.1, harm)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gpa<=0.1", "one of the metrics gap, ratio, got 'gpa'"),
        ("gap<=-0.1", "ε must be >= 0, got -0.1"),
        ("gap<=nan", "ε must be finite, got nan"),
        ("gap<=much", "ε must be a number, got 'much'"),
        ("gap<0.1", "constraint must read 'metric<=epsilon'"),
        (0.1, "constraint must read 'metric<=epsilon'"),
        ((len, -1), "ε must be >= 0"),
    ],
)
def test_a_constraint_that_bounds_no_metric_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        parse_constraint(given, known=["gap", "ratio"])


def test_a_metric_is_bounded_once_from_each_side():
    assert len(parse_constraints(["gap<=0.1", "gap>=0.01"], known=None)) == 2
    with pytest.raises(ConfigError, match="bound each metric once"):
        parse_constraints(["gap<=0.1", "gap<=0.2"], known=None)
