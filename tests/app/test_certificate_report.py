"""Certificates in what the commands print and write, on tiny real runs."""

from __future__ import annotations

import json
import math
import re

import pytest

from fairrep.app.sweep import sweep
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from tests.app.conftest import QUICK

CERTIFIED = ("data=german", "experiment=certified", "epochs=2", *QUICK)


def plain(text: str) -> str:
    """What was printed, on one line."""
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with calibration rows and a twin."""
    folder = tmp_path_factory.mktemp("certified") / "run"
    train(*CERTIFIED, folder=folder)
    return folder


def saved(folder, name="metrics.json"):
    return json.loads((folder / name).read_text())


def test_a_runs_last_lines_hold_its_certificate_and_the_twins(command, tmp_path):
    code, out, err = command("train", *CERTIFIED, "hydra.run.dir=run")
    assert code == 0, err
    metrics = saved(tmp_path / "run")
    own, twin = metrics["certificate"], metrics["twin"]["certificate"]
    for found in (own, twin):
        cells = "{1} of {0}".format(*found["cells"])
        bound = math.ceil(1000 * found["bound"]) / 1000  # rounded up
        numbers = [f"{number:.3f}" for number in (bound, found["distance"], found["slack"])]
        line = r" │ ".join([*numbers, "0.05", cells])
        assert line in plain(out), line
    assert f"{own['promise']} Limit: {own['limits'][0]}" in plain(out)
    assert ", ".join(f"{group} {n}" for group, n in own["groups"].items()) in out


def test_transfer_shows_the_certificate_and_says_where_it_is_void(run, tmp_path, capsys):
    found = transfer(f"run={run}", "evaluation.heads=[logistic]", f"out={tmp_path / 'own'}")
    own = saved(run)["certificate"]
    assert found["certificate"] == own
    text = plain(capsys.readouterr().out)
    assert own["promise"] in text
    assert (
        f"the cells' total variation on these test rows is {found['total_variation']:.3f}" in text
    )


@pytest.mark.slow
def test_a_sweep_certifies_all_settings_at_once_and_the_selected_one_alone(tmp_path, capsys):
    weights = "sweep.weights.values=[0.5]"
    sweep(*CERTIFIED, weights, "sweep.seeds=2", folder=tmp_path)
    front = saved(tmp_path, "front.json")
    for point in front["points"]:
        certificate = point["certificate"]
        assert (certificate["candidates"], len(certificate["bound"]["values"])) == (4, 2)
    chosen, index = front["selection"], front["selection"]["model"]
    alone = chosen["certificate"]
    together = saved(tmp_path / "models" / f"{index:03d}")["certificate"]
    assert (alone["candidates"], alone["distance"]) == (1, together["distance"])
    assert alone["bound"] < together["bound"]
    text = plain(capsys.readouterr().out)
    assert alone["promise"] in text
    page = (tmp_path / "report.html").read_text()
    assert alone["promise"] in page
    assert "front-certified" in page
    assert "certificate, all at once" in page
