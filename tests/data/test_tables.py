"""A user's tables: what is read, and every refusal with its row."""

from __future__ import annotations

import gzip
import lzma
import zipfile
from decimal import Decimal

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


def test_a_semicolon_file_with_decimal_commas_is_named_as_such(tmp_path):
    (tmp_path / "t.csv").write_text("age;pay, net;sex\n31;24,72;f\n40;30,10;m\n")
    with pytest.raises(DataError, match=r"looks separated by ';'"):
        read_table(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("age;pay\n31;24,72\n")
    with pytest.raises(DataError, match=r"looks separated by ';'"):
        read_table(tmp_path / "t.csv")


def test_a_semicolon_inside_a_name_is_no_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text("age;years,pay,sex\n31,24,f\n")
    assert list(read_table(tmp_path / "t.csv").columns) == ["age;years", "pay", "sex"]


def test_the_line_is_counted_with_newlines_in_quotes(tmp_path):
    (tmp_path / "t.csv").write_text('a,"b\nc"\n1,2\n3,4,5\n')
    with pytest.raises(DataError, match=r"row 2 \(line 4\) has 3 values"):
        read_table(tmp_path / "t.csv")


def test_a_quote_without_end_is_refused_however_long_the_field(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n1,"x\n' + "2,y\n" * 50_000)
    with pytest.raises(DataError, match=r"t\.csv.*inside string"):
        read_table(tmp_path / "t.csv")


def zipped(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.csv", content)


def test_inside_a_zip_rows_are_counted_too(tmp_path):
    zipped(tmp_path / "t.csv.zip", "a,b\n1,x\n2,é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"row 2 \(line 3\) holds the byte 0xe9"):
        read_table(tmp_path / "t.csv.zip")
    zipped(tmp_path / "t.csv.zip", "a,b\n1,2\n3,4,5\n")
    with pytest.raises(DataError, match=r"row 2 \(line 3\) has 3 values"):
        read_table(tmp_path / "t.csv.zip")


@pytest.mark.parametrize(
    ("name", "pack"), [("t.csv.gz", gzip.compress), ("t.csv.xz", lzma.compress)]
)
def test_a_compressed_file_that_was_cut_off_is_refused(tmp_path, name, pack):
    packed = pack("\n".join(["a,b", *(f"{k},{k * k}" for k in range(9_000))]).encode())
    (tmp_path / name).write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=name):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"PK\x03\x04", "Excel"), (b"PAR1", "parquet"), (b"\xd0\xcf\x11\xe0", "Excel")],
)
def test_a_workbook_or_parquet_under_another_name_is_told(tmp_path, start, kind):
    (tmp_path / "t.csv").write_bytes(start + bytes(range(256)))
    with pytest.raises(DataError, match=rf"t\.csv' must be text.*{kind}"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("value", [[1, 2], {"x": 1}])
def test_columns_of_lists_and_records_are_named(tmp_path, value):
    pd.DataFrame({"a": [1, 2], "many": [value, value]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="those of many are lists or records"):
        read_table(tmp_path / "t.parquet")


def test_decimals_are_numbers(tmp_path):
    pd.DataFrame({"pay": [Decimal("1.5"), None]}).to_parquet(tmp_path / "t.parquet")
    pay = read_table(tmp_path / "t.parquet")["pay"]
    assert pay.dtype == float
    assert pay[0] == 1.5
    assert pay.isna()[1]


def test_a_column_may_be_called_null(tmp_path):
    (tmp_path / "t.csv").write_text("null,NA\n1,2\n")
    assert list(read_table(tmp_path / "t.csv").columns) == ["null", "NA"]
