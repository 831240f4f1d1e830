"""Trained encoders inside other models: frozen is frozen, and fine-tuning moves what it should."""

from __future__ import annotations

import doctest

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fairrep.data import fit_schema
from fairrep.encoders import TableEncoder, build_encoder, load_encoder, save_encoder, saved
from fairrep.encoders.saved import cardinalities

MLP = {"name": "mlp", "hidden": [8], "activation": "relu", "dropout": 0.5, "dim": 3}
CELLS = {"name": "cells", "cells": 4, "release": "argmax", "usage": 0.1, "recall": None}
ARCHITECTURES = {"mlp": MLP, "cells": CELLS | {"trunk": MLP}}


@pytest.fixture
def table():
    draws = np.random.default_rng(0)
    return pd.DataFrame({"u": draws.normal(2, 3, 200), "c": draws.choice(["a", "b", "d"], 200)})


@pytest.fixture(params=ARCHITECTURES)
def encoder(request, table, tmp_path):
    """An encoder with statistics of its own, from disk."""
    schema = fit_schema(table)
    torch.manual_seed(0)
    network = build_encoder(cardinalities(schema), **ARCHITECTURES[request.param])
    network(torch.from_numpy(schema.encode(table)))
    save_encoder(TableEncoder(network, schema), tmp_path)
    return load_encoder(tmp_path)


def state(encoder):
    return {name: value.clone() for name, value in encoder.state_dict().items()}


def moved(before, encoder):
    return {name for name, value in encoder.state_dict().items() if not value.equal(before[name])}


def train_a_head(encoder, table, steps=5):
    """Steps of a model around the encoder, in training mode; returns the model."""
    model = nn.Sequential(encoder, nn.Linear(encoder.dim, 1)).train()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = encoder.encode(table), torch.from_numpy(table["u"].to_numpy(np.float32))
    for _ in range(steps):
        loss = (model(x)[:, 0] - y).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model


def test_encode_then_forward_is_transform(encoder, table):
    z = encoder(encoder.encode(table)).detach().numpy()
    np.testing.assert_allclose(z, encoder.transform(table), rtol=1e-5, atol=1e-6)


def freeze_by_method(encoder):
    encoder.requires_grad_(False)


def freeze_each_weight(encoder):
    for weights in encoder.parameters():
        weights.requires_grad = False


@pytest.mark.parametrize("freeze", [freeze_by_method, freeze_each_weight])
def test_a_frozen_encoder_moves_in_nothing_whatever_the_model_around_it_does(
    freeze, encoder, table
):
    before, z = state(encoder), encoder.transform(table)
    freeze(encoder)
    model = train_a_head(encoder, table)
    assert model.training
    assert not encoder.training
    assert moved(before, encoder) == set()
    np.testing.assert_array_equal(encoder.transform(table), z)


def test_freezing_ends_training_mode_at_once(encoder):
    assert encoder.train().training
    assert not encoder.requires_grad_(False).training
    assert not any(part.training for part in encoder.modules())


def test_a_thawed_encoder_trains_again(encoder, table):
    before = state(encoder)
    encoder.requires_grad_(False).train().requires_grad_(True)
    assert not encoder.training  # until it is told to
    train_a_head(encoder.train(), table)
    assert any("weight" in name for name in moved(before, encoder))


def test_fine_tuning_in_training_mode_moves_weights_and_statistics(encoder, table):
    before = state(encoder)
    train_a_head(encoder, table)
    names = moved(before, encoder)
    assert "encoder.normalise.mean" in names
    assert any("trunk" in name for name in names)


@pytest.mark.parametrize("encoder", ["mlp"], indirect=True)  # cells have no gradients in it
def test_fine_tuning_in_evaluation_mode_moves_weights_alone(encoder, table):
    before = state(encoder)
    x, y = encoder.encode(table), torch.from_numpy(table["u"].to_numpy(np.float32))
    sgd = torch.optim.SGD(encoder.parameters(), lr=0.01)
    (encoder(x)[:, 0] - y).square().mean().backward()
    sgd.step()
    names = moved(before, encoder)
    assert names
    assert not any("normalise" in name for name in names)


def test_a_fine_tuned_encoder_comes_back_from_disk(encoder, table, tmp_path):
    train_a_head(encoder, table)
    save_encoder(encoder, tmp_path / "tuned")
    np.testing.assert_array_equal(
        load_encoder(tmp_path / "tuned").transform(table), encoder.transform(table)
    )


class Tuned(pl.LightningModule):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.dim, 1)

    def training_step(self, batch):
        x, y = batch
        return (self.head(self.encoder(x))[:, 0] - y).square().mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


@pytest.mark.parametrize("frozen", [True, False])
def test_inside_a_lightning_module(frozen, encoder, table, tmp_path):
    before = state(encoder)
    tuned = Tuned(encoder.requires_grad_(False) if frozen else encoder.train())
    rows = TensorDataset(encoder.encode(table), torch.tensor(table["u"], dtype=torch.float32))
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options |= {"enable_model_summary": False, "accelerator": "cpu", "default_root_dir": tmp_path}
    trainer = pl.Trainer(max_epochs=1, log_every_n_steps=1, **options)
    trainer.fit(tuned, DataLoader(rows, batch_size=50))
    assert bool(moved(before, encoder)) != frozen
    assert encoder.training != frozen


def test_examples_of_the_docstrings_hold():
    assert doctest.testmod(saved).failed == 0
