"""quantize: the nearest of K centres; merge_plan: less between groups, little between labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from fairrep.data import fit_schema
from fairrep.encoders import (
    TableEncoder,
    build_encoder,
    load_encoder,
    merge_plan,
    quantize,
    save_encoder,
)
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError
from fairrep.types import TaskSpec

TASK = TaskSpec("y", "binary", ("no", "yes"))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})


@pytest.fixture(scope="module")
def encoder(table):
    schema = fit_schema(table, {})
    torch.manual_seed(0)
    network = build_encoder(cardinalities(schema), name="linear", dim=2)
    network(torch.from_numpy(schema.encode(table)))
    return TableEncoder(network, schema, groups=["f", "m"]).eval()


def test_the_cell_is_that_of_the_nearest_centre(encoder, table):
    cells = quantize(encoder, table, cells=6, seed=0)
    centres = cells.encoder.cells.map.weight.detach().numpy()
    z = encoder.transform(table)
    nearest = ((z[:, None] - centres) ** 2).sum(-1).argmin(1)
    np.testing.assert_array_equal(cells.transform(table).argmax(1), nearest)
    # centres of K-means are the means of what is nearest to them
    for k in range(6):
        np.testing.assert_allclose(centres[k], z[nearest == k].mean(0), atol=1e-3)


def test_the_continuous_encoder_stays_as_it_was_and_the_cells_can_be_saved(
    encoder, table, tmp_path
):
    before = encoder.transform(table)
    cells = quantize(encoder, table, cells=4, seed=0, release="draw")
    np.testing.assert_array_equal(encoder.transform(table), before)
    save_encoder(cells, tmp_path)
    loaded = load_encoder(tmp_path)
    assert loaded.transform(table).tobytes() == cells.transform(table).tobytes()
    assert loaded.groups == ("f", "m")


def test_what_cannot_be_quantized_is_refused(encoder, table):
    with pytest.raises(ConfigError, match=r"301 cells need as many different z, .* have 300"):
        quantize(encoder, table, cells=301, seed=0)
    with pytest.raises(ConfigError, match="has cells already"):
        quantize(quantize(encoder, table, cells=2, seed=0), table, cells=2, seed=0)


def plan(sizes, rates, shares, at_most):
    """Cells with so many rows and such rates of label 1."""
    cells = torch.cat([torch.full((n,), k) for k, n in enumerate(sizes)])
    labels = torch.cat([(torch.arange(n) < round(r * n)).float() for n, r in zip(sizes, rates)])
    indicators = torch.nn.functional.one_hot(cells, len(sizes)).float()
    return merge_plan(
        indicators, labels[:, None], [TASK], torch.tensor(shares), at_most=at_most
    ).tolist()


def test_cells_merge_where_groups_differ_most_and_labels_least():
    """Cells 0 and 1 differ between the groups in opposite ways and have almost one label rate."""
    shares = [[0.30, 0.20, 0.25, 0.25], [0.20, 0.30, 0.25, 0.25]]
    assert plan((100, 90, 100, 100), (0.5, 0.52, 0.1, 0.9), shares, 0.05) == [0, 0, 2, 3]
    # a merge of 0 and 3 would remove as much and lose more
    shares = [[0.30, 0.20, 0.25, 0.25], [0.20, 0.25, 0.25, 0.30]]
    found = plan((100, 100, 100, 100), (0.5, 0.5, 0.1, 0.9), shares, 0.06)
    assert found == [0, 0, 2, 3]


def test_cells_within_the_bound_stay_and_an_unreachable_bound_merges_all_that_helps():
    shares = [[0.6, 0.4], [0.4, 0.6]]
    assert plan((10, 10), (0.2, 0.8), shares, 0.25) == [0, 1]
    assert plan((10, 20), (0.2, 0.8), shares, 0.0) == [1, 1]


@pytest.mark.parametrize("groups", [2, 3])
def test_merging_never_raises_a_total_variation_and_ends_within_the_bound(groups):
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(8), size=groups)
    into = plan((50,) * 8, rng.random(8), shares.tolist(), 0.1)
    merged = np.zeros_like(shares)
    for k, kept in enumerate(into):
        merged[:, kept] += shares[:, k]
    largest = max(0.5 * np.abs(p - q).sum() for p in merged for q in merged)
    assert largest <= 0.1 + 1e-12
    assert all(into[kept] == kept for kept in into)
