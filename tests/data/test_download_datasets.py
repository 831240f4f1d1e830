"""Whole data sets by download: a server on the loopback interface serves the real files."""

from __future__ import annotations

import io
import lzma
import zipfile
from dataclasses import replace
from importlib import import_module

import pytest

from fairrep.data import DATASETS, download, load_dataset
from fairrep.data.datasets import acs_files
from fairrep.data.registry import dataset_spec
from fairrep.errors import DataError
from tests.data.loopback import serve
from tests.data.test_acs import people

ROWS = {
    "compas-scores-two-years.csv.xz": ("compas", 6_172),
    "communities.data": ("communities", 1_994),
    "school.mat": ("school", 15_362),
    "drug_consumption.data": ("drug", 1_885),
    "law_data.csv.xz": ("law_school", 21_791),
}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRREP_DATA", raising=False)
    monkeypatch.setenv("FAIRREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "_wait", lambda _: None)


def publish_at(monkeypatch, name: str, url: str) -> None:
    """Let a data set's publisher be ``url``; its pinned checksums stay."""
    spec = dataset_spec(name)
    files = tuple(replace(file, url=url) for file in spec.files)
    monkeypatch.setattr(import_module(DATASETS[name]), "SPEC", replace(spec, files=files))


@pytest.mark.parametrize("file", ROWS)
def test_the_real_file_is_downloaded_resumed_verified_and_read(
    file, publishers_file, monkeypatch, tmp_path
):
    name, rows = ROWS[file]
    content = publishers_file(file).read_bytes()
    content = lzma.decompress(content) if file.endswith(".xz") else content
    with serve(content, cut_after=len(content) // 2, cuts=1) as server:
        publish_at(monkeypatch, name, server.file("moved"))
        assert len(load_dataset(name).frame) == rows
        asked = len(server.requests)
        assert len(load_dataset(name).frame) == rows
        assert len(server.requests) == asked
    assert len(load_dataset(name, offline=True).frame) == rows


def test_a_pinned_checksum_refuses_a_changed_file(publishers_file, monkeypatch):
    content = publishers_file("communities.data").read_bytes().replace(b"0.67", b"0.68", 1)
    with serve(content) as server:
        publish_at(monkeypatch, "communities", server.file("file"))
        with pytest.raises(DataError, match="does not serve the bytes"):
            load_dataset("communities")


def test_the_census_bureaus_zip_is_downloaded_and_found_again(monkeypatch, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("psam_p44.csv", people().to_csv(index=False))
    published = acs_files.published
    with serve(packed.getvalue()) as server:
        monkeypatch.setattr(
            acs_files,
            "published",
            lambda state, year: replace(published(state, year), url=server.file("file")),
        )
        for _ in range(2):
            assert len(load_dataset("acs", states=["RI"], year=2018).frame) == len(people())
        assert len(server.requests) == 1
    place = tmp_path / "cache" / "acs" / "2018" / "1-Year" / "csv_pri.zip"
    assert place.is_file()
    assert len(load_dataset("acs", offline=True).frame) == len(people())
