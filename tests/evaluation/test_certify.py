"""Certificates: the bound of the groups' cells, every pair at its share of δ, and in words."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from fairrep.data import fit_schema
from fairrep.encoders import TableEncoder, build_encoder
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError, DataError
from fairrep.evaluation import Certificate, certify, certify_rkhs, certify_score
from fairrep.functional import bounds, mmd2

GROUPS = ("f", "m")


class Given:
    """An encoder whose cell is the first column of x: what comes out is known."""

    def __init__(self, cells):
        self.network = build_encoder(
            [0, 0],
            name="cells",
            cells=cells,
            release="argmax",
            usage=0.0,
            recall=None,
            trunk={"name": "linear", "dim": 1},
        )
        with torch.no_grad():
            self.network.trunk.map.weight.copy_(torch.tensor([[1.0, 0.0]]))
            self.network.trunk.map.bias.zero_()
            # the nearest of 0, 1, …, K - 1
            centres = torch.arange(cells, dtype=torch.float32)
            self.network.cells.map.weight.copy_(centres[:, None])
            self.network.cells.map.bias.copy_(-centres.square() / 2)


def rows(*counts):
    """Rows and groups; counts[g][k] rows of group g are in cell k."""
    cells = [k for own in counts for k, n in enumerate(own) for _ in range(n)]
    s = [g for g, own in enumerate(counts) for _ in range(sum(own))]
    x = torch.stack([torch.tensor(cells).float(), torch.zeros(len(cells))], dim=1)
    return x, torch.tensor(s)


def test_the_bound_is_that_of_the_groups_shares():
    x, s = rows((60, 40, 0), (30, 50, 20))
    found = certify(Given(3).network, x, s, delta=0.05, groups=GROUPS)
    p, q = torch.tensor([0.6, 0.4, 0]), torch.tensor([0.3, 0.5, 0.2])
    assert found.distance == pytest.approx(0.3)
    assert found.bound == bounds.total_variation_upper_bound(p, q, 100, 100, delta=0.05)
    assert found.slack == found.bound - found.distance
    assert (found.groups, found.cells, found.release) == ({"f": 100, "m": 100}, (3, 3), "argmax")
    plain = certify(Given(3).network, x, s, delta=0.05, groups=GROUPS, method="mcdiarmid")
    assert plain.bound == pytest.approx(0.3 + math.sqrt(math.log(20) / 2 * 0.02))
    assert plain.bound > found.bound


def test_every_pair_of_groups_and_every_candidate_has_its_share_of_delta():
    x, s = rows((50, 50), (40, 60), (10, 90))
    names = ("a", "b", "c")
    found = certify(Given(2).network, x, s, delta=0.06, groups=names, candidates=4)
    alone = bounds.total_variation_upper_bound(
        torch.tensor([0.5, 0.5]), torch.tensor([0.1, 0.9]), 100, 100, delta=0.06 / 3 / 4
    )
    assert set(found.pairs) == {"a | b", "a | c", "b | c"}
    assert found.bound == found.pairs["a | c"]["bound"] == alone
    assert found.distance == pytest.approx(0.4)
    assert "this and 3 other certificates" in found.promise


def test_equal_opportunity_is_of_the_rows_with_label_one():
    x, s = rows((60, 40), (30, 70))
    y = torch.ones(200)
    y[:30] = 0  # the half of group f in cell 0
    found = certify(Given(2).network, x, s, delta=0.05, groups=GROUPS, positive={"hired": y})
    assert found.groups == {"f": 70, "m": 100}
    assert found.distance == pytest.approx(abs(30 / 70 - 0.3))
    assert "among people with hired = 1" in found.promise
    assert (found.notion, found.task) == ("equal_opportunity", "hired")


def test_groups_are_read_by_name_and_unknown_ones_are_left_out():
    x, s = rows((60, 40), (30, 70), (5, 5))
    names = np.array(["f", "m", "x"])[s.numpy()]
    found = certify(Given(2).network, x, names, delta=0.05, groups=GROUPS)
    assert found.groups == {"f": 100, "m": 100}
    assert found == certify(Given(2).network, x[:200], s[:200], delta=0.05, groups=GROUPS)


def test_the_mode_of_the_encoder_does_not_matter_and_comes_back():
    network = Given(2).network.train()
    x, s = rows((60, 40), (30, 70))
    assert certify(network, x, s, delta=0.05, groups=GROUPS).distance == pytest.approx(0.3)
    assert network.training


def test_a_table_goes_through_the_encoders_schema():
    table = pd.DataFrame({"size": np.arange(40.0), "name": ["u", "v"] * 20})
    schema = fit_schema(table, {})
    torch.manual_seed(0)
    network = build_encoder(
        cardinalities(schema),
        name="cells",
        cells=3,
        release="draw",
        usage=0.0,
        recall=None,
        trunk={"name": "linear", "dim": 2},
    )
    encoder = TableEncoder(network, schema, groups=GROUPS)
    encoder(torch.from_numpy(schema.encode(table)))
    s = np.array(["f", "m", "m", "f"] * 10)
    found = certify(encoder, table, s, delta=0.1)
    assert found == certify(
        network, torch.from_numpy(schema.encode(table)), s, delta=0.1, groups=GROUPS
    )
    assert found.release == "draw"
    z = encoder.transform(table)
    assert found.distance == pytest.approx(
        0.5 * np.abs(z[s == "f"].mean(0) - z[s == "m"].mean(0)).sum()
    )


def test_a_score_is_bounded_at_every_threshold():
    rng = np.random.default_rng(0)
    scores, s = rng.normal(size=300), np.repeat([0, 1], 150)
    scores[s == 1] += 0.5
    found = certify_score(scores, s, groups=GROUPS, delta=0.05, method="mcdiarmid")
    assert certify_score(scores, s, groups=GROUPS, delta=0.05).slack < 0.75 * found.slack
    thresholds = [abs((scores[:150] > t).mean() - (scores[150:] > t).mean()) for t in scores]
    assert found.distance == pytest.approx(max(thresholds))
    assert found.bound == pytest.approx(found.distance + math.sqrt(math.log(20) / 2 * 2 / 150))


def test_heads_of_bounded_norm_are_bounded_by_the_mmd():
    network = build_encoder([0, 0], name="linear", dim=2)
    x, s = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 2
    network(x)
    found = certify_rkhs(network, x, s, delta=0.05, bandwidth=1.5, norm=2.0, groups=GROUPS)
    z = network.eval()(x).double().detach()
    mmd = float(mmd2(z[s == 0], z[s == 1], bandwidth=1.5, estimator="biased")) ** 0.5
    assert found.distance == pytest.approx(2 * mmd)
    assert found.bound == pytest.approx(2 * (mmd + math.sqrt(math.log(20) * 0.02)))
    assert "difference in mean score" in found.promise


def test_a_certificate_survives_json_and_says_where_it_ends():
    x, s = rows((60, 40), (30, 70))
    found = certify(Given(2).network, x, s, delta=0.05, groups=GROUPS)
    saved = json.loads(json.dumps(found.to_json()))
    assert Certificate.from_json(saved) == found
    said = float(saved["promise"].split(" above ")[1].split(" between")[0])
    assert found.bound <= said < found.bound + 0.001  # rounded up
    assert "With probability 0.95" in saved["promise"]
    words = " ".join(saved["limits"])
    for said in ("another place or year voids it", "second release", "used to train, select"):
        assert said in words


LINEAR = build_encoder([0, 0], name="linear", dim=2)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (
            {"encoder": LINEAR},
            ConfigError,
            "releases cells, got 'linear'; train with encoder=cells",
        ),
        ({"delta": 1.5}, ConfigError, "delta must lie strictly between 0 and 1, got 1.5"),
        ({"candidates": 0}, ConfigError, "candidates must be an integer >= 1, got 0"),
        ({"groups": ("f",)}, ConfigError, "at least two groups"),
        ({"groups": None}, ConfigError, "at least two groups"),
        ({"groups": ("f", "m", "x")}, DataError, "no row is of x"),
        ({"s": torch.zeros(3).long()}, DataError, "every row needs its group, got 200 rows, 3"),
        ({"x": pd.DataFrame({"a": [1.0]})}, ConfigError, "reads a preprocessed tensor"),
        ({"positive": {"a": [1], "b": [1]}}, ConfigError, "of one task"),
    ],
)
def test_what_cannot_be_certified_is_refused(options, kind, words):
    x, s = rows((60, 40), (30, 70))
    usual = {"encoder": Given(2).network, "x": x, "s": s, "delta": 0.05, "groups": GROUPS}
    usual |= options
    with pytest.raises(kind, match=words):
        certify(usual.pop("encoder"), usual.pop("x"), usual.pop("s"), **usual)
