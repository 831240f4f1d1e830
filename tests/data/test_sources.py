"""Files into tables: embedded files are the publisher's own, bad files give one clear line."""

from __future__ import annotations

import hashlib
import lzma
from importlib.resources import files

import pytest

from fairrep.data import load_dataset
from fairrep.data.registry import dataset_spec
from fairrep.data.sources import existing_file
from fairrep.errors import DataError

PUBLISHED = {
    "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    "german.data": "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_embedded_file_is_the_publishers_byte_for_byte(name):
    packed = (files("fairrep.data") / "files" / f"{name}.xz").read_bytes()
    assert hashlib.sha256(lzma.decompress(packed)).hexdigest() == PUBLISHED[name]


def test_the_embedded_files_are_small():
    packed = [(files("fairrep.data") / "files" / f"{name}.xz").read_bytes() for name in PUBLISHED]
    assert sum(map(len, packed)) < 700_000


@pytest.mark.parametrize("name", ["adult", "german"])
def test_the_stated_checksums_are_the_publishers(name):
    for file in dataset_spec(name).files:
        assert file.sha256 == PUBLISHED[file.name]


@pytest.mark.parametrize("named", ["", "german.data"])
def test_a_path_of_the_user_comes_before_the_embedded_copy(tmp_path, named):
    (tmp_path / "german.data").write_text("A11 6\nA12 48\n")
    assert len(load_dataset("german", str(tmp_path / named)).frame) == 2


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name, reason in (("gone.csv", "does not exist"), (".", "folder"), ("empty.csv", "empty")):
        with pytest.raises(DataError, match=reason):
            existing_file(tmp_path / name)
