"""The export command: an ONNX file that gives what PyTorch gives, all a user needs within it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from torch import nn

import fairrep
from fairrep.app import export_onnx
from fairrep.app.certify import certify_run
from fairrep.app.export import export
from fairrep.data import CategoricalColumn, NumericColumn, TableSchema
from fairrep.encoders import TableEncoder, build_encoder, load_heads, task_predictions
from fairrep.errors import ConfigError, RunError
from tests.app.conftest import ROOT, newcomers, small_run


@pytest.fixture(scope="module")
def file(run_of_people, tmp_path_factory):
    output = tmp_path_factory.mktemp("exported") / "encoder.onnx"
    return export(f"run={run_of_people}", f"output={output}", "head=joint")


def documented_inputs():
    """The functions of docs/export.md, which know the file's metadata alone."""
    block = re.search(
        r"```python\n(import json.*?)```", (ROOT / "docs/export.md").read_text(), re.S
    )
    names = {}
    exec(block.group(1), names)
    assert "fairrep" not in names
    return names["inputs"]


def outputs(file: Path, table: pd.DataFrame) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(str(file))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, documented_inputs()(table, session))))


def metadata(file: Path):
    session = onnxruntime.InferenceSession(str(file))
    return json.loads(session.get_modelmeta().custom_metadata_map["fairrep"])


@pytest.mark.parametrize("rows", [1, 3, 500])
def test_the_file_alone_gives_z_and_scores_of_a_table(file, run_of_people, rows):
    """Missing values, unseen categories, wealth of 10⁹, codes that are numbers."""
    table = newcomers(500, 4)[:rows]
    found = outputs(file, table)
    z = fairrep.load_encoder(run_of_people).transform(table)
    assert np.allclose(found["z"], z, atol=1e-5)
    heads = load_heads(run_of_people / "heads" / "joint")
    with torch.no_grad():
        scores = task_predictions(heads.network(torch.from_numpy(z)), heads.tasks)
    names = ["hired/probability", "field/probability", "score/value"]
    assert list(found) == ["z", *names]
    for name, expected in zip(names, scores):
        assert np.allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_codes_that_do_not_exist_are_categories_never_seen(file):
    session = onnxruntime.InferenceSession(str(file))
    feeds = documented_inputs()(newcomers(4, 5), session)
    (unseen,) = session.run(["z"], feeds | {"categories": np.full((4, 2), -1)})
    (absent,) = session.run(["z"], feeds | {"categories": np.array([[-9, 4]] * 4)})
    assert np.array_equal(unseen, absent)


def test_the_metadata_say_what_the_file_is(file, run_of_people):
    about = metadata(file)
    assert about["inputs"] == {"numeric": ["age", "wealth"], "categories": ["code", "city"]}
    schema = TableSchema.from_json(about["columns"])
    assert schema == fairrep.load_encoder(run_of_people).schema
    assert about["groups"] == ["f", "m"]
    assert [task["name"] for task in about["tasks"]] == ["hired", "field", "score"]
    assert (about["fairrep"], about["seed"]) == (fairrep.__version__, 0)
    assert (about["penalty"], about["weight"]) == ("mmd", pytest.approx(about["weight"]))
    assert (about["encoder"], about["dim"], about["certificate"]) == ("tabular", 4, None)


def test_a_file_that_gives_something_else_is_never_there(run_of_people, tmp_path, monkeypatch):
    monkeypatch.setattr(export_onnx, "_traced", lambda *_: Other())
    with pytest.raises(RunError, match=r"must give what PyTorch gives, but z differs by"):
        export(f"run={run_of_people}", f"output={tmp_path / 'encoder.onnx'}")
    assert not list(tmp_path.iterdir())


class Other:
    """In place of the traced program: z is what the numbers are."""

    def __init__(self):
        self.model = self
        self.metadata_props = {}

    def save(self, path, **_):
        from onnx import TensorProto, helper, save

        rows = [
            helper.make_tensor_value_info(name, kind, ["n", width])
            for name, kind, width in (
                ("numeric", TensorProto.DOUBLE, 2),
                ("categories", TensorProto.INT64, 2),
                ("z", TensorProto.DOUBLE, 4),
            )
        ]
        node = helper.make_node("Concat", ["numeric", "numeric"], ["z"], axis=1)
        graph = helper.make_graph([node], "other", rows[:2], rows[2:])
        opset = helper.make_opsetid("", 20)
        save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)


@pytest.mark.parametrize(
    ("override", "kind", "words"),
    [
        ("run=null", ConfigError, "run=RUN_DIR"),
        ("run=nowhere", RunError, "holds no config.yaml"),
        ("format=pickle", ConfigError, "format must be one of onnx, got 'pickle'"),
        ("output=nowhere/a.onnx", RunError, "output's folder 'nowhere' does not exist"),
        ("head=nowhere", RunError, "saved heads are needed, but 'nowhere'"),
    ],
)
def test_what_cannot_be_exported_is_refused(run_of_people, tmp_path, override, kind, words):
    with pytest.raises(kind, match=words):
        export(f"run={run_of_people}", f"output={tmp_path / 'encoder.onnx'}", override)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(file, run_of_people):
    before = file.read_bytes()
    with pytest.raises(RunError, match="is there already; choose another, or give overwrite=true"):
        export(f"run={run_of_people}", f"output={file}")
    assert file.read_bytes() == before


def test_a_missing_package_says_what_to_install(run_of_people, monkeypatch):
    monkeypatch.setattr(export_onnx, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ConfigError, match=r"no_such_package cannot .* pip install 'fairrep\[onnx"):
        export(f"run={run_of_people}")


def test_draws_from_cells_are_refused(tmp_path):
    encoder = made_encoder("cells", release="draw")
    with pytest.raises(ConfigError, match=r"encoder\.release=draw cannot be exported"):
        export_onnx.write_onnx(encoder, None, {}, tmp_path / "encoder.onnx")


class LooksAtValues(nn.Module):
    """Its shape depends on the rows' values."""

    def __init__(self, width):
        super().__init__()
        self.map = nn.Linear(width, 3)

    def forward(self, x):
        return self.map(x) * (2 if x.sum() > 0 else 1)


class Normalises(LooksAtValues):
    def forward(self, x):
        return torch.nn.functional.normalize(self.map(x).relu(), dim=1)


COLUMNS = (
    NumericColumn("age", 40.0, 10.0, 39.0, indicator=True),
    CategoricalColumn("city", ("(missing)", "A", "B")),
    NumericColumn("wealth", 1e9, 2.0, 1e9),
    CategoricalColumn("code", ("1", "2.5")),
)
OPTIONS = {
    "linear": {"dim": 3},
    "mlp": {"dim": 3, "hidden": [8], "activation": "gelu", "dropout": 0.1},
    "module": {
        "dim": 2,
        "target": "tests.app.test_export:Normalises",
        "input": "as_is",
        "frozen": False,
        "options": None,
    },
}


def made_encoder(kind, columns=COLUMNS, **options):
    """An untrained encoder with statistics of its own."""
    schema = TableSchema(columns)
    sizes = [len(getattr(column, "categories", ())) for column in columns]
    sizes += [2] * len(schema.indicators)
    tabular = {
        "dim": 3,
        "columns": [[0.0] if size else [-1.0, 0.0, 0.5, 2.0] for size in sizes],
        "numeric": "piecewise_linear",
        "embedding": 4,
        "width": 8,
        "blocks": 2,
        "dropout": 0.1,
        "ensemble": 1,
    }
    known = OPTIONS | {
        "tabular": tabular,
        "cells": {
            "trunk": {"name": "tabular", **tabular},
            "cells": 5,
            "release": "argmax",
            "usage": 0.0,
            "recall": None,
        },
    }
    torch.manual_seed(0)
    network = build_encoder(sizes, name=kind, **known[kind] | options)
    network.normalise.mean.normal_()
    network.normalise.variance.uniform_(0.5, 2)
    if network.cells is not None:
        network.cells.merge(torch.tensor([0, 1, 1, 3, 4]))
    return TableEncoder(network.eval(), schema)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("linear", {}),
        ("mlp", {}),
        ("tabular", {}),
        ("tabular", {"ensemble": 3}),
        ("tabular", {"numeric": "periodic"}),
        ("cells", {}),
        ("module", {}),
        ("module", {"dim": None, "input": "one_hot"}),
        ("mlp", {"columns": COLUMNS[::2]}),
        ("mlp", {"columns": COLUMNS[1::2]}),
        ("tabular", {"columns": COLUMNS[1::2]}),
        ("linear", {"columns": COLUMNS[2:]}),
    ],
)
def test_every_encoder_is_exported(tmp_path, kind, options):
    """Also without a column of one kind, and without marks of missing values."""
    encoder = made_encoder(kind, **options)
    file = tmp_path / "encoder.onnx"
    assert export_onnx.write_onnx(encoder, None, {}, file) <= 1e-5
    session = onnxruntime.InferenceSession(str(file))
    names = [output.name for output in session.get_outputs()]
    assert names == (["z", "cell"] if kind == "cells" else ["z"])
    assert session.get_outputs()[0].shape[1] == encoder.dim


@pytest.mark.slow
def test_a_module_that_cannot_be_traced_is_refused_in_one_line(tmp_path):
    encoder = made_encoder("module", target="tests.app.test_export:LooksAtValues")
    with pytest.raises(RunError, match="LooksAtValues' could not be traced for ONNX: ") as refused:
        export_onnx.write_onnx(encoder, None, {}, tmp_path / "encoder.onnx")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_certificate_travels_with_the_file(tmp_path):
    cells = ("encoder=cells", "encoder.cells=3", "penalty=none", "data.calibration=0.3")
    run = small_run(tmp_path / "run", *cells)
    file = export(f"run={run}")
    assert file == run / "encoder.onnx"
    own = json.loads((run / "metrics.json").read_text())["certificate"]
    assert metadata(file)["certificate"] == own
    asked = certify_run(f"run={run}", "delta=0.01")["certificate"]
    export(f"run={run}", "overwrite=true")
    assert metadata(file)["certificate"] == asked != own
    table = newcomers(300, 6)
    found = outputs(file, table)
    assert np.array_equal(found["cell"], fairrep.load_encoder(run).transform(table).argmax(1))


@pytest.mark.slow
def test_the_command_says_what_it_wrote_or_why_not(run_of_people, tmp_path, finish):
    code, out, err = finish("export.py", f"run={run_of_people}", "format=onnx", "output=e.onnx")
    assert (code, err) == (0, "")
    assert "e.onnx: numeric, categories → z; differs from PyTorch by" in out
    code, out, err = finish("export.py", f"run={run_of_people}", "output=e.onnx")
    assert (code, out, err.count("\n")) == (2, "", 1)
