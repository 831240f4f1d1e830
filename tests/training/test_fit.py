"""Fits: what moves with the seed, what checkpoints hold, what a resumed fit gives."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.encoders import MultitaskHeads, build_encoder
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError, NumericalError, RunError
from fairrep.functional import mmd2, sliced_wasserstein2
from fairrep.penalties import DualAscent, GroupPenalty
from fairrep.training import (
    FairEncoderModule,
    FitSettings,
    OptimizerSettings,
    SelectionRule,
    fit,
)

SETTINGS = FitSettings(epochs=3, batch_size=128, allocation="proportional", patience=0, seed=0)
OPTIMIZER = OptimizerSettings(
    lr=1e-2,
    heads=1,
    weight_decay=0.0,
    warmup_steps=2,
    schedule="cosine",
    clip_norm=0.0,
    epochs=3,
    min_steps=0,
    patience=0,
)

DIVERGENCE = functools.partial(mmd2, bandwidth=3.0)
AUTO = DualAscent("credit", target=0.01, rate=5.0, start=0.5)


@pytest.fixture(scope="module")
def data():
    return build_data(compose_config("train", ["data=german"]))


def build(data, *, weight=1.0, init=0, dropout=0.0, divergence=DIVERGENCE, optimizer=OPTIMIZER):
    torch.manual_seed(init)
    encoder = build_encoder(
        cardinalities(data.schema),
        name="mlp",
        dim=8,
        hidden=[16],
        activation="relu",
        dropout=dropout,
    )
    penalty = GroupPenalty(divergence, data.groups)
    return FairEncoderModule(
        encoder,
        MultitaskHeads(data.seen, 8, hidden=()),
        data.seen,
        data.groups,
        penalty=penalty if weight else None,
        weight=weight,
        warmup_epochs=1,
        task_weights={},
        optimizer=optimizer,
        selection=SelectionRule("loss", 0.1),
    )


def weights(module):
    return torch.cat([value.flatten() for value in module.state_dict().values()])


def run(data, folder, *, settings=SETTINGS, callbacks=None, **options):
    module = build(data, **options)
    fit(module, data, settings, folder, trainer={"accelerator": "cpu"}, callbacks=callbacks)
    return weights(module)


def test_the_same_seed_gives_the_same_weights_bitwise(data, tmp_path):
    assert torch.equal(run(data, tmp_path / "a"), run(data, tmp_path / "b"))


def test_seed_moves_batches_and_dropout_each_on_its_own(data, tmp_path):
    other = replace(SETTINGS, seed=1)
    base = run(data, tmp_path / "a")
    assert not torch.equal(base, run(data, tmp_path / "b", settings=other))
    # dropout draws do not shift the batches: without dropout its stream is never read
    dropped = run(data, tmp_path / "c", dropout=0.5)
    assert torch.equal(dropped, run(data, tmp_path / "d", dropout=0.5))


def test_the_penalty_lowers_the_divergence_between_groups(data, tmp_path):
    def divergence(weight, name):
        module = build(data, weight=weight)
        settings = replace(SETTINGS, epochs=15)
        fit(module, data, settings, tmp_path / name, trainer={"accelerator": "cpu"})
        module.eval()
        z, s = module.encoder(data.train.x), data.train.s
        return mmd2(z[s == 0], z[s == 1], bandwidth=3.0).item()

    assert divergence(100.0, "fair") < 0.25 * divergence(0.0, "free")


class StopAfter(pl.Callback):
    """Fail like a killed process would, after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "options",
    [{"dropout": 0.3}, {"divergence": sliced_wasserstein2}, {"weight": AUTO}],
    ids=["dropout", "random penalty", "automatic weight"],
)
def test_an_interrupted_fit_goes_on_to_the_weights_of_a_whole_one(data, tmp_path, options):
    whole = run(data, tmp_path / "whole", **options)
    module = build(data, **options)
    first = fit(
        module,
        data,
        SETTINGS,
        tmp_path / "cut",
        trainer={"accelerator": "cpu"},
        callbacks=[StopAfter(2)],
    )
    assert (first.finished, first.epochs) == (False, 2)
    resumed = build(data, init=99, **options)  # its own weights must not matter
    second = fit(resumed, data, SETTINGS, tmp_path / "cut", trainer={"accelerator": "cpu"})
    assert (second.finished, second.epochs) == (True, 3)
    assert second.seconds > first.seconds
    assert torch.equal(weights(resumed), whole)


class Record(pl.Callback):
    """λ of every epoch, and the gap that it answers to."""

    def __init__(self):
        self.seen = []

    def on_validation_end(self, trainer, pl_module):
        self.seen.append((float(pl_module.multiplier), float(pl_module.last_gap)))


def test_an_automatic_weight_follows_the_gap_of_its_task(data, tmp_path):
    record, module = Record(), build(data, weight=AUTO)
    fit(module, data, SETTINGS, tmp_path, trainer={"accelerator": "cpu"}, callbacks=[record])
    expected = AUTO.start
    for weight, gap in record.seen:
        assert weight == pytest.approx(expected, rel=1e-6)
        expected = AUTO.next_weight(expected, gap)
    assert len({weight for weight, _ in record.seen}) == SETTINGS.epochs
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert module.final_weight() == pytest.approx(record.seen[best["epoch"]][0])


def test_a_loss_that_is_not_finite_ends_training_with_the_mend(data, tmp_path):
    module = build(data, optimizer=replace(OPTIMIZER, lr=1e30))
    with pytest.raises(NumericalError, match=r"must be finite, but \d+ steps of epoch .* lower"):
        fit(module, data, SETTINGS, tmp_path, trainer={"accelerator": "cpu"})


def test_a_finished_fit_is_only_loaded(data, tmp_path):
    trained = run(data, tmp_path)
    stamp = (tmp_path / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert torch.equal(run(data, tmp_path, init=5), trained)
    assert (tmp_path / "checkpoints" / "last.ckpt").stat().st_mtime_ns == stamp


def test_early_stopping_ends_after_patience_epochs_without_progress(data, tmp_path):
    module = build(data, weight=0.0)
    settings = replace(SETTINGS, epochs=400, patience=3)
    result = fit(module, data, settings, tmp_path, trainer={"accelerator": "cpu"})
    assert result.epochs < 400
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == result.epochs - 1 - 3
    assert all(
        torch.equal(value, module.state_dict()[name]) for name, value in best["state_dict"].items()
    )


@pytest.mark.parametrize("spoil", ["truncate", "foreign", "other model"])
def test_a_checkpoint_that_is_not_this_runs_is_refused(data, tmp_path, spoil):
    module = build(data)
    fit(module, data, SETTINGS, tmp_path, trainer={"accelerator": "cpu"}, callbacks=[StopAfter(1)])
    last = tmp_path / "checkpoints" / "last.ckpt"
    if spoil == "truncate":
        last.write_bytes(last.read_bytes()[:1000])
    elif spoil == "foreign":
        last.write_text("not a checkpoint")
    else:
        torch.save({"state_dict": {"layer": torch.zeros(2)}}, last)
    with pytest.raises(RunError, match=r"last.ckpt' must be a whole checkpoint of this run"):
        fit(build(data), data, SETTINGS, tmp_path, trainer={"accelerator": "cpu"})


@pytest.mark.parametrize("field", ["epochs", "batch_size", "patience", "seed"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(ConfigError, match=f"{field} must be at least"):
        replace(SETTINGS, **{field: -1})
