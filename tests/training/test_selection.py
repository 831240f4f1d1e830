"""The rule that picks the best epoch."""

from __future__ import annotations

import itertools

import pytest

from fairrep.errors import ConfigError
from fairrep.training import SelectionRule

EPOCHS = [
    {"loss": loss, "utility": utility, "gap": gap}
    for loss, utility, gap in itertools.product((0.4, 0.6), (-3.0, 0.2, 0.9), (0.0, 0.05, 0.3))
]


def test_by_loss_takes_the_lowest_loss():
    rule = SelectionRule("loss", 0.05)
    best = max(EPOCHS, key=lambda epoch: rule.score(**epoch, epoch=1))
    assert best["loss"] == 0.4


def test_by_utility_takes_the_highest_utility_within_the_bound():
    rule = SelectionRule("utility", 0.05)
    best = max(EPOCHS, key=lambda epoch: rule.score(**epoch, epoch=1))
    assert (best["utility"], best["gap"] <= 0.05) == (0.9, True)


def test_every_feasible_epoch_beats_every_infeasible_one():
    rule = SelectionRule("utility", 0.05)
    feasible = [rule.score(**e, epoch=1) for e in EPOCHS if e["gap"] <= 0.05]
    infeasible = [rule.score(**e, epoch=1) for e in EPOCHS if e["gap"] > 0.05]
    assert min(feasible) > max(infeasible)


def test_without_a_feasible_epoch_the_smallest_gap_wins():
    rule = SelectionRule("utility", 0.0)
    epochs = [{"loss": 1.0, "utility": u, "gap": g} for u, g in ((0.9, 0.3), (0.1, 0.2))]
    assert max(epochs, key=lambda epoch: rule.score(**epoch, epoch=1))["gap"] == 0.2


@pytest.mark.parametrize("kwargs", [{"by": "luck", "max_gap": 0.1}, {"by": "loss", "max_gap": 2}])
def test_settings_out_of_range_are_refused(kwargs):
    with pytest.raises(ConfigError, match="selection"):
        SelectionRule(**kwargs)


def test_the_last_epoch_is_the_best_where_that_is_asked_for():
    rule = SelectionRule("last", 0.05)
    scores = [rule.score(**epoch, epoch=n) for n, epoch in enumerate(EPOCHS, start=1)]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)
