"""A user's module as trunk: what it sees, what is trained of it, what is refused and how."""

from __future__ import annotations

import json
import sys

import pandas as pd
import pytest
import torch

from fairrep.data import fit_schema
from fairrep.encoders import TableEncoder, build_encoder, load_encoder, save_encoder
from fairrep.encoders.saved import cardinalities
from fairrep.errors import ConfigError, RunError
from tests.encoders import user_modules

HERE = "tests.encoders.user_modules:"
SIZES = [0, 5, 0]  # one-hot: 2 numbers and 5 categories
X = torch.tensor([[0.1, 4.0, 1.0], [0.2, -1.0, 0.0], [0.3, 0.0, 1.0], [1.0, 2.0, -2.0]])


def build(name, *, sizes=SIZES, dim=3, input="one_hot", frozen=False, options=None):
    torch.manual_seed(0)
    return build_encoder(
        sizes, name="module", target=HERE + name, dim=dim, input=input, frozen=frozen,
        options=options,
    )  # fmt: skip


def test_a_linear_layer_maps_the_modules_outputs_to_dim():
    encoder = build("net", options={"hidden": 6})
    assert encoder.dim == 3
    trunk, rows = encoder.trunk, encoder.inputs(X)
    assert rows.shape == (4, 7)
    assert (trunk.out.in_features, trunk.out.out_features) == (6, 3)
    expected = torch.nn.functional.linear(trunk.module(rows), trunk.out.weight, trunk.out.bias)
    assert torch.equal(trunk(rows), expected)


def test_without_dim_the_modules_outputs_are_the_representation():
    encoder = build("net", dim=None, options={"hidden": 6})
    rows = encoder.inputs(X)
    assert encoder.dim == 6
    assert torch.equal(encoder.trunk(rows), encoder.trunk.module(rows))


@pytest.mark.parametrize("dim", [3, None])
def test_the_output_has_no_scale_of_its_own(dim):
    z = build("Net", dim=dim)(X)
    torch.testing.assert_close(z.mean(0), torch.zeros(z.shape[1]), rtol=0, atol=1e-6)
    deviation = z.std(0, correction=0)
    alive = deviation > 0
    torch.testing.assert_close(deviation[alive], torch.ones(int(alive.sum())), rtol=0, atol=1e-5)


def test_as_is_gives_numbers_and_codes():
    encoder = build("Codes", sizes=[5, 0, 0], dim=None, input="as_is")
    x = torch.tensor([[4.0, 0.5, 1.0], [-1.0, 2.0, 3.0]])
    table = encoder.trunk.module.table.weight
    h = encoder.trunk(encoder.inputs(x))
    torch.testing.assert_close(h, torch.cat([table[[5, 0]], x[:, 1:]], dim=1), rtol=0, atol=0)


def test_a_module_without_parameters_is_followed_by_a_linear_layer_that_learns():
    names = [name for name, _ in build("Fixed").trunk.named_parameters()]
    assert names == ["out.weight", "out.bias"]


def test_two_models_share_no_weights_though_the_target_returns_one_module():
    one, other = build("the_same"), build("the_same")
    with torch.no_grad():
        one.trunk.module.weight.zero_()
    assert float(other.trunk.module.weight.detach().abs().min()) > 0
    assert float(user_modules.ONE.weight.detach().abs().min()) > 0


def test_the_global_seed_decides_the_initial_weights_though_the_first_import_draws(monkeypatch):
    monkeypatch.delitem(sys.modules, "tests.encoders.user_modules")
    one, other = build("Net"), build("Net")
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


def test_a_frozen_module_stays_in_evaluation_mode_and_gets_no_gradient():
    encoder = build("Normed", frozen=True)
    encoder.eval().train()
    assert encoder.training
    assert not any(part.training for part in encoder.trunk.module.modules())
    before = {name: value.clone() for name, value in encoder.trunk.module.state_dict().items()}
    rows = encoder.inputs(X)
    assert torch.equal(encoder.trunk(rows), encoder.trunk(rows)), "no dropout"
    encoder(X)[:, 0].pow(3).sum().backward()
    for name, value in encoder.trunk.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in encoder.trunk.module.parameters())
    assert encoder.trunk.out.weight.grad is not None


def test_a_module_that_is_not_frozen_is_trained_in_training_mode():
    encoder = build("Normed")
    before = encoder.trunk.module.layers[1].running_mean.clone()
    encoder(X)[:, 0].pow(3).sum().backward()
    assert not torch.equal(encoder.trunk.module.layers[1].running_mean, before)
    assert all(p.grad is not None for p in encoder.trunk.module.parameters())


BAD = {
    "no colon": ({"target": "my_models"}, "'importable.module:callable', got 'my_models'"),
    "nothing": ({"target": None}, "'importable.module:callable', got 'None'"),
    "no name": ({"target": "math:"}, "'importable.module:callable', got 'math:'"),
    "module": ({"target": "nowhere.at_all:f"}, "'nowhere.at_all:f' failed to import.*No module"),
    "attribute": ({"target": HERE + "f"}, "in tests.encoders.user_modules, which has no 'f'"),
    "not callable": ({"target": HERE + "HERE.x"}, "which has no 'HERE.x'"),
    "a string": ({"target": "string:digits"}, "'string:digits' must be callable, got str"),
    "no module": ({"target": HERE + "number"}, "number' must return a torch.nn.Module, got int"),
    "unknown option": (
        {"options": {"depth": 3}},
        r"called with 7 and options \{'depth': 3\}: Type",
    ),
    "options": ({"options": [3]}, r"encoder.options must map names to values, got '\[3\]'"),
    "frozen": ({"frozen": "maybe"}, "encoder.frozen must be true or false, got 'maybe'"),
    "input": ({"input": "raw"}, "encoder.input must be one of one_hot, as_is, got 'raw'"),
    "dim": ({"dim": 0}, "encoder.dim must be at least 1, got 0"),
    "frozen, no dim": ({"frozen": True, "dim": None}, "leaves nothing of the encoder to train"),
    "codes": (
        {"target": "torch.nn:Embedding", "options": {"embedding_dim": 2}, "input": "as_is"},
        "'torch.nn:Embedding' failed on 4 rows of 3 columns .*-1 for one never seen.*: Runtime",
    ),
    "pair": ({"options": {"what": "pair"}}, r"4 rows to a tensor \(4, h\) .*, got tuple"),
    "column": ({"options": {"what": "column"}}, r"got shape \(4,\)"),
    "nothing out": ({"options": {"what": "nothing"}}, r"got shape \(4, 0\)"),
    "fewer": ({"options": {"what": "fewer"}}, r"got shape \(3, 4\)"),
    "integers": ({"options": {"what": "codes"}}, r"got numbers of torch.int64"),
    "nan": ({"options": {"what": "nan"}}, "must give finite numbers, but 4 rows of 7 columns"),
    "in place": ({"options": {"what": "in place"}}, "changes them in place"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_module_that_cannot_be_used_is_refused_in_one_line(case):
    settings, words = BAD[case]
    name = "Returns" if "what" in (settings.get("options") or {}) else "Net"
    settings = {
        "name": "module", "target": HERE + name, "dim": 3, "input": "one_hot", "frozen": False,
        "options": None,
    } | settings  # fmt: skip
    with pytest.raises(ConfigError, match=words) as refused:
        build_encoder(SIZES, **settings)
    assert "\n" not in str(refused.value)


def test_nothing_to_train_is_refused_where_a_module_has_no_parameters():
    with pytest.raises(ConfigError, match=r"Fixed' is frozen or has no parameters.*give encoder"):
        build("Fixed", dim=None)


def test_rows_that_the_module_fails_on_name_the_target():
    encoder = build("FailsLater")
    with pytest.raises(ConfigError, match=r"FailsLater' failed on 101 rows of 7 columns.*than 100"):
        encoder(torch.zeros(101, 3))


TABLE = pd.DataFrame({"size": [1.0, 2.5, 8.0, 3.0], "colour": ["red", "blue", "red", "green"]})


def saved(name, folder, **options):
    schema = fit_schema(TABLE)
    encoder = build(name, sizes=cardinalities(schema), **options)
    encoder(torch.from_numpy(schema.encode(TABLE)))
    encoder = TableEncoder(encoder, schema)
    save_encoder(encoder, folder)
    return encoder


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Net", {"options": {"hidden": 5}, "dim": None}),
        ("Net", {"frozen": True}),
        ("Normed", {}),
        ("Tied", {}),
        ("Codes", {"input": "as_is"}),
    ],
)
def test_the_loaded_encoder_gives_the_very_same_bits(name, options, tmp_path):
    encoder = saved(name, tmp_path, **options)
    torch.manual_seed(1)  # nothing is left of what the target draws when it is called again
    loaded = load_encoder(tmp_path, allow_code=True)
    assert loaded.transform(TABLE).tobytes() == encoder.transform(TABLE).tobytes()
    assert loaded.dim == encoder.dim
    if name == "Tied":
        module = loaded.encoder.trunk.module
        assert module.encode.weight is module.again.weight


def test_no_code_is_imported_without_consent(tmp_path, monkeypatch):
    saved("Net", tmp_path / "encoder")
    monkeypatch.delitem(sys.modules, "tests.encoders.user_modules")
    with pytest.raises(RunError, match=r"calls 'tests.encoders.user_modules:Net'.*allow_code=True"):
        load_encoder(tmp_path)
    assert "tests.encoders.user_modules" not in sys.modules


def test_an_encoder_without_code_needs_no_consent(tmp_path):
    schema = fit_schema(TABLE)
    network = build_encoder(cardinalities(schema), name="linear", dim=2)
    save_encoder(TableEncoder(network, schema), tmp_path)
    assert load_encoder(tmp_path).dim == 2


def test_code_that_is_gone_is_named(tmp_path):
    saved("Net", tmp_path)
    change(tmp_path, target=HERE + "Gone")
    with pytest.raises(ConfigError, match="has no 'Gone'"):
        load_encoder(tmp_path, allow_code=True)


def test_code_that_changed_since_is_refused_though_the_weights_fit(tmp_path, monkeypatch):
    saved("Net", tmp_path)
    monkeypatch.setattr(torch, "relu", torch.abs)
    with pytest.raises(RunError, match=r"trained with code that gave other outputs"):
        load_encoder(tmp_path, allow_code=True)


def test_random_numbers_outside_the_state_are_refused_when_they_do_not_come_back(tmp_path):
    saved("Hidden", tmp_path)
    torch.manual_seed(1)
    with pytest.raises(RunError, match="keep what it draws at random in parameters or buffers"):
        load_encoder(tmp_path, allow_code=True)


def test_a_file_of_pretrained_weights_is_needed_again_and_named(tmp_path):
    weights = tmp_path / "pretrained.pt"
    pretrained = torch.nn.Linear(4, 3)
    torch.save(pretrained.state_dict(), weights)
    encoder = saved("reads_file", tmp_path, options={"path": str(weights)}, frozen=True)
    assert torch.equal(encoder.encoder.trunk.module.weight, pretrained.weight)
    assert load_encoder(tmp_path, allow_code=True).dim == 3
    weights.unlink()
    with pytest.raises(ConfigError, match=r"reads_file' failed when called.*FileNotFoundError"):
        load_encoder(tmp_path, allow_code=True)


def change(folder, **settings):
    file = folder / "encoder.json"
    description = json.loads(file.read_text())
    description["architecture"] |= settings
    file.write_text(json.dumps(description))
