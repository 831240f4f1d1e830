"""Building encoders: shapes, architecture as primitives, refusals by name."""

from __future__ import annotations

import json

import pytest
import torch

from fairrep.encoders import build_encoder
from fairrep.errors import ConfigError

MLP = {"name": "mlp", "dim": 3, "hidden": [8, 8], "activation": "gelu", "dropout": 0.1}


@pytest.mark.parametrize("options", [MLP, {"name": "linear", "dim": 3}, MLP | {"hidden": []}])
def test_rows_of_numbers_and_codes_become_d_numbers(options):
    encoder = build_encoder([0, 5, 2], **options)
    x = torch.tensor([[0.1, 4.0, 1.0], [0.2, -1.0, 0.0], [0.3, 0.0, 1.0]])
    assert encoder(x).shape == (3, 3)
    assert encoder.dim == 3


@pytest.mark.parametrize("options", [MLP, {"name": "linear", "dim": 3}])
def test_the_architecture_is_json_and_builds_the_same_network(options):
    encoder = build_encoder([0, 5, 2], **options)
    again = build_encoder(**json.loads(json.dumps(encoder.architecture)))
    again.load_state_dict(encoder.state_dict())
    x = torch.zeros(2, 3)
    assert torch.equal(again.eval()(x), encoder.eval()(x))


def test_a_linear_encoder_is_linear_up_to_its_standardisation():
    encoder = build_encoder([0, 0], name="linear", dim=2).eval()
    x, y = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder((x + y) / 2), (encoder(x) + encoder(y)) / 2)


BAD = {
    "name": (MLP | {"name": "transformer"}, "mlp.*'transformer'"),
    "dim": (MLP | {"dim": 0}, r"dim.*got 0"),
    "activation": (MLP | {"activation": "sin"}, "relu.*'sin'"),
    "dropout": (MLP | {"dropout": 1.0}, r"dropout.*got 1\.0"),
    "option": (MLP | {"depth": 3}, "'mlp'.*depth"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_refused_by_name(case):
    options, words = BAD[case]
    with pytest.raises(ConfigError, match=words):
        build_encoder([0, 5], **options)
