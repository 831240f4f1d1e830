"""The encoder of typed columns: what it reads off the training rows, and what it makes of x."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fairrep.encoders import build_encoder, fit_columns
from fairrep.encoders.embeddings import CategoricalEmbedding, NumericEmbedding
from fairrep.errors import ConfigError
from fairrep.types import TaskSpec

OPTIONS = {
    "name": "tabular",
    "dim": 3,
    "numeric": "piecewise_linear",
    "embedding": 4,
    "width": 16,
    "blocks": 3,
    "dropout": 0.0,
    "ensemble": 1,
}
COLUMNS = [[-1.0, 0.0, 0.5, 2.0], [1.0, 4.0]]  # edges of a number, rare codes of a category


def encoder(**changes):
    torch.manual_seed(0)
    return build_encoder([0, 5], columns=COLUMNS, **(OPTIONS | changes))


def rows(n=64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=rng)
    x[:, 1] = torch.randint(-1, 5, (n,), generator=rng).float()
    return x


def binary(*names):
    return [TaskSpec(name, "binary") for name in names]


def step_labels(x, *thresholds):
    return torch.stack([(x[:, 0] > t).float() for t in thresholds], dim=1)


def fitted(x, y, *, by="tree", count=8, min_rows=5, sizes=(0,)):
    tasks = binary(*(f"t{k}" for k in range(y.shape[1])))
    return fit_columns(x, y, tasks, sizes, by=by, count=count, min_rows=min_rows)


def test_a_trees_edges_are_where_the_labels_of_every_task_change():
    x = torch.linspace(0, 1, 201)[:, None]
    (edges,) = fitted(x, step_labels(x, 0.2524, 0.7524), count=3)
    assert edges == pytest.approx([0.0, 0.2525, 0.7525, 1.0], abs=1e-6)


def test_rows_without_a_label_do_not_move_the_edges():
    x = torch.linspace(0, 1, 201)[:, None]
    y = step_labels(x, 0.5024)
    y[::3] = math.nan
    (edges,) = fitted(x, y, count=2)
    assert edges[1] == pytest.approx(0.5, abs=0.01)


def test_a_trees_bins_hold_at_least_so_many_rows():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(500, 1))).float()
    y = torch.from_numpy(rng.integers(0, 2, (500, 1))).float()
    (edges,) = fitted(x, y, count=64, min_rows=20)
    counts, _ = np.histogram(x.numpy(), bins=edges)
    assert len(edges) > 10
    assert counts.min() >= 20


def test_quantile_bins_hold_equal_shares_and_equal_edges_count_once():
    even = torch.linspace(0, 1, 101)[:, None]
    assert fitted(even, even, by="quantile", count=4)[0] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    tied = torch.cat([torch.zeros(95), torch.ones(5)])[:, None]
    assert fitted(tied, tied, by="quantile", count=10)[0] == [0.0, 1.0]


@pytest.mark.parametrize("by", ["tree", "quantile"])
def test_a_constant_column_has_one_bin(by):
    x = torch.full((50, 1), 2.0)
    assert fitted(x, torch.ones(50, 1), by=by) == [[2.0, 3.0]]


def test_rare_categories_are_those_with_too_few_training_rows():
    x = torch.tensor([0.0] * 9 + [2.0] * 4 + [3.0] * 5 + [-1.0] * 2)[:, None]
    assert fitted(x, torch.zeros(20, 1), min_rows=5, sizes=(4,)) == [[1.0, 2.0]]


def test_a_class_of_many_and_a_real_label_move_edges_too():
    x = torch.linspace(0, 1, 201)[:, None]
    classes = (x[:, 0] > 0.2524).float() + (x[:, 0] > 0.7524).float()
    y = torch.stack([classes, 5 * (x[:, 0] > 0.5024)], dim=1)
    tasks = [TaskSpec("k", "multiclass", labels=("a", "b", "c")), TaskSpec("r", "regression")]
    (edges,) = fit_columns(x, y, tasks, [0], by="tree", count=4, min_rows=5)
    assert edges == pytest.approx([0, 0.2525, 0.5025, 0.7525, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"by": "forest"}, "tree, quantile"), ({"count": 0}, "count"), ({"min_rows": 0}, "min_rows")],
)
def test_settings_of_bins_out_of_range_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        fitted(torch.zeros(9, 1), torch.zeros(9, 1), **change)


def test_a_number_is_embedded_by_a_function_that_is_linear_between_its_edges():
    embed = NumericEmbedding([[0.0, 1.0, 3.0]], kind="piecewise_linear", size=4)
    embed.embed.activation = None
    with torch.no_grad():
        values = embed(torch.tensor([[0.0], [0.25], [0.5], [1.0], [2.0], [3.0]]))
    torch.testing.assert_close(values[0] + values[2], 2 * values[1])
    torch.testing.assert_close(values[3] + values[5], 2 * values[4])
    slopes = (values[2] - values[0]) / 0.5, (values[5] - values[3]) / 2
    assert not torch.allclose(slopes[0][:4], slopes[1][:4])


@pytest.mark.parametrize("kind", ["piecewise_linear", "periodic"])
def test_numbers_beyond_the_training_rows_count_as_their_ends(kind):
    embed = NumericEmbedding([[0.0, 1.0, 3.0], [-2.0, -1.0]], kind=kind, size=4)
    ends = embed(torch.tensor([[0.0, -1.0], [3.0, -2.0]]))
    assert embed(torch.tensor([[-1e30, 5.0], [1e30, -1e6]])).equal(ends)


def test_rare_and_unseen_categories_share_a_vector_that_starts_at_nothing():
    embed = CategoricalEmbedding([5, 2], [[1.0, 4.0], []], size=3)
    codes = torch.tensor([[1.0, 0.0], [4.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [3.0, -1.0]])
    vectors = embed(codes)
    assert vectors[0].equal(vectors[1])
    assert vectors[0].equal(vectors[2])
    assert vectors[0, :3].equal(torch.zeros(3))
    assert vectors[4, 3:].equal(torch.zeros(3))
    assert not vectors[3, :3].equal(vectors[4, :3])
    assert embed.table.shape == (1 + 3 + 1 + 2, 3)
    vectors[0, :3].sum().backward()
    assert embed.table.grad[0].equal(torch.ones(3))


@pytest.mark.parametrize("training", [True, False])
def test_a_linear_head_on_an_ensemble_averages_its_outputs_on_the_members(training):
    model = encoder(ensemble=5).double()
    x = rows().double()
    model(x)  # running statistics
    head = torch.nn.Linear(3, 2).double()
    members = model.train(training).members(x)
    assert members.shape == (5, 64, 3)
    torch.testing.assert_close(head(model(x)), head(members).mean(0))
    assert float(members.std(0).mean()) > 0.05


def test_an_ensembles_representation_is_standardised():
    z = encoder(ensemble=5).double()(rows().double())
    torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(z.var(0, unbiased=False), torch.ones(3).double())


@pytest.mark.parametrize("numeric", ["piecewise_linear", "periodic"])
@pytest.mark.parametrize("ensemble", [1, 3])
def test_every_parameter_is_used(numeric, ensemble):
    model = encoder(numeric=numeric, ensemble=ensemble)
    model(rows()).square().mul(torch.arange(3.0)).sum().backward()
    model(rows())[:, 0].pow(3).sum().backward()
    unused = [n for n, p in model.named_parameters() if p.grad is None]
    assert unused == []


@pytest.mark.parametrize("columns", [[[-1.0, 1.0]], [[]]])
def test_tables_of_numbers_or_of_categories_alone_are_encoded(columns):
    sizes = [0] if columns[0] else [4]
    model = build_encoder(sizes, columns=columns, **OPTIONS).eval()
    assert model(torch.zeros(7, 1)).shape == (7, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numeric": "spline"}, "encoder.numeric must be one of"),
        ({"embedding": 0}, "encoder.embedding must be at least 1"),
        ({"width": 0}, "encoder.width must be at least 1"),
        ({"blocks": 0}, "encoder.blocks must be at least 1"),
        ({"ensemble": 0}, "encoder.ensemble must be at least 1"),
        ({"dropout": 1.0}, r"encoder.dropout must lie in \[0, 1\)"),
        ({"depth": 3}, "encoder 'tabular'"),
    ],
)
def test_options_out_of_range_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        encoder(**change)
