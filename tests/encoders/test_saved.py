"""Encoders on disk: bitwise back, no pickle, damaged files refused in words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import fairrep
from fairrep.data import fit_schema
from fairrep.encoders import TableEncoder, build_encoder, fit_columns, load_encoder, save_encoder
from fairrep.encoders.encoder import trunk_options
from fairrep.encoders.saved import cardinalities
from fairrep.errors import RunError, SchemaError
from fairrep.types import TaskSpec

TABLE = pd.DataFrame(
    {
        "size": [1.0, 2.5, np.nan, 8.0, 3.0],
        "colour": ["red", "blue", "red", None, "blue"],
        "code": [1, 2, 3, 1, 2],
    }
)


TABULAR = {"name": "tabular", "numeric": "piecewise_linear", "embedding": 4, "width": 8}
TABULAR |= {"blocks": 2, "dropout": 0.5, "ensemble": 1}
ARCHITECTURES = {
    "linear": {"name": "linear"},
    "mlp": {"name": "mlp", "hidden": [8], "activation": "relu", "dropout": 0.5},
    "tabular": TABULAR,
    "ensemble": TABULAR | {"ensemble": 3},
    "periodic": TABULAR | {"numeric": "periodic"},
    "cells": {"name": "cells", "cells": 6, "release": "draw", "usage": 0.1, "recall": None},
}


@pytest.fixture(params=ARCHITECTURES)
def encoder(request):
    schema = fit_schema(TABLE, {"code": "categorical"})
    options = dict(ARCHITECTURES[request.param])
    x, sizes = torch.from_numpy(schema.encode(TABLE)), cardinalities(schema)
    if options["name"] == "tabular":
        labels, tasks = torch.rand(len(x), 1), [TaskSpec("y", "regression")]
        options["columns"] = fit_columns(x, labels, tasks, sizes, by="tree", count=4, min_rows=2)
    if options["name"] == "cells":
        options["trunk"] = ARCHITECTURES["mlp"] | {"dim": 3}
    else:
        options["dim"] = 3
    torch.manual_seed(0)
    network = build_encoder(sizes, **options)
    network(x)
    task = TaskSpec("income", "regression", mean=1.5, scale=2.0)
    return TableEncoder(network, schema, tasks=[task], groups=["f", "m"])


def test_the_loaded_encoder_gives_the_very_same_bits(encoder, tmp_path):
    save_encoder(encoder, tmp_path / "encoder")
    for path in (tmp_path, tmp_path / "encoder", str(tmp_path)):
        loaded = load_encoder(path)
        assert loaded.transform(TABLE).tobytes() == encoder.transform(TABLE).tobytes()
        for name, value in encoder.encoder.state_dict().items():
            assert torch.equal(loaded.encoder.state_dict()[name], value)


def test_schema_tasks_and_groups_come_back(encoder, tmp_path):
    save_encoder(encoder, tmp_path)
    loaded = fairrep.load_encoder(tmp_path)
    assert (loaded.schema, loaded.tasks, loaded.groups) == (
        encoder.schema,
        encoder.tasks,
        encoder.groups,
    )
    assert not loaded.training


def test_a_table_and_its_array_are_transformed_alike(encoder):
    np.testing.assert_array_equal(
        encoder.transform(TABLE.to_numpy(object)), encoder.transform(TABLE)
    )


def test_order_and_company_of_columns_do_not_matter(encoder):
    other = TABLE[["code", "size", "colour"]].assign(extra=1)
    np.testing.assert_array_equal(encoder.transform(other), encoder.transform(TABLE))


def test_transform_is_in_evaluation_mode_and_leaves_the_mode_alone(encoder):
    encoder.train()
    first = encoder.transform(TABLE)
    np.testing.assert_array_equal(encoder.transform(TABLE), first)
    assert encoder.training


def test_the_batch_size_does_not_matter(encoder):
    np.testing.assert_allclose(
        encoder.transform(TABLE, batch_size=2), encoder.transform(TABLE), rtol=1e-5, atol=1e-6
    )


def test_no_rows_give_an_empty_representation(encoder):
    assert encoder.transform(TABLE.iloc[:0]).shape == (0, encoder.dim)


def test_a_missing_column_is_named(encoder):
    with pytest.raises(SchemaError, match="lacks colour"):
        encoder.transform(TABLE.drop(columns="colour"))


def test_truncated_weights_are_refused(encoder, tmp_path):
    save_encoder(encoder, tmp_path)
    file = tmp_path / "encoder.safetensors"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RunError, match="does not hold a whole fairrep encoder"):
        load_encoder(tmp_path)


def test_weights_of_another_network_are_refused(encoder, tmp_path):
    save_encoder(encoder, tmp_path)
    description = json.loads((tmp_path / "encoder.json").read_text())
    trunk_options(description["architecture"])["dim"] = 4
    (tmp_path / "encoder.json").write_text(json.dumps(description))
    with pytest.raises(RunError, match="whole fairrep encoder"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    "content",
    ['{"model_type": "bert"}', "[]", "{}", '{"format": 1}', '{"format": 99}', '{"format":', "\0"],
)
def test_foreign_or_broken_json_is_refused(encoder, tmp_path, content):
    save_encoder(encoder, tmp_path)
    (tmp_path / "encoder.json").write_text(content)
    with pytest.raises(RunError, match="encoder"):
        load_encoder(tmp_path)


def test_a_folder_without_encoder_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"encoder\.json.*fairrep train"):
        load_encoder(tmp_path)


def test_missing_weights_are_refused(encoder, tmp_path):
    save_encoder(encoder, tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    with pytest.raises(RunError, match="whole fairrep encoder"):
        load_encoder(tmp_path)


def test_forward_can_be_trained_further(encoder):
    x = torch.from_numpy(encoder.schema.encode(TABLE))
    encoder.train()
    encoder(x).square().sum().backward()
    assert any(p.grad is not None for p in encoder.parameters())
