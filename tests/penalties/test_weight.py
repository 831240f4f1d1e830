"""λ over the epochs."""

from __future__ import annotations

import math

import pytest

from fairrep.penalties import DualAscent, warmup_weight


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0.0, 0.0), (0.5, 0.75), (1.0, 1.5), (2.0, 3.0), (9.0, 3.0)]
)
def test_weight_rises_linearly_then_stays(epoch, expected):
    assert warmup_weight(3.0, epoch, 2.0) == pytest.approx(expected)


def test_without_warm_up_the_weight_is_there_from_the_start():
    assert warmup_weight(3.0, 0.0, 0.0) == 3.0


def test_a_violated_constraint_raises_the_multiplier_and_a_met_one_lowers_it():
    rule = DualAscent("income", target=0.02, rate=10.0, start=0.0)
    assert rule.next_weight(1.0, 0.07) == pytest.approx(1.5)
    assert rule.next_weight(1.0, 0.01) == pytest.approx(0.9)
    assert rule.next_weight(0.1, 0.0) == 0.0


def test_dual_ascent_settles_where_the_constraint_is_tight():
    """The gap falls as exp(-λ) / 10: it reaches .02 at λ = ln 5."""
    rule = DualAscent("income", target=0.02, rate=10.0, start=0.0)
    weight = rule.start
    for _ in range(200):
        weight = rule.next_weight(weight, 0.1 * math.exp(-weight))
    assert weight == pytest.approx(math.log(5), rel=1e-6)


@pytest.mark.parametrize("bad", [{"target": 1.5}, {"rate": 0.0}, {"start": -1.0}])
def test_settings_out_of_range_are_refused(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=name):
        DualAscent(**{"task": "t", "target": 0.1, "rate": 1.0, "start": 0.0, **bad})
