"""Where a file is looked for, in which order."""

from __future__ import annotations

import pytest

from fairrep.data.published import PublishedFile
from fairrep.data.sources import EMBEDDED, cache_folder, locate
from fairrep.errors import ConfigError, DataError
from tests.data.loopback import serve


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder of the user's, FAIRREP_DATA and the cache, all empty."""
    for name in ("mine", "data", "cache"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("FAIRREP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))
    return tmp_path


FILE = PublishedFile("t.csv", "http://127.0.0.1:9/t.csv", aliases=("table.csv",))


def put(folder, name="t.csv"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("a\n1\n")
    return folder / name


def test_path_then_folder_then_cache_then_publisher(places):
    with serve(b"a\n1\n") as server:
        file = PublishedFile("t.csv", server.file("t.csv"))
        fetched = locate("small", file, None, offline=False)
        assert fetched == places / "cache" / "small" / "t.csv"
        named = put(places / "data")
        assert locate("small", file, None, offline=False) == named
        own = put(places / "data" / "small")
        assert locate("small", file, None, offline=False) == own
        mine = put(places / "mine")
        assert locate("small", file, str(places / "mine"), offline=False) == mine
        assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["t.csv.xz", "t.csv.gz", "t.csv.zip", "table.csv", "table.csv.xz"])
def test_compressed_files_and_other_names_are_found(places, name):
    expected = put(places / "data", name)
    assert locate("small", FILE, None, offline=True) == expected


def test_a_path_may_be_the_file_itself(places):
    mine = put(places / "mine", "renamed.txt")
    assert locate("small", FILE, str(mine), offline=True) == mine


def test_nothing_else_is_tried_where_a_path_is_given(places):
    put(places / "data")
    with pytest.raises(DataError, match=r"mine' has no file 't\.csv' \(from http"):
        locate("small", FILE, str(places / "mine"), offline=False)


def test_an_embedded_file_needs_no_folder_and_no_network(places):
    file = PublishedFile("german.data", "", embedded=True)
    assert locate("german", file, None, offline=True) == EMBEDDED / "german.data.xz"


def test_offline_names_the_file_and_its_place(places):
    place = places / "cache" / "small" / "t.csv"
    with pytest.raises(DataError, match=rf"'t\.csv'.*offline=true.*place it as {place}"):
        locate("small", FILE, None, offline=True)


def test_a_folder_variable_that_names_no_folder_is_refused(places, monkeypatch):
    monkeypatch.setenv("FAIRREP_DATA", str(places / "gone"))
    with pytest.raises(ConfigError, match="FAIRREP_DATA must name a folder"):
        locate("small", FILE, None, offline=True)


def test_the_cache_is_the_systems_unless_named(monkeypatch):
    monkeypatch.delenv("FAIRREP_CACHE", raising=False)
    assert cache_folder().name == "fairrep"
