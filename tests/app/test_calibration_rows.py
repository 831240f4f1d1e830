"""Calibration rows in the commands: shown where there are some, and kept by transfer."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config, config_dir
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.app.transfer_data import domain_options, load_domain, saved_config
from fairrep.encoders import load_encoder
from fairrep.errors import ConfigError
from tests.app.conftest import QUICK

LOGISTIC = ("evaluation.heads=[logistic]", "representations=[trained,twin]")
SMALL = ("data=german", "penalty=mmd", "batch_size=128", "epochs=1", *QUICK)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with calibration rows, and its twin."""
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    train(*SMALL, "data.calibration=0.25", folder=folder)
    return folder


@pytest.mark.parametrize("name", sorted(p.stem for p in (config_dir() / "data").glob("[a-z]*")))
def test_every_data_set_shows_the_setting_and_keeps_none_unless_asked(name):
    assert compose_config("train", [f"data={name}"]).data.calibration == 0


def test_the_command_prints_calibration_rows_only_where_there_are_some(command, tmp_path):
    settings = (*SMALL, "twin=false")
    code, out, err = command(
        "train", *settings, "data.calibration=0.25", f"hydra.run.dir={tmp_path / 'a'}"
    )
    assert code == 0, err
    assert "480 train, 120 val, 200 test, 200 calibration rows" in out
    code, out, err = command("train", *settings, f"hydra.run.dir={tmp_path / 'b'}")
    assert code == 0, err
    assert "640 train, 160 val, 200 test rows" in out
    assert "calibration" not in out
    assert "calibration" not in (tmp_path / "b" / "data.json").read_text()


@pytest.mark.parametrize("share", ["1", "-0.1", "half"])
def test_a_share_that_is_none_is_one_line_and_nothing_is_written(command, tmp_path, share):
    code, _, err = command("train", *SMALL, f"data.calibration={share}", "hydra.run.dir=run")
    assert code == 2
    assert err.count("\n") == 1
    assert f"data.calibration must {'be a number' if share == 'half' else 'lie in [0, 1)'}" in err
    assert not (tmp_path / "run").exists()


def test_transfer_keeps_the_runs_split(run, tmp_path):
    """Fresh heads are fitted on the run's training rows, and never on its calibration rows."""
    saved = saved_config(str(run))
    data = load_domain(domain_options(saved, {}), load_encoder(run), split_seed=saved.split_seed)
    own = build_data(saved)
    for part in ("train", "val", "calibration", "test"):
        assert np.array_equal(getattr(data, part).index, getattr(own, part).index)
    found = transfer(f"run={run}", *LOGISTIC, f"out={tmp_path / 'out'}")
    assert found["domain"]["rows"] == json.loads((run / "data.json").read_text())["rows"]
    assert found["domain"]["rows"]["calibration"] == 200


def test_transfer_does_not_take_another_share(run, tmp_path):
    saved = saved_config(str(run))
    assert domain_options(saved, {"calibration": 0.5})["calibration"] == 0.25


def test_a_run_without_the_setting_is_a_run_without_calibration_rows(run, tmp_path):
    """A folder that was trained before there was such a setting."""
    old = shutil.copytree(run, tmp_path / "old")
    content = yaml.safe_load((old / "config.yaml").read_text())
    del content["data"]["calibration"]
    (old / "config.yaml").write_text(yaml.safe_dump(content))
    saved = saved_config(str(old))
    data = load_domain(domain_options(saved, {}), load_encoder(old), split_seed=saved.split_seed)
    assert len(data.calibration) == 0
    assert list(data.splits) == ["train", "val", "test"]
    assert data.calibration.x.shape == (0, data.train.x.shape[1])


def test_the_setting_must_be_a_number():
    with pytest.raises(ConfigError, match=r"data\.calibration must be a number, got 'True'"):
        build_data(compose_config("train", [*SMALL, "data.calibration=true"]))
