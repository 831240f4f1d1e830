"""Files into tables: embedded files are the publisher's own, bad files give one clear line."""

from __future__ import annotations

import hashlib
import lzma
from importlib.resources import files

import pandas as pd
import pytest

from fairrep.data.sources import existing_file, read_raw, read_table
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


def test_a_folder_of_the_user_comes_before_the_embedded_copy(tmp_path):
    (tmp_path / "german.data").write_text("A11 6\nA12 48\n")
    assert read_raw("german.data", str(tmp_path), sep=" ").shape == (2, 2)


def test_csv_and_parquet_give_the_same_table(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    )


def test_a_missing_file_a_folder_and_an_empty_file_are_named(tmp_path):
    (tmp_path / "empty.csv").touch()
    for name, reason in (("gone.csv", "does not exist"), (".", "folder"), ("empty.csv", "empty")):
        with pytest.raises(DataError, match=reason):
            existing_file(tmp_path / name)


def test_a_header_without_rows_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="header but no rows"):
        read_table(tmp_path / "t.csv")


def test_repeated_column_names_are_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b, a\n1,2,3\n")
    with pytest.raises(DataError, match="repeats a"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04\x00\xff\xfe\x80" * 40)
    with pytest.raises(DataError, match=name):
        read_table(tmp_path / name)


def test_a_ragged_csv_is_refused_with_the_line(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4,5,6\n")
    with pytest.raises(DataError, match="line 3"):
        read_table(tmp_path / "t.csv")
