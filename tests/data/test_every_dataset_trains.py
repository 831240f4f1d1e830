"""Every entry of the registry trains for one epoch where its files are at hand."""

from __future__ import annotations

import pytest
import torch

from fairrep.app.train import train
from fairrep.data import DATASETS
from fairrep.encoders import load_encoder

EMBEDDED = ("adult", "german")
SMALL = {"acs": ["data.states=[RI]"]}
SLOW = {"kdd_census", "school"}
QUICK = (
    *("epochs=1", "twin=false", "logger=none", "trainer=cpu", "trainer.enable_progress_bar=false"),
    *("penalty=mmd", "evaluation.heads=[logistic]", "evaluation.headline=logistic"),
    *("data.offline=true", "data.cache=false"),
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in DATASETS
        if name != "csv"
    ],
)
def test_one_epoch_leaves_an_encoder_and_finite_figures(name, tmp_path, request, monkeypatch):
    if name not in EMBEDDED:
        monkeypatch.setenv("FAIRREP_DATA", str(request.getfixturevalue("publishers_files")))
    metrics = train(f"data={name}", *QUICK, *SMALL.get(name, []), folder=tmp_path / "run")
    assert metrics["dataset"] == name
    encoder = load_encoder(tmp_path / "run")
    assert all(torch.isfinite(value).all() for value in encoder.state_dict().values())
    headline = [task["logistic"] for task in metrics["test"].values()]
    assert headline
    assert all("accuracy" in figures or "rmse" in figures for figures in headline)
