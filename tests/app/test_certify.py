"""The certify command: runs with cells, people from a file, continuous encoders, and refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

import fairrep
from fairrep.app.build import build_data
from fairrep.app.certify import certify_run
from fairrep.app.train import train
from fairrep.errors import CertificateError, ConfigError, DataError, RunError
from fairrep.evaluation import certify
from tests.app.conftest import QUICK

COLUMNS = ["age", "pay", "city"]


def people(n, seed):
    rng = np.random.default_rng(seed)
    woman = rng.random(n) < 0.5
    age = rng.normal(40, 10, n) + 3 * woman
    return pd.DataFrame(
        {
            "age": age,
            "pay": 1000 + 30 * age + rng.normal(0, 200, n),
            "city": rng.choice(list("ABC"), n),
            "sex": np.where(woman, "f", "m"),
            "hired": np.where(rng.random(n) < 0.01 * age.clip(0, 90), "yes", "no"),
        }
    )


def trained(folder, *overrides):
    if not (folder.parent / "people.csv").exists():
        people(2000, 0).to_csv(folder.parent / "people.csv", index=False)
    train(
        "experiment=certified",
        "data=csv",
        "data.calibration=0.3",
        f"data.path={folder.parent / 'people.csv'}",
        "data.sensitive=[sex]",
        "data.tasks.seen=[hired]",
        "data.tasks.novel=[]",
        "batch_size=256",
        "epochs=3",
        *QUICK,
        *overrides,
        folder=folder,
    )
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certified")


@pytest.fixture(scope="module")
def run(folder):
    return trained(folder / "cells")


@pytest.fixture(scope="module")
def continuous(folder):
    return trained(folder / "continuous", "encoder=mlp", "penalty=mmd")


@pytest.fixture(scope="module")
def newcomers(folder):
    people(1500, 1).drop(columns="hired").to_csv(folder / "new.csv", index=False)
    return folder / "new.csv"


def test_a_run_is_certified_on_its_calibration_rows(run, tmp_path):
    found = certify_run(f"run={run}", f"out={tmp_path}")
    assert json.loads((tmp_path / "certificate.json").read_text()) == found
    own = json.loads((run / "metrics.json").read_text())["certificate"]
    assert found["certificate"] == own
    assert (found["rows"], sum(own["groups"].values())) == ({"calibration": 480}, 480)
    assert own["bound"] > own["distance"]


def test_delta_candidates_method_and_twin_are_heard(run, tmp_path):
    def bound(*overrides):
        return certify_run(f"run={run}", f"out={tmp_path}", *overrides)["certificate"]["bound"]

    usual = bound()
    assert usual < bound("candidates=5") < bound("candidates=5", "delta=0.01")
    assert usual < bound("method=mcdiarmid")
    twin = json.loads((run / "metrics.json").read_text())["twin"]["certificate"]
    assert bound("representation=twin") == twin["bound"]


def test_people_from_a_file_count_without_labels(run, newcomers, tmp_path):
    alone = certify_run(f"run={run}", f"out={tmp_path}")["certificate"]
    found = certify_run(f"run={run}", f"extra={newcomers}", f"out={tmp_path}")
    assert found["rows"] == {"calibration": 480, "extra": 1500}
    assert found["certificate"]["slack"] < 0.6 * alone["slack"]
    encoder, table = fairrep.load_encoder(run), pd.read_csv(newcomers)
    only_new = certify(encoder, table, table["sex"], delta=0.05)
    assert only_new.groups == dict(table["sex"].value_counts().sort_index())


def test_cells_that_recall_named_columns_come_back_and_are_certified(folder, tmp_path):
    run = trained(folder / "recall", "encoder.recall={weight: 2.0, columns: [city]}")
    network = fairrep.load_encoder(run).encoder
    assert network.architecture["recall"] == {"weight": 2.0, "columns": [2]}
    table = people(1500, 1)
    cell = fairrep.load_encoder(run).transform(table).argmax(1)
    usual = fairrep.load_encoder(trained(folder / "usual")).transform(table).argmax(1)

    def told(cell):  # share of people whose city is the commonest of their cell
        counts = pd.crosstab(cell, table["city"])
        return counts.max(axis=1).sum() / len(table)

    assert told(cell) > 0.6 > told(usual)
    found = certify_run(f"run={run}", f"out={tmp_path}")["certificate"]
    assert found == json.loads((run / "metrics.json").read_text())["certificate"]


def test_equal_opportunity_is_certified_on_the_positives(run, tmp_path):
    found = certify_run(f"run={run}", f"out={tmp_path}", "notion=equal_opportunity")["certificate"]
    assert (found["notion"], found["task"]) == ("equal_opportunity", "hired")
    assert sum(found["groups"].values()) < 480


def test_a_continuous_encoder_is_certified_as_it_is_or_in_cells(continuous, tmp_path):
    assert json.loads((continuous / "metrics.json").read_text())["certificate"] is None
    found = certify_run(f"run={continuous}", f"out={tmp_path / 'a'}", "norm=2", "bandwidth=1.5")
    assert (found["certificate"]["about"], found["certificate"]["norm"]) == ("rkhs", 2)
    found = certify_run(f"run={continuous}", f"out={tmp_path / 'b'}", "quantize=5")
    assert (found["certificate"]["about"], found["certificate"]["cells"][0]) == ("cell", 5)
    cells = fairrep.load_encoder(tmp_path / "b")
    table = people(50, 3)
    assert cells.transform(table).sum(1).tolist() == [1.0] * 50


def test_rows_that_training_has_seen_are_refused(run, folder, tmp_path):
    data, table = build_data(OmegaConf.load(run / "config.yaml")), people(2000, 0)
    table.iloc[data.train.index].to_csv(folder / "seen.csv", index=False)
    with pytest.raises(CertificateError, match="rows that it was trained on"):
        certify_run(f"run={run}", f"extra={folder / 'seen.csv'}", f"out={tmp_path}")
    encoder = fairrep.load_encoder(run)
    with pytest.raises(CertificateError, match=r"data\.calibration keeps, or new people"):
        certify(encoder, table, table["sex"], delta=0.05)
    assert not list(tmp_path.iterdir())


def test_calibration_rows_given_twice_are_refused(run, folder, tmp_path):
    data = build_data(OmegaConf.load(run / "config.yaml"))
    table = people(2000, 0).iloc[data.calibration.index]
    table.to_csv(folder / "again.csv", index=False)
    with pytest.raises(CertificateError, match="calibration rows"):
        certify_run(f"run={run}", f"extra={folder / 'again.csv'}", f"out={tmp_path}")


@pytest.mark.parametrize(
    ("override", "kind", "words"),
    [
        ("run=null", ConfigError, "run=RUN_DIR"),
        ("run=nowhere", RunError, "holds no config.yaml"),
        ("delta=1.5", ConfigError, "delta must lie strictly between 0 and 1, got 1.5"),
        ("delta=much", ConfigError, "delta must be a number, got 'much'"),
        ("candidates=0", ConfigError, "candidates must be an integer >= 1, got 0"),
        ("candidates=1.5", ConfigError, "candidates must be an integer"),
        ("method=normal", ConfigError, "method must be one of exact, mcdiarmid, got 'normal'"),
        ("representation=raw", ConfigError, "representation must be one of trained, twin"),
        ("notion=equalized_odds", ConfigError, "notion.name must be one of demographic_parity"),
        ("quantize=4", ConfigError, "has cells already"),
        ("extra=nowhere.csv", DataError, "nowhere.csv"),
    ],
)
def test_what_cannot_be_certified_is_refused(run, tmp_path, override, kind, words):
    with pytest.raises(kind, match=words):
        certify_run(f"run={run}", f"out={tmp_path / 'out'}", override)
    assert not (tmp_path / "out").exists()


def test_extra_rows_need_the_columns_and_the_groups(run, newcomers, tmp_path):
    table = pd.read_csv(newcomers)
    for changed, words in (
        (table.drop(columns="sex"), "every sensitive attribute, but lacks sex"),
        (table.drop(columns="pay"), "lacks pay"),
        (table.assign(sex="x"), "no row of the run's groups"),
    ):
        changed.to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(DataError, match=words):
            certify_run(f"run={run}", f"extra={tmp_path / 'bad.csv'}", f"out={tmp_path / 'out'}")


def test_a_run_without_calibration_rows_says_what_to_do(folder, tmp_path):
    without = trained(folder / "without", "data.calibration=0", "twin=false")
    with pytest.raises(ConfigError, match="kept no calibration rows; train with data"):
        certify_run(f"run={without}", f"out={tmp_path}")


def test_the_wanted_certificate_is_followed_and_cells_are_merged_for_it(folder):
    """λ, the best epoch and the merge read validation rows; the bound is then near the target."""
    run = trained(
        folder / "target",
        "certificate.target=0.15",
        "certificate.merge=true",
        "penalty.weight=auto",
        "epochs=12",
        "twin=false",
    )
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["weight"] >= 0
    assert metrics["certificate"]["distance"] < 0.15 + 0.05
    assert metrics["certificate"]["bound"] < 0.25


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["certificate.target=0.01"], "is out of reach: with 480"),
        (["certificate.target=2"], "certificate.target must lie strictly between 0 and 1"),
        (["certificate.target=0.1", "data.calibration=0"], "needs encoder=cells and calibration"),
        (["certificate.target=0.1", "encoder=mlp", "penalty=mmd"], "got encoder=mlp"),
        (["certificate.merge=true"], "certificate.merge needs certificate.target"),
        (["certificate.method=normal"], "certificate.method must be one of exact, mcdiarmid"),
        (["certificate.delta=0"], "certificate.delta must lie strictly between 0 and 1, got 0"),
    ],
)
def test_certificates_out_of_reach_are_refused_before_training(folder, overrides, words):
    with pytest.raises(ConfigError, match=words):
        trained(folder / "refused", *overrides)
    assert not (folder / "refused").exists()


def test_the_command_prints_the_promise_and_where_it_ends(
    run, newcomers, tmp_path, finish, command
):
    code, out, err = finish("certify.py", f"run={run}", f"extra={newcomers}", "out=here")
    assert (code, err) == (0, "")
    for words in ("480 calibration rows", "1,500 rows of the extra file", "With probability 0.95"):
        assert words in out
    assert "another place or year voids it" in out
    assert (tmp_path / "here" / "certificate.json").exists()
    code, out, err = command("certify", f"run={run}", "delta=7")
    assert (code, err.count("\n")) == (2, 1)
