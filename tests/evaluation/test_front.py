"""The front: what dominates, its area, and what is chosen on it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fairrep.errors import ConfigError
from fairrep.evaluation import FrontRule, choose, hypervolume, non_dominated
from fairrep.evaluation.several import figure_names
from fairrep.types import TaskSpec

NAN = math.nan


def test_a_point_is_on_the_front_unless_another_is_as_good_in_both_and_better_in_one():
    utility = [0.9, 0.8, 0.8, 0.7, 0.9, NAN]
    gap = [0.3, 0.1, 0.2, 0.1, 0.3, 0.0]
    assert non_dominated(utility, gap) == [True, True, False, False, True, False]


def test_no_point_of_the_front_dominates_another_and_every_other_is_dominated():
    rng = np.random.default_rng(0)
    u, g = rng.random((2, 40))
    on = np.array(non_dominated(u, g))
    order = np.argsort(g[on])
    assert (np.diff(u[on][order]) > 0).all()
    for k in np.flatnonzero(~on):
        assert ((u[on] >= u[k]) & (g[on] <= g[k])).any()


def test_the_area_is_that_of_the_staircase():
    area = hypervolume([0.8, 0.9], [0.1, 0.3], reference=(0.5, 0.4))
    assert area == pytest.approx(0.2 * 0.3 + 0.1 * 0.4)


def test_the_area_matches_counting_random_points_below_the_staircase():
    rng = np.random.default_rng(1)
    u, g = rng.random((2, 6))
    draws = rng.random((200_000, 2))
    dominated = ((draws[:, :1] <= u) & (draws[:, 1:] >= g)).any(1).mean()
    error = 4 * math.sqrt(0.25 / len(draws))
    assert hypervolume(u, g, reference=(0.0, 1.0)) == pytest.approx(dominated, abs=error)


def test_points_beyond_the_reference_add_nothing():
    inside = hypervolume([0.8], [0.1], reference=(0.5, 0.4))
    more = [0.8, 0.4, 0.95, NAN], [0.1, 0.05, 0.5, 0.0]
    assert hypervolume(*more, reference=(0.5, 0.4)) == pytest.approx(inside)
    assert hypervolume([], [], reference=(0.5, 0.4)) == 0


def test_the_best_within_the_bound_is_chosen_else_the_closest():
    utility, gap = [0.9, 0.8, 0.85, NAN], [0.2, 0.05, 0.04, 0.0]
    assert choose(utility, gap, at_most=0.05) == (found := choose(utility, gap, at_most=0.1))
    assert found is not None
    assert (found.position, found.feasible) == (2, True)
    closest = choose(utility, gap, at_most=0.01)
    assert closest is not None
    assert (closest.position, closest.feasible) == (2, False)
    assert choose([NAN], [NAN], at_most=1.0) is None


@pytest.mark.parametrize("bound", [-0.1, math.inf, NAN])
def test_a_bound_out_of_range_is_refused(bound):
    with pytest.raises(ConfigError, match="at_most must be >= 0 and finite"):
        FrontRule("income", "accuracy", "demographic_parity_difference", bound)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (TaskSpec("t", "binary", ("a", "b")), {"accuracy", "auc", "equalized_odds_difference"}),
        (TaskSpec("t", "multiclass", ("a", "b", "c")), {"balanced_accuracy"}),
        (TaskSpec("t", "regression"), {"r2", "rmse", "mean_difference"}),
    ],
)
def test_figures_of_a_task_are_listed_by_its_kind(task, expected):
    names = set(figure_names(task))
    assert expected | {"demographic_parity_difference"} <= names
    assert not any(name.endswith("_ci") for name in names)
