"""Embeddings made elsewhere as x: every row its own, in whatever file and order they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fairrep.data import NumericColumn, load_dataset
from fairrep.data.prepare import Choices, prepare_table
from tests.data.helpers import (
    SETTINGS,
    people,
    prepare,
    vectors,
    write_array,
    write_csv,
    write_keyed,
)

CHOICES = {"sensitive": ["sex"], "seen": ["hired"], "novel": []}
NAMES = tuple(f"embedding_{j}" for j in range(5))


def raw_x(data) -> np.ndarray:
    """x of all rows in the table's order and in its own units."""
    columns = data.schema.columns
    x = np.concatenate([rows.x.numpy() for rows in data.splits.values()])
    index = np.concatenate([rows.index for rows in data.splits.values()])
    mean, scale = (np.array([getattr(c, k) for c in columns]) for k in ("mean", "scale"))
    return (x * scale + mean)[np.argsort(index)]


def test_x_is_the_embeddings_alone_each_row_its_own(path, tmp_path):
    """Moments are the training rows': undoing them gives the file back, to float32."""
    array = vectors()
    data = prepare("csv", path=path, embeddings=write_array(tmp_path, array), **CHOICES)
    assert data.schema.names == NAMES
    assert np.allclose(raw_x(data), array, atol=1e-5)
    fitted = array[data.train.index].astype(np.float64)
    assert [c.mean for c in data.schema.columns] == pytest.approx(fitted.mean(axis=0), abs=1e-12)
    assert [c.scale for c in data.schema.columns] == pytest.approx(fitted.std(axis=0), abs=1e-12)


def test_labels_groups_and_splits_are_those_of_the_table_alone(path, tmp_path):
    with_x = prepare("csv", path=path, embeddings=write_array(tmp_path, vectors()), **CHOICES)
    without = prepare("csv", path=path, **CHOICES)
    for name, rows in with_x.splits.items():
        other = without.splits[name]
        assert torch.equal(rows.y, other.y)
        assert torch.equal(rows.s, other.s)
        assert rows.index.tolist() == other.index.tolist()


def test_features_that_are_named_stand_beside_the_embeddings(path, tmp_path):
    asked = CHOICES | {"features": ["age", "city", "embedding_1", "sex"]}
    data = prepare("csv", path=path, embeddings=write_array(tmp_path, vectors()), **asked)
    assert data.schema.names == (*NAMES, "age", "city")
    assert data.dropped == {"sex": "sensitive attribute sex"}


def test_include_sensitive_puts_s_beside_the_embeddings(path, tmp_path):
    array = write_array(tmp_path, vectors())
    data = prepare("csv", path=path, embeddings=array, include_sensitive=True, **CHOICES)
    assert data.schema.names == (*NAMES, "sex")


@pytest.mark.parametrize("dtype", ["float16", ">f4", "float64", "int8", "uint16", "int64", "bool"])
def test_any_real_type_is_numeric_whatever_its_values(path, tmp_path, dtype):
    """Bits and small integers, which have few distinct values, are numbers too."""
    array = (vectors() > 3).astype(dtype) if dtype == "bool" else vectors().astype(dtype)
    data = prepare("csv", path=path, embeddings=write_array(tmp_path, array), **CHOICES)
    assert all(isinstance(column, NumericColumn) for column in data.schema.columns)
    assert np.allclose(raw_x(data), array.astype(np.float64), rtol=1e-4, atol=1e-4)


def test_column_major_arrays_are_the_same_rows(path, tmp_path):
    files = (vectors(), np.asfortranarray(vectors()))
    rows, columns = (
        prepare("csv", path=path, embeddings=write_array(tmp_path, a, f"{k}.npy"), **CHOICES)
        for k, a in enumerate(files)
    )
    assert torch.equal(rows.train.x, columns.train.x)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_of_numbers_keeps_its_own_names(path, tmp_path, ending):
    table = pd.DataFrame(vectors(), columns=list("vwxyz")).assign(flag=vectors()[:, 0] > 3)
    file = tmp_path / f"vectors.{ending}"
    table.to_parquet(file) if ending == "parquet" else table.to_csv(file, index=False)
    data = prepare("csv", path=path, embeddings=str(file), **CHOICES)
    assert data.schema.names == (*"vwxyz", "flag")
    assert np.allclose(raw_x(data), table.astype(float), atol=1e-5)


def test_a_key_finds_each_rows_embedding_in_any_order(keyed, tmp_path):
    """More people than the table has, in another order; the key itself is in no x and no task."""
    path, keys = keyed
    array, others = vectors(), np.arange(20_000, 20_050)
    file = write_keyed(tmp_path, np.vstack([array, vectors(50, 8)]), np.append(keys, others))
    data = prepare("csv", path=path, embeddings=file, embeddings_key="person_id", **CHOICES)
    assert data.schema.names == tuple("vwxyz")
    assert np.allclose(raw_x(data), array, atol=1e-5)
    assert "person_id" not in data.spec.tasks
    assert "matched by person_id" in data.notes[0]


def test_keys_match_as_text_where_one_file_holds_text(keyed, tmp_path):
    path, keys = keyed
    file = write_keyed(tmp_path, vectors(), [f"{key}" for key in keys])
    data = prepare("csv", path=path, embeddings=file, embeddings_key="person_id", **CHOICES)
    assert np.allclose(raw_x(data), vectors(), atol=1e-5)


def test_rows_of_one_person_share_an_embedding(tmp_path):
    keys = np.arange(400) // 2
    path = write_csv(tmp_path, people().assign(person_id=keys))
    file = write_keyed(tmp_path, vectors(200), np.arange(200))
    data = prepare("csv", path=path, embeddings=file, embeddings_key="person_id", **CHOICES)
    assert np.allclose(raw_x(data), vectors(200)[keys], atol=1e-5)


def test_a_second_file_of_each_holds_the_test_rows(path, tmp_path):
    data = prepare(
        "csv",
        path=path,
        test_path=write_csv(tmp_path, people(60, seed=1), "test.csv"),
        embeddings=write_array(tmp_path, vectors()),
        test_embeddings=write_array(tmp_path, vectors(60, 9), "test.npy"),
        **CHOICES,
    )
    assert len(data.test) == 60
    assert np.allclose(raw_x(data), np.vstack([vectors(), vectors(60, 9)]), atol=1e-5)


def test_named_columns_of_the_second_file_may_come_in_any_order(path, tmp_path):
    table = pd.DataFrame(vectors(), columns=list("vwxyz"))
    other = pd.DataFrame(vectors(60, 9), columns=list("vwxyz"))
    data = prepare(
        "csv",
        path=path,
        test_path=write_csv(tmp_path, people(60, seed=1), "test.csv"),
        embeddings=write_csv(tmp_path, table, "a.csv"),
        test_embeddings=write_csv(tmp_path, other[list("zyxwv")], "b.csv"),
        **CHOICES,
    )
    assert np.allclose(raw_x(data)[400:], other, atol=1e-5)


def test_by_key_one_file_serves_both_tables(tmp_path):
    tables = (
        people().assign(person_id=range(400)),
        people(60, 1).assign(person_id=range(900, 960)),
    )
    path, test_path = (write_csv(tmp_path, t, f"{k}.csv") for k, t in enumerate(tables))
    keys = [*range(400), *range(900, 960)]
    data = prepare(
        "csv",
        path=path,
        test_path=test_path,
        embeddings=write_keyed(tmp_path, vectors(460), keys),
        embeddings_key="person_id",
        **CHOICES,
    )
    assert np.allclose(raw_x(data), vectors(460), atol=1e-5)


def test_rows_that_are_left_out_take_their_embeddings_with_them(tmp_path):
    """A filter of rows comes after the embeddings: what stays is still its own."""
    table = people().astype({"hired": float})
    table.loc[[0, 7, 211], "hired"] = np.nan
    array = vectors()
    raw = load_dataset("csv", write_csv(tmp_path, table), embeddings=write_array(tmp_path, array))
    raw = replace(raw, spec=replace(raw.spec, leave_out_unlabelled=True))
    settings = {k: v for k, v in SETTINGS.items() if k not in ("offline", "cache")}
    data = prepare_table(
        raw, Choices(**CHOICES, features=None, include_sensitive=False, **settings)
    )
    assert data.left_out == 3
    assert np.allclose(raw_x(data), np.delete(array, [0, 7, 211], axis=0), atol=1e-5)


def test_dropped_columns_of_the_embeddings_never_enter_x(path, tmp_path):
    table = pd.DataFrame(vectors(), columns=list("vwxyz")).assign(model="bert", age=0)
    data = prepare(
        "csv",
        path=path,
        embeddings=write_csv(tmp_path, table, "vectors.csv"),
        drop=["model", "age", "w", "city"],
        **CHOICES,
    )
    assert data.schema.names == tuple("vxyz")
    array = write_array(tmp_path, vectors())
    fewer = prepare("csv", path=path, embeddings=array, drop=["embedding_1"], **CHOICES)
    assert fewer.schema.names == tuple(name for name in NAMES if name != "embedding_1")


def test_saved_preprocessing_reads_arrays_and_tables_alike(path, tmp_path):
    """More columns than are copied together, beside a category: by position and by name."""
    array = np.random.default_rng(0).normal(size=(400, 70)).astype(np.float32)
    data = prepare("csv", path=path, embeddings=write_array(tmp_path, array), **CHOICES)
    table = pd.DataFrame(array, columns=list(data.schema.names))
    whole = data.schema.encode(array)
    assert np.array_equal(whole[data.val.index], data.val.x.numpy())
    assert np.array_equal(data.schema.encode(table[table.columns[::-1]].assign(more="x")), whole)
