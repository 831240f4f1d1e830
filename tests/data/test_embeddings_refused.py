"""Embeddings that cannot be x: one clear line with the requirement, what came, and the mend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairrep.errors import ConfigError, DataError
from tests.data.helpers import people, prepare, vectors, write_array, write_csv, write_keyed

CHOICES = {"sensitive": ["sex"], "seen": ["hired"], "novel": []}


AT = np.arange(400)
GAP = r"row 4 .*nan in embedding_3 \(1 such"
BAD_ARRAYS = {
    "one dimension": (np.zeros(400), r"\(rows, columns\).*shape \(400,\)"),
    "three dimensions": (np.zeros((400, 2, 2)), r"shape \(400, 2, 2\)"),
    "complex": (np.zeros((400, 2), dtype=complex), "real numbers.*complex128"),
    "text": (np.full((400, 2), "a"), "real numbers.*<U1"),
    "objects": (np.full((400, 2), None), "real numbers.*Python objects"),
    "too few rows": (vectors(399), r"400 rows, in its order, but '.*people\.npy' has 399"),
    "no columns": (np.zeros((400, 0)), "no column|is not"),
    "a gap": (np.where(np.arange(2_000).reshape(400, 5) == 18, np.nan, 1.0), GAP),
    "infinity": (np.where(AT[:, None] > 397, np.inf, vectors()), r"row 399 .*inf"),
    "beyond float32": (vectors(dtype="float64") * 1e300, r"finite \(in float32\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_that_cannot_be_x_is_refused_with_the_reason(path, tmp_path, case):
    array, message = BAD_ARRAYS[case]
    np.save(tmp_path / "people.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=message):
        prepare("csv", path=path, embeddings=str(tmp_path / "people.npy"), **CHOICES)


BROKEN = {
    "people.npy": b"not an array",
    "cut.npy": None,
    "people.npz": b"PK\x03\x04and so on",
    "array.csv": b"\x93NUMPY\x01\x00 and so on",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_of_another_kind_is_refused_by_name(path, tmp_path, name):
    file = tmp_path / name
    if BROKEN[name] is None:
        np.save(file, vectors())
        file.write_bytes(file.read_bytes()[:-100])
    else:
        file.write_bytes(BROKEN[name])
    with pytest.raises(DataError, match=name):
        prepare("csv", path=path, embeddings=str(file), **CHOICES)


def test_a_file_that_is_not_there_is_refused_with_its_setting(path):
    with pytest.raises(DataError, match=r"does not exist; check data\.embeddings"):
        prepare("csv", path=path, embeddings="gone.npy", **CHOICES)


BAD_TABLES = {
    "text": ({"name": "Ann"}, r"numbers, but .*has name \(row 1 .*'Ann'\).*data\.drop=\[name\]"),
    "a name of the table's": ({"age": 1}, r"both have age; match rows by it .*data\.drop=\[age\]"),
    "a gap": ({"more": [np.nan] + [1.0] * 399}, r"row 1 .*nan in more \(1 such"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_cannot_be_x_is_refused_with_the_mend(path, tmp_path, case):
    columns, message = BAD_TABLES[case]
    table = pd.DataFrame(vectors(), columns=list("vwxyz")).assign(**columns)
    table.to_parquet(tmp_path / "vectors.parquet")
    with pytest.raises(DataError, match=message):
        prepare("csv", path=path, embeddings=str(tmp_path / "vectors.parquet"), **CHOICES)


def test_an_arrays_names_must_not_be_the_tables(tmp_path):
    path = write_csv(tmp_path, people().assign(embedding_3=1))
    with pytest.raises(DataError, match=r"both have embedding_3; leave them out with data\.drop"):
        prepare("csv", path=path, embeddings=write_array(tmp_path, vectors()), **CHOICES)


BAD_KEYS = {
    "repeated": (lambda keys: np.where(AT == 9, keys[3], keys), "once, but 1 rows"),
    "lost": (lambda keys: np.where(AT == 9, -5, keys), r"but 1 are not .*row 10"),
    "unknown": (lambda keys: np.where(AT == 9, np.nan, keys), "but 1 rows of '"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_KEYS)
def test_every_row_must_be_found_exactly_once(keyed, tmp_path, case):
    (path, keys), (change, message) = keyed, BAD_KEYS[case]
    file = write_keyed(tmp_path, vectors(), change(keys))
    with pytest.raises(DataError, match=message):
        prepare("csv", path=path, embeddings=file, embeddings_key="person_id", **CHOICES)


def test_a_key_must_be_a_column_of_both(keyed, path, tmp_path):
    file = write_keyed(tmp_path, vectors(), keyed[1])
    with pytest.raises(DataError, match="embeddings_key=person_id must be a column of the table"):
        prepare("csv", path=path, embeddings=file, embeddings_key="person_id", **CHOICES)
    with pytest.raises(DataError, match=r"whose columns are v, w, person_id, x, y, z"):
        prepare("csv", path=path, embeddings=file, embeddings_key="age", **CHOICES)


def test_a_key_never_enters_x(keyed, tmp_path):
    file = write_keyed(tmp_path, vectors(), keyed[1])
    asked = {"path": keyed[0], "embeddings": file, "embeddings_key": "person_id", **CHOICES}
    with pytest.raises(ConfigError, match=r"'person_id' is data\.embeddings_key"):
        prepare("csv", **asked, features=["person_id"])
    with pytest.raises(ConfigError, match="sensitive attribute 'person_id' is not known"):
        prepare("csv", **asked | {"sensitive": ["person_id"]})


BAD_SETTINGS = [
    ({"test_embeddings": "test.npy"}, r"test_embeddings stands beside data\.embeddings"),
    ({"embeddings_key": "age"}, r"embeddings_key stands beside data\.embeddings"),
    ({"embeddings": "{npy}", "test_embeddings": "{npy}"}, r"of the rows of data\.test_path"),
    ({"embeddings": "{npy}", "test_path": "{path}"}, r"set data\.test_embeddings=FILE"),
    ({"embeddings": "{npy}", "embeddings_key": "age"}, r"is an array; save them as parquet"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_settings_that_do_not_fit_each_other_are_refused(path, tmp_path, settings, message):
    npy = write_array(tmp_path, vectors())
    given = {key: value.format(npy=npy, path=path) for key, value in settings.items()}
    with pytest.raises(ConfigError, match=message):
        prepare("csv", path=path, **given, **CHOICES)


def test_test_embeddings_of_another_width_are_refused(path, tmp_path):
    with pytest.raises(DataError, match=r"same 5 columns.*has 4, without embedding_4"):
        prepare(
            "csv",
            path=path,
            test_path=path,
            embeddings=write_array(tmp_path, vectors()),
            test_embeddings=write_array(tmp_path, vectors()[:, :4], "test.npy"),
            **CHOICES,
        )


def test_unknown_names_are_looked_for_in_the_table_not_among_hundreds_of_columns(path, tmp_path):
    array = write_array(tmp_path, vectors())
    with pytest.raises(ConfigError, match=r"'agee' is not known.*Did you mean 'age'") as told:
        prepare("csv", path=path, embeddings=array, features=["agee"], **CHOICES)
    assert "embedding_" not in str(told.value)
    with pytest.raises(DataError, match="table lacks: embedding_1;"):
        prepare("csv", path=path, embeddings=array, types={"embedding_1": "numeric"}, **CHOICES)
