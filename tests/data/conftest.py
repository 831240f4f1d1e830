"""Fixtures of the data tests."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.data.registry import open_dataset
from fairrep.errors import FairrepError
from tests.data.helpers import people, write_csv


@pytest.fixture
def at_hand(request, monkeypatch, tmp_path):
    """Let a data set be read from the publishers' files; skip where they are absent."""

    def show(name: str) -> None:
        if name in ("adult", "german"):  # shipped with the package
            return
        monkeypatch.setenv("FAIRREP_DATA", str(request.getfixturevalue("publishers_files")))
        monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))
        try:
            open_dataset(name, None, offline=True)
        except FairrepError as absent:
            pytest.skip(str(absent))

    return show


@pytest.fixture
def path(tmp_path):
    """People as a CSV."""
    return write_csv(tmp_path, people())


@pytest.fixture
def keyed(tmp_path):
    """People with identifiers, in no order."""
    keys = np.random.default_rng(1).permutation(10_000)[:400]
    return write_csv(tmp_path, people().assign(person_id=keys), "keyed.csv"), keys
