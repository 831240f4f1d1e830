"""A user's tables: what is read, and every refusal with its row."""

from __future__ import annotations

import pandas as pd
import pytest

from fairrep.data.tables import read_table
from fairrep.errors import DataError


def test_csv_and_parquet_give_the_same_table(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(
        read_table(tmp_path / "t.csv"), read_table(tmp_path / "t.parquet")
    )


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


def test_a_wrong_delimiter_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    with pytest.raises(DataError, match=r"line 1\) looks separated by ';'"):
        read_table(tmp_path / "t.csv")


def test_latin_1_is_refused_with_the_row(tmp_path):
    (tmp_path / "t.csv").write_bytes("a,b\n1,x\n2,é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"UTF-8, but row 2 \(line 3\) holds the byte 0xe9"):
        read_table(tmp_path / "t.csv")


def test_latin_1_far_into_a_long_file_is_found(tmp_path):
    rows = ["a,b", *["1,x"] * 200_000, "2,é"]
    (tmp_path / "t.csv").write_bytes("\n".join(rows).encode("latin-1"))
    with pytest.raises(DataError, match="row 200001"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("lines", [["1,2,", "3,4,"], ["1,2", "3,4,"]])
def test_a_trailing_comma_is_refused_with_the_row(tmp_path, lines):
    (tmp_path / "t.csv").write_text("\n".join(["a,b", *lines]))
    row = next(i for i, line in enumerate(lines, 1) if line.endswith(","))
    with pytest.raises(
        DataError, match=rf"row {row} \(line {row + 1}\) has 3 values \(a trailing comma\)"
    ):
        read_table(tmp_path / "t.csv")


def test_a_trailing_comma_in_the_header_only_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"column 3 has no name"):
        read_table(tmp_path / "t.csv")
