"""A user's module in training: frozen or not, alone and in a stack, where it is its single run."""

from __future__ import annotations

import pytest
import torch

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.errors import ConfigError
from fairrep.training import fit, fit_stack
from fairrep.training.optimizer import build_optimizer
from fairrep.training.stack_state import StackState

BASE = ["data=german", "epochs=3", "batch_size=256", "penalty.warmup_epochs=1", "encoder=module"]
OTHERS = [[], ["seed=1", "optimizer.lr=5e-3"], ["penalty.weight=0.5", "optimizer.weight_decay=0.5"]]
DOUBLE = {"accelerator": "cpu", "precision": "64-true"}


@pytest.fixture(scope="module")
def data():
    return build_data(compose_config("train", ["data=german"]))


def configs(name, *common, others=OTHERS):
    target = f"encoder.target=tests.encoders.user_modules:{name}"
    return [compose_config("train", [*BASE, target, *common, *own]) for own in others]


def built(data, chosen):
    return [build_module(c, data, twin=False) for c in chosen], [
        build_settings(c, data) for c in chosen
    ]


def stacked(data, chosen, folder):
    modules, settings = built(data, chosen)
    fit_stack(modules, data, settings, folder, device="cpu", dtype=torch.float64)
    return modules


def single(data, config, folder, trainer=DOUBLE):
    (module,), (settings,) = built(data, [config])
    fit(module, data, settings, folder, trainer=trainer)
    return module


def distance(one, other):
    state, others = one.state_dict(), other.state_dict()
    assert state.keys() == others.keys()
    return max(float((state[name] - others[name]).abs().max()) for name in state)


CASES = {
    "custom order, scalar, own buffers": ("Net", []),
    "options": ("Net", ["encoder.options={hidden: 9, dropout: 0.0}", "penalty=mmd"]),
    "frozen": ("Net", ["encoder.frozen=true"]),
    "frozen dropout and running statistics": ("Normed", ["encoder.frozen=true"]),
    "no linear layer": ("Net", ["encoder.dim=null"]),
    "tied weights": ("Tied", []),
    "a frozen part": ("Partly", []),
    "no parameters": ("Fixed", []),
    "another function in training": ("Modes", []),
    "codes": ("Codes", ["encoder.input=as_is", "heads=mlp"]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_model_of_a_stack_is_its_single_run(data, tmp_path, case):
    chosen = configs(CASES[case][0], *CASES[case][1])
    modules = stacked(data, chosen, tmp_path)
    for number, (module, config) in enumerate(zip(modules, chosen)):
        alone = single(data, config, tmp_path / str(number))
        assert distance(module, alone) < 1e-6
    assert distance(*modules[:2]) > 1e-3


@pytest.mark.parametrize("many", [False, True], ids=["alone", "stacked"])
def test_frozen_parameters_and_running_statistics_never_move(data, tmp_path, many):
    chosen = configs("Normed", "encoder.frozen=true", "optimizer.weight_decay=0.5")
    before, _ = built(data, chosen)
    if many:
        after = stacked(data, chosen, tmp_path)
    else:
        trainer = {"accelerator": "cpu"}
        after = [single(data, c, tmp_path / str(k), trainer) for k, c in enumerate(chosen)]
    for one, other in zip(before, after):
        assert distance(one.encoder.trunk.module, other.encoder.trunk.module) == 0
        assert distance(one.encoder.trunk.out, other.encoder.trunk.out) > 0


def test_the_optimiser_holds_no_frozen_parameter(data):
    chosen = configs("Net", "encoder.frozen=true", others=[[]])
    (module,), _ = built(data, chosen)
    held = build_optimizer(module, module.optimizer_settings, 10)["optimizer"].param_groups
    ours = {id(p) for group in held for p in group["params"]}
    assert ours == {
        id(p) for p in [*module.encoder.trunk.out.parameters(), *module.heads.parameters()]
    }


def test_equal_frozen_weights_are_held_once(data):
    modules, _ = built(data, configs("Fixed", others=[[], ["seed=1"]]))
    for module in modules:
        module.encoder.trunk.module.register_buffer("one", torch.ones(1000))
    state = StackState(modules, torch.device("cpu"), torch.float64)
    assert state.fixed["encoder.trunk.module.one"].shape == (1, 1000)


REFUSED = {
    "Normed": "dropout and batch normalisation, unless encoder.frozen=true",
    "Noisy": "random operation",
    "Branching": "vmap",
    "Counting": "its buffers change in training|vmap",
    "Hidden": "numbers outside parameters and buffers",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_module_that_would_not_be_its_single_run_is_refused(data, tmp_path, name):
    chosen = configs(name, others=[[], ["seed=1"]])
    with pytest.raises(ConfigError, match=REFUSED[name]) as refused:
        stacked(data, chosen, tmp_path / "out")
    assert f"a stack cannot hold encoder.target 'tests.encoders.user_modules:{name}'" in str(
        refused.value
    )
    assert "one by one with fairrep train -m" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_such_modules_train_one_by_one(data, tmp_path):
    for name in REFUSED:
        (config,) = configs(name, others=[[]])
        module = single(data, config, tmp_path / name, {"accelerator": "cpu"})
        assert bool(torch.isfinite(module.eval()(data.val.x)).all())


def test_frozen_and_trained_models_share_no_stack(data, tmp_path):
    chosen = configs("Net", others=[[], ["encoder.frozen=true"]])
    with pytest.raises(ConfigError, match="same shapes"):
        stacked(data, chosen, tmp_path)


@pytest.mark.parametrize(
    "encoder",
    [
        ["encoder=tabular"],
        ["encoder=tabular", "encoder.ensemble=4", "encoder.numeric=periodic"],
        ["encoder=mlp"],
        ["encoder=module", "encoder.target=tests.encoders.user_modules:Net"],
    ],
    ids=["tabular", "ensemble", "mlp", "module"],
)
@pytest.mark.parametrize("penalty", ["sinkhorn", "mmd"])
def test_half_precision_trains_to_finite_weights_with_a_penalty_in_single_precision(
    data, tmp_path, encoder, penalty, monkeypatch
):
    config = compose_config("train", [*BASE[:-1], f"penalty={penalty}", *encoder])
    (module,), (settings,) = built(data, [config])
    layers, given = set(), set()
    for layer in module.encoder.trunk.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(lambda _m, _x, h: layers.add(h.dtype))
    evaluate = module.penalty.evaluate

    def seen(z, *rest, **options):
        given.add(z.dtype)
        found = evaluate(z, *rest, **options)
        given.add(found.value.dtype)
        return found

    monkeypatch.setattr(module.penalty, "evaluate", seen)
    fit(
        module, data, settings, tmp_path,
        trainer={"accelerator": "cpu", "precision": "bf16-mixed"},
    )  # fmt: skip
    assert layers == {torch.bfloat16}
    assert given == {torch.float32}
    state = module.state_dict().values()
    assert all(bool(torch.isfinite(value).all()) for value in state)
    assert all(not v.is_floating_point() or v.dtype == torch.float32 for v in state)
    assert bool(torch.isfinite(module.eval()(data.val.x)).all())
