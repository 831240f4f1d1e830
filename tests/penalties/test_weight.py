"""λ over the epochs."""

from __future__ import annotations

import pytest

from fairrep.penalties import warmup_weight


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0.0, 0.0), (0.5, 0.75), (1.0, 1.5), (2.0, 3.0), (9.0, 3.0)]
)
def test_weight_rises_linearly_then_stays(epoch, expected):
    assert warmup_weight(3.0, epoch, 2.0) == pytest.approx(expected)


def test_without_warm_up_the_weight_is_there_from_the_start():
    assert warmup_weight(3.0, 0.0, 0.0) == 3.0
