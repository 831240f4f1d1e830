"""Examples in the docstrings of fairrep.estimators do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import fairrep.estimators

MODULES = [
    "fairrep.estimators",
    *(
        module.name
        for module in pkgutil.walk_packages(fairrep.estimators.__path__, "fairrep.estimators.")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_hold(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_public_estimators_have_examples():
    for name in fairrep.estimators.__all__:
        public = getattr(fairrep.estimators, name)
        if isinstance(public, type):
            assert ">>> " in (public.__doc__ or ""), name
