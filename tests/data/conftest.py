"""Fixtures of the data tests."""

from __future__ import annotations

import pytest

from fairrep.data.registry import open_dataset
from fairrep.errors import FairrepError


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
