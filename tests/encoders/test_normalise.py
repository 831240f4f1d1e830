"""The output's scale cannot be bought: exact standardisation, defined where there is none."""

from __future__ import annotations

import pytest
import torch

from fairrep.encoders import BatchStandardise, build_encoder
from fairrep.functional import mmd2, sinkhorn_divergence


def cloud(rows=256, dim=4, seed=0, dtype=torch.float32):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def mlp(factor: float = 1.0):
    """The same small encoder, its last layer multiplied by ``factor``."""
    torch.manual_seed(0)
    encoder = build_encoder([0] * 4, name="mlp", dim=3, hidden=[8], activation="relu", dropout=0.0)
    last = encoder.trunk.layers[-1]
    with torch.no_grad():
        last.weight.mul_(factor)
        last.bias.mul_(factor)
    return encoder


def test_every_coordinate_has_mean_0_and_variance_1_over_the_batch():
    z = BatchStandardise(4)((cloud() + 3) * torch.tensor([1e-6, 1.0, 50.0, 1e6]))
    torch.testing.assert_close(z.mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.var(0, unbiased=False), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("factor", [1e-3, 1e-6, 1e3])
def test_multiplying_the_last_layer_leaves_z_unchanged(factor, training):
    x = cloud()
    plain, scaled = mlp(), mlp(factor)
    for encoder in (plain, scaled):
        encoder(x)  # gives the running statistics one batch
        encoder.train(training)
    torch.testing.assert_close(scaled(x), plain(x), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("factor", [1e-3, 1e-6])
@pytest.mark.parametrize(
    "divergence",
    [lambda a, b: mmd2(a, b, bandwidth=1.7), lambda a, b: sinkhorn_divergence(a, b, blur=0.5)],
    ids=["mmd", "sinkhorn"],
)
def test_multiplying_the_last_layer_leaves_the_penalty_unchanged(divergence, factor):
    x = cloud()
    x[128:] += 1.0
    plain, scaled = (divergence(z[:128], z[128:]) for z in (mlp()(x), mlp(factor)(x)))
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=1e-5)
    assert plain > 0.01


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-20, 1e15])
def test_a_constant_coordinate_is_0_with_gradient_0(value):
    h = cloud()
    h[:, 1] = value
    h.requires_grad_()
    z = BatchStandardise(4)(h)
    assert (z[:, 1] == 0).all()
    z.pow(3).sum().backward()
    assert (h.grad[:, 1] == 0).all()
    assert torch.isfinite(h.grad).all()


def test_the_gradient_is_that_of_finite_differences():
    h = cloud(8, 3, dtype=torch.float64).requires_grad_()
    module = BatchStandardise(3).double()
    assert torch.autograd.gradcheck(lambda x: module(x).pow(3), h)


def test_running_statistics_converge_to_the_datas():
    module = BatchStandardise(2)
    mean, scale = torch.tensor([3.0, -1.0]), torch.tensor([0.5, 20.0])
    draws = torch.Generator().manual_seed(0)
    for _ in range(300):
        module(torch.randn(512, 2, generator=draws) * scale + mean)
    # the exponential average holds about 19 batches' worth of rows
    error = 4 * scale / (19 * 512) ** 0.5
    assert ((module.mean - mean).abs() < error).all()
    assert ((module.variance / scale**2 - 1).abs() < 4 * (2 / (19 * 512)) ** 0.5).all()


def test_the_first_batches_are_averaged_plainly():
    module = BatchStandardise(1)
    for value in (1.0, 2.0, 6.0):
        module(torch.tensor([[value - 1], [value + 1]]))
    assert module.mean.item() == pytest.approx(3.0)
    assert module.variance.item() == pytest.approx(1.0)


def test_evaluation_neither_reads_nor_moves_batch_statistics():
    module = BatchStandardise(4)
    module(cloud())
    module.eval()
    before = module.mean.clone()
    together, alone = module(cloud(seed=1) + 5), module(cloud(seed=1)[:1] + 5)
    torch.testing.assert_close(together[:1], alone)
    assert torch.equal(module.mean, before)


def test_there_is_nothing_to_learn():
    assert list(BatchStandardise(4).parameters()) == []
