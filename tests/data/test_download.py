"""Downloads against a real server: they end with the publisher's bytes or with an error."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from fairrep.data import download
from fairrep.data.download import fetch
from fairrep.data.published import PublishedFile
from fairrep.errors import DataError
from tests.data.loopback import serve

CONTENT = bytes(range(256)) * 4_000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Back-off is for the publishers' servers."""
    pauses = []
    monkeypatch.setattr(download, "_wait", pauses.append)
    return pauses


def published(server, name="file", sha256=SHA256):
    return PublishedFile("table.csv", server.file(name), sha256)


def leftovers(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} - {"table.csv", "table.csv.sha256"}


def test_a_file_is_fetched_once_and_kept(tmp_path):
    with serve(CONTENT) as server:
        for _ in range(2):
            assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT
        assert len(server.requests) == 1
    assert leftovers(tmp_path) <= {"table.csv.lock"}


def test_a_slow_server_is_waited_for(tmp_path):
    with serve(CONTENT, pause=0.05) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT


def test_a_connection_cut_in_the_middle_is_resumed_where_it_broke(tmp_path):
    with serve(CONTENT, cut_after=300_000, cuts=2) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT
        ranges = [wanted for _, wanted in server.requests]
    assert ranges[0] is None
    assert len(ranges) == 3
    starts = [int(wanted[6:-1]) for wanted in ranges[1:]]
    assert 0 < starts[0] < starts[1] <= 600_000


def test_a_killed_download_is_resumed_by_the_next_process(tmp_path):
    (tmp_path / "table.csv.part").write_bytes(CONTENT[:400_000])
    (tmp_path / "table.csv.part.version").write_text('"1"')
    with serve(CONTENT) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT
        assert server.requests == [("/file", "bytes=400000-")]


@pytest.mark.parametrize("etag", ['"2"', None])
def test_a_part_of_another_version_is_not_continued(tmp_path, etag):
    (tmp_path / "table.csv.part").write_bytes(b"old" * 1_000)
    (tmp_path / "table.csv.part.version").write_text('"1"')
    with serve(CONTENT, etag=etag) as server:
        file = published(server, sha256=None)
        assert fetch(file, tmp_path, offline=False).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_fetched_anew(tmp_path):
    """The server answers 416: nothing follows what is there."""
    (tmp_path / "table.csv.part").write_bytes(CONTENT)
    (tmp_path / "table.csv.part.version").write_text('"1"')
    with serve(CONTENT) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_ever_less_often(tmp_path, no_waiting):
    with serve(CONTENT, errors=3) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT
    assert no_waiting == [1, 2, 4]


def test_a_redirect_is_followed(tmp_path):
    with serve(CONTENT) as server:
        fetch(published(server, "moved"), tmp_path, offline=False)
        assert [path for path, _ in server.requests] == ["/moved", "/file"]


def test_a_404_is_final_and_says_where_to_place_the_file(tmp_path):
    with (
        serve(CONTENT) as server,
        pytest.raises(DataError, match=r"404.*place it as .*table\.csv"),
    ):
        fetch(published(server, "missing"), tmp_path, offline=False)
    assert len(server.requests) == 1
    assert not (tmp_path / "table.csv").exists()


def test_a_server_that_always_breaks_off_is_given_up(tmp_path):
    with serve(CONTENT, cut_after=10, cuts=99) as server, pytest.raises(DataError, match="fetched"):
        fetch(published(server), tmp_path, offline=False)
    assert len(server.requests) == download.ATTEMPTS
    assert not (tmp_path / "table.csv").exists()


def test_no_server_is_an_error_of_one_line(tmp_path):
    file = PublishedFile("table.csv", "http://127.0.0.1:9/file", SHA256)
    with pytest.raises(DataError, match="could not be fetched") as caught:
        fetch(file, tmp_path, offline=False)
    assert "\n" not in str(caught.value)


def test_wrong_bytes_are_refused_and_nothing_is_left_in_their_place(tmp_path):
    with serve(b"someone else's" * 1_000) as server, pytest.raises(DataError, match=SHA256):
        fetch(published(server), tmp_path, offline=False)
    assert len(server.requests) == 2  # once more, from nothing
    assert leftovers(tmp_path) <= {"table.csv.lock"}
    assert not (tmp_path / "table.csv").exists()


def test_a_corrupted_cache_is_fetched_again(tmp_path):
    with serve(CONTENT) as server:
        target = fetch(published(server), tmp_path, offline=False)
        target.write_bytes(CONTENT[:-1] + b"!")
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT


def test_an_unknown_checksum_is_recorded_and_holds_from_then_on(tmp_path):
    with serve(CONTENT) as server:
        file = published(server, sha256=None)
        target = fetch(file, tmp_path, offline=False)
        assert (tmp_path / "table.csv.sha256").read_text().strip() == SHA256
        target.write_bytes(CONTENT[:1000])
        assert fetch(file, tmp_path, offline=False).read_bytes() == CONTENT
        target.write_bytes(b"damaged")
        server.content = b"the publisher's new edition"
        with pytest.raises(DataError, match="does not serve the bytes"):
            fetch(file, tmp_path, offline=False)


def test_offline_never_asks_and_names_the_place(tmp_path):
    with serve(CONTENT) as server:
        file = published(server)
        with pytest.raises(DataError, match=rf"offline.*{file.url}.*{tmp_path / 'table.csv'}"):
            fetch(file, tmp_path, offline=True)
        fetch(file, tmp_path, offline=False)
        asked = len(server.requests)
        assert fetch(file, tmp_path, offline=True).read_bytes() == CONTENT
        assert len(server.requests) == asked


def test_offline_refuses_a_damaged_file(tmp_path):
    with serve(CONTENT) as server:
        file = published(server)
        fetch(file, tmp_path, offline=False).write_bytes(b"damaged")
    with pytest.raises(DataError, match="damaged"):
        fetch(file, tmp_path, offline=True)


def _fetch_in_child(file: PublishedFile, folder: Path, results) -> None:
    results.put(
        (os.getpid(), hashlib.sha256(fetch(file, folder, offline=False).read_bytes()).hexdigest())
    )


def test_two_processes_at_once_download_once_and_agree(tmp_path):
    spawn = multiprocessing.get_context("fork")
    results = spawn.Queue()
    with serve(CONTENT, pause=0.03) as server:
        children = [
            spawn.Process(target=_fetch_in_child, args=(published(server), tmp_path, results))
            for _ in range(2)
        ]
        for child in children:
            child.start()
        found = [results.get(timeout=30) for _ in children]
        for child in children:
            child.join()
        assert {digest for _, digest in found} == {SHA256}
        assert len({pid for pid, _ in found}) == 2
        assert len(server.requests) == 1


def test_too_many_requests_is_asked_again_later(tmp_path, no_waiting):
    with serve(CONTENT, errors=2, error=429) as server:
        assert fetch(published(server), tmp_path, offline=False).read_bytes() == CONTENT
    assert no_waiting == [1, 2]


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "cache").write_text("a file")
    file = PublishedFile("table.csv", "http://127.0.0.1:9/file", SHA256)
    with pytest.raises(DataError, match="set FAIRREP_CACHE"):
        fetch(file, tmp_path / "cache" / "small", offline=False)


def test_an_empty_checksum_record_is_none(tmp_path):
    (tmp_path / "table.csv.sha256").touch()
    with serve(CONTENT) as server:
        fetch(published(server, sha256=None), tmp_path, offline=False)
    assert (tmp_path / "table.csv.sha256").read_text().strip() == SHA256
