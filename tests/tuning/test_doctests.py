"""Examples in the docstrings of fairrep.tuning do what they show."""

import doctest

from fairrep.tuning import fair_bo


def test_the_example_holds():
    failed, tried = doctest.testmod(fair_bo)
    assert (failed, tried > 0) == (0, True)
