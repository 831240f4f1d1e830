"""Files into tables: embedded files are the publisher's own, bad files give one clear line."""

from __future__ import annotations

import hashlib
import lzma
from importlib.resources import files

import pytest

from fairrep.data import DATASETS, load_dataset
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
    frame = load_dataset("german").frame.head(7)
    frame.to_csv(tmp_path / "german.data", sep=" ", header=False, index=False)
    assert len(load_dataset("german", str(tmp_path / named)).frame) == 7


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name, reason in (("gone.csv", "does not exist"), (".", "folder"), ("empty.csv", "empty")):
        with pytest.raises(DataError, match=reason):
            existing_file(tmp_path / name)


FILES = {name: dataset_spec(name).files for name in DATASETS if name not in ("csv", "acs")}
CONTENTS = {
    "empty": (b"", "empty"),
    "binary": (b"\x00\xff\xfe damaged \x80\n" * 50, "not"),
    "another table": (b"a,b\n1,2\n3,4\n", "not"),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", FILES)
def test_every_loader_refuses_another_file_by_its_name(tmp_path, name, content):
    data, words = CONTENTS[content]
    for file in FILES[name]:
        (tmp_path / file.name.removesuffix(".gz")).write_bytes(data)
    first = FILES[name][0].name.removesuffix(".gz")
    with pytest.raises(DataError, match=rf"{first}.*{words}"):
        load_dataset(name, str(tmp_path), offline=True)


@pytest.mark.parametrize("name", FILES)
def test_every_loader_names_the_file_that_a_folder_lacks(tmp_path, name):
    with pytest.raises(DataError, match=rf"no file '{FILES[name][0].name}'"):
        load_dataset(name, str(tmp_path), offline=True)


@pytest.mark.parametrize("name", FILES)
def test_every_loader_refuses_a_path_that_does_not_exist(tmp_path, name):
    with pytest.raises(DataError, match="gone"):
        load_dataset(name, str(tmp_path / "gone"), offline=True)


def test_a_data_set_of_two_files_needs_their_folder(tmp_path):
    (tmp_path / "adult.data").write_text("x")
    with pytest.raises(DataError, match=r"the folder that holds adult\.data, adult\.test"):
        load_dataset("adult", str(tmp_path / "adult.data"), offline=True)
