"""Cells: probabilities in training, exactly one cell afterwards, the same whoever asks."""

from __future__ import annotations

import pytest
import torch

from fairrep.encoders import build_encoder
from fairrep.encoders.row_uniforms import row_uniforms
from fairrep.errors import ConfigError

PROMISED = [float.fromhex("0x1.be322bb8e474ap-2"), float.fromhex("0x1.63f303529b56dp-1")]
TRUNK = {"name": "mlp", "dim": 3, "hidden": [8], "activation": "relu", "dropout": 0.0}
CARDINALITIES = [0, 0, 3]


def cells(release="argmax", **options):
    torch.manual_seed(0)
    settings = {
        "cells": 5,
        "release": release,
        "usage": 0.1,
        "recall": None,
        "trunk": TRUNK,
    } | options
    return build_encoder(CARDINALITIES, name="cells", **settings)


def rows(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(n, 2, generator=generator)
    return torch.cat([numbers, torch.randint(3, (n, 1), generator=generator).float()], dim=1)


def soft(encoder, x):
    """q(·|x) in evaluation mode."""
    inputs = encoder.inputs(x)
    return encoder.cells.map(encoder.normalise(encoder.trunk(inputs))).softmax(-1)


def test_training_gives_probabilities_with_gradients():
    encoder = cells().train()
    q = encoder(rows(50))
    assert q.shape == (50, 5)
    assert encoder.dim == 5
    torch.testing.assert_close(q.sum(1), torch.ones(50))
    q[:, 0].sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("release", ["argmax", "draw"])
def test_evaluation_gives_one_cell_and_nothing_else(release):
    encoder = cells(release).eval()
    z = encoder(rows(200))
    assert set(z.unique().tolist()) == {0.0, 1.0}
    assert bool((z.sum(1) == 1).all())


def test_argmax_releases_the_most_probable_cell():
    encoder, x = cells().eval(), rows(200)
    assert torch.equal(encoder(x).argmax(1), soft(encoder, x).argmax(1))


def test_a_draw_has_the_cells_probabilities():
    encoder, x = cells("draw"), rows(100_000)
    encoder.train()(x)
    encoder.eval()
    q, drawn = soft(encoder, x).detach(), encoder(x)
    sd = (q * (1 - q)).sum(0).sqrt()  # of the number of rows in each cell
    assert bool(((drawn.sum(0) - q.sum(0)).abs() < 4.5 * sd).all())
    sure = q.max(1).values
    share = (drawn.argmax(1) == q.argmax(1)).float()
    assert abs(float((share - sure).sum())) < 4.5 * float((sure * (1 - sure)).sum().sqrt())


def test_a_draw_is_never_drawn_anew():
    """Twenty draws of a person would say what one must not: they are all the same."""
    encoder, x = cells("draw").eval(), rows(500)
    first = encoder(x)
    order = torch.randperm(500)
    assert torch.equal(encoder(x), first)
    assert torch.equal(encoder(x[order]), first[order])
    assert torch.equal(encoder(x[:1]), first[:1])
    assert torch.equal(encoder.double()(x.double()).float(), first)


def test_row_uniforms_are_uniform_and_unrelated_between_neighbours():
    x = rows(100_000)
    near = x.clone()
    near[:, 0] = torch.nextafter(near[:, 0], torch.full((), 9.0))
    u, v = row_uniforms(x), row_uniforms(near)
    assert float(u.min()) >= 0
    assert float(u.max()) < 1
    counts = torch.histc(u, 20, 0, 1)
    chi2 = float(((counts - 5_000).square() / 5_000).sum())
    assert chi2 < 52.4  # the 1e-4 quantile of 19 degrees of freedom is 52.4
    assert abs(float(torch.corrcoef(torch.stack([u, v]))[0, 1])) < 4.5 / 100_000**0.5
    assert torch.equal(row_uniforms(torch.zeros(1, 3)), row_uniforms(-torch.zeros(1, 3)))


def test_row_uniforms_do_not_change_between_versions():
    """A released cell must be found again: these numbers are a promise."""
    u = row_uniforms(torch.tensor([[0.0, 1.0, -2.5], [3.0, 0.25, 1e-3]]))
    torch.testing.assert_close(u, torch.tensor(PROMISED, dtype=torch.float64), rtol=0, atol=0)


def test_merged_cells_are_released_as_one():
    encoder, x = cells().eval(), rows(300)
    before = encoder(x).argmax(1)
    encoder.cells.merge(torch.tensor([0, 1, 2, 1, 0]))
    after = encoder(x).argmax(1)
    expected = before.clone()
    expected[before == 3], expected[before == 4] = 1, 0
    assert torch.equal(after, expected)
    encoder.cells.merge(torch.tensor([2, 1, 2, 3, 4]))  # of what is released now
    assert torch.equal(encoder(x).argmax(1), torch.where(expected == 0, 2, expected))


def test_recall_rewards_cells_for_the_columns_that_were_named():
    """Two cells that are the sign of the first number: they tell it, and not the category."""
    x, rewards = rows(20_000), {}
    q = torch.nn.functional.one_hot((x[:, 0] > 0).long(), 5).float()
    for columns in ([0], [2], [0, 2], None):
        layer = cells(recall={"weight": 2.0, "columns": columns}).cells
        rewards[str(columns)] = layer.recall(q, x).item()
    assert rewards["[0]"] == pytest.approx(2 * 2 / torch.pi, rel=0.03)  # E|N|² of a normal number
    assert rewards["[2]"] == pytest.approx(0, abs=1e-3)
    assert rewards["[0, 2]"] == pytest.approx((rewards["[0]"] + rewards["[2]"]) / 2, rel=1e-4)
    assert rewards["None"] == pytest.approx(rewards["[0]"] / 3, rel=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cells": 1}, "encoder.cells must be at least 2, got 1"),
        ({"release": "soft"}, "encoder.release must be one of argmax, draw, got 'soft'"),
        ({"usage": -1.0}, "encoder.usage must be >= 0"),
        ({"recall": {"weight": -1.0, "columns": None}}, "encoder.recall.weight must be >= 0"),
        ({"recall": {"weight": 1.0, "columns": []}}, "encoder.recall.columns must name at least"),
        ({"trunk": {"name": "cells"}}, "encoder.trunk must be an encoder without cells"),
        ({"dim": 3}, "encoder.dim is not of cells, got 3; give encoder.trunk.dim"),
        ({"trunk": TRUNK | {"dim": 0}}, "encoder.dim must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        cells(**options)


def test_a_merge_into_no_cell_is_refused():
    with pytest.raises(ValueError, match=r"5 cells in 0\.\.4"):
        cells().cells.merge(torch.tensor([0, 1, 2, 3, 5]))
