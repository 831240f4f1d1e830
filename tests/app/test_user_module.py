"""encoder=module by the commands: a user's file beside which they are run, and what they refuse."""

from __future__ import annotations

import json
import sys

import pytest
from safetensors.torch import load_file

import fairrep
from fairrep.app.report import report
from fairrep.app.sweep import sweep
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.errors import ConfigError, RunError
from tests.app.conftest import QUICK

CODE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        sizes = [width] + [8] * depth
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.norm(x)


def build(width, depth=1):
    return Net(width, depth)
"""
GERMAN = ("data=german", "penalty=mmd", "batch_size=128", "epochs=2", *QUICK)
OURS = ("encoder=module", "encoder.target=tests.encoders.user_modules:Net")


@pytest.fixture
def own_code(tmp_path, monkeypatch):
    """A user's file in the folder where the commands are run, named as one of the scripts."""
    (tmp_path / "data.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "encoder=module", "encoder.target=data:build"
    sys.modules.pop("data", None)


def test_a_module_from_the_current_directory_trains_loads_and_transfers(
    finish, command, tmp_path, own_code, monkeypatch
):
    settings = (*GERMAN, *own_code, "encoder.options={depth: 3}")
    code, out, err = finish("train.py", *settings, "hydra.run.dir=run")
    assert code == 0, err
    assert "load_encoder('" in out
    assert "/run', allow_code=True)" in out
    description = json.loads((tmp_path / "run" / "encoder" / "encoder.json").read_text())
    assert description["architecture"] | {"cardinalities": None} == {
        "name": "module", "dim": 4, "target": "data:build", "options": {"depth": 3},
        "input": "one_hot", "frozen": False, "cardinalities": None,
    }  # fmt: skip
    for part in ("encoder", "twin/encoder"):
        names = load_file(tmp_path / "run" / part / "encoder.safetensors").keys()
        assert {"trunk.module.layers.2.weight", "trunk.out.weight"} <= names
    with pytest.raises(RunError, match=r"imports and calls 'data:build'"):
        fairrep.load_encoder(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    encoder = fairrep.load_encoder("run", allow_code=True)
    assert encoder.transform(fairrep.data.load_dataset("german", None).frame).shape == (1000, 4)
    code, _, err = command("transfer", "run=run", "evaluation.heads=[logistic]", "out=out")
    assert code == 0, err
    found = json.loads((tmp_path / "out" / "transfer.json").read_text())
    assert set(found["figures"]["credit"]) == {"trained", "twin", "raw", "linear", "majority"}
    report("run=run")
    assert "module data:build" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
def test_a_sweep_of_a_users_module_leaves_ordinary_runs(finish, tmp_path, own_code, monkeypatch):
    code, _, err = finish(
        "sweep.py",
        *GERMAN,
        *own_code,
        "sweep.weights.values=[0,1]",
        "sweep.seeds=2",
        "hydra.run.dir=front",
    )
    assert code == 0, err
    content = json.loads((tmp_path / "front" / "front.json").read_text())
    place = next(m for m in content["models"] if (m["point"], m["seed"]) == (1, 1))
    monkeypatch.chdir(tmp_path)
    found = transfer(f"run=front/{place['folder']}", "evaluation.heads=[logistic]", "out=out")
    assert set(found["figures"]["credit"]) == {"trained", "twin", "raw", "linear", "majority"}


def test_a_mistake_is_one_line_and_exit_code_2(command, tmp_path):
    code, out, err = command("train", *GERMAN, "encoder=module", "encoder.target=nowhere:build")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: encoder.target 'nowhere:build' failed to import, from the current directory or "
        "PYTHONPATH: ModuleNotFoundError: No module named 'nowhere'"
    ]
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_rows_that_the_module_fails_on_in_training_are_one_line_with_its_name(command):
    target = "encoder.target=tests.encoders.user_modules:FailsLater"
    code, _, err = command("train", *GERMAN, *OURS[:1], target, "hydra.run.dir=run")
    assert code == 2
    assert err.splitlines()[-1] == (
        "error: encoder.target 'tests.encoders.user_modules:FailsLater' failed on 128 rows of 57 "
        "columns (numbers, one-hot categories): ValueError: more than 100 rows"
    )
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "settings",
    [
        ("encoder.frozen=true",),
        ("encoder.dim=null", "encoder.options={hidden: 6}"),
        ("trainer.precision=bf16-mixed",),
        ("penalty=sinkhorn", "penalty.weight=auto"),
    ],
)
def test_every_option_trains(settings, tmp_path):
    metrics = train(*GERMAN, *OURS, *settings, folder=tmp_path / "run")
    assert metrics["test"]["credit"]["joint"]["n"] == 200
    dim = 6 if "encoder.dim=null" in settings else 4
    assert fairrep.load_encoder(tmp_path / "run", allow_code=True).dim == dim


BAD = [
    ("encoder.target=null", "must be 'importable.module:callable', got 'None'"),
    ("encoder.options=[1]", "encoder.options must map names to values"),
    ("encoder.options={depth: 3}", "unexpected keyword argument 'depth'"),
    ("encoder.input=raw", "encoder.input must be one of one_hot, as_is"),
    ("encoder.frozen=3", "encoder.frozen must be true or false"),
    ("encoder.dim=0", "encoder.dim must be at least 1"),
]


@pytest.mark.parametrize(("setting", "message"), BAD)
def test_mistakes_are_named_before_anything_is_written(setting, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        train(*GERMAN, *OURS, setting, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_sweep_refuses_a_module_that_no_stack_can_hold(tmp_path):
    settings = [*GERMAN, *OURS, "encoder.options={dropout: 0.5}", "sweep.seeds=1"]
    with pytest.raises(
        ConfigError, match=r"dropout and batch normalisation, unless encoder.frozen"
    ):
        sweep(*settings, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_a_users_module_may_leave_dim_open(tmp_path):
    with pytest.raises(ConfigError, match=r"encoder.dim must be given for encoder 'mlp', got null"):
        train(*GERMAN, "encoder=mlp", "encoder.dim=null", folder=tmp_path / "run")
