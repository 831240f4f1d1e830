"""Every entry of the registry trains for one epoch where its files are at hand."""

from __future__ import annotations

import pytest
import torch

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.app.train import train
from fairrep.data import DATASETS
from fairrep.encoders import load_encoder
from fairrep.training import fit

SMALL = {"acs": ["data.states=[RI]"]}
SLOW = {"kdd_census"}
ONE_EPOCH = ("epochs=1", "penalty=mmd", "data.offline=true", "data.cache=false")
REPORTED = (
    *("twin=false", "logger=none", "trainer=cpu", "trainer.enable_progress_bar=false"),
    *("evaluation.heads=[logistic]", "evaluation.headline=logistic"),
)


def one_epoch(name: str) -> list[str]:
    return [f"data={name}", *ONE_EPOCH, *SMALL.get(name, [])]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in DATASETS
        if name != "csv"
    ],
)
def test_one_epoch_moves_the_weights_and_leaves_them_finite(name, tmp_path, at_hand):
    at_hand(name)
    config = compose_config("train", one_epoch(name))
    data = build_data(config)
    module = build_module(config, data, twin=False)
    before = torch.cat([weights.detach().flatten() for weights in module.parameters()])
    options = {"accelerator": "cpu", "devices": 1}
    fitted = fit(
        module,
        data,
        build_settings(config, data),
        tmp_path,
        trainer=options,
        logger=None,
        callbacks=[],
    )
    after = torch.cat([weights.detach().flatten() for weights in module.parameters()])
    assert fitted.epochs == 1
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["acs", "communities", "school"])
def test_partial_labels_regression_and_disjoint_tasks_are_reported(name, tmp_path, at_hand):
    at_hand(name)
    metrics = train(*one_epoch(name), *REPORTED, folder=tmp_path / "run")
    assert metrics["dataset"] == name
    assert load_encoder(tmp_path / "run").dim
    figures = [task["logistic"] for task in metrics["test"].values()]
    assert figures
    assert all("accuracy" in figure or "rmse" in figure for figure in figures)
