"""The configs: every leaf says what it is, every choice composes and builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.utils import instantiate
from sklearn.base import is_classifier, is_regressor

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config, config_dir
from fairrep.app.tune_encoder import check_named
from fairrep.errors import ConfigError
from tests.app.conftest import ROOT

CONF = ROOT / "conf"
FILES = sorted(CONF.rglob("*.yaml"))
CHOICES = [
    f"{file.parent.name}={file.stem}"
    for file in FILES
    if file.parent != CONF and not file.stem.startswith("_")
]
OTHER_ROOTS = {"base": "fair_regression", "tune": "tune"}  # groups that train.yaml does not have


@pytest.fixture(scope="module")
def german():
    return build_data(compose_config("train", ["data=german"]))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_every_leaf_has_a_comment(file: Path):
    lines = file.read_text().splitlines()
    body = [i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")]
    for i in body:
        line = lines[i]
        is_leaf = ":" in line and not line.rstrip().endswith(":") and "- " not in line
        if is_leaf and not line.startswith("defaults:") and "experiment" not in str(file):
            commented = "#" in line or lines[i - 1].strip().startswith("#")
            assert commented, f"{file.name}: {line}"


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes(choice):
    root = OTHER_ROOTS.get(choice.split("=")[0], "train")
    assert compose_config(root, [choice]).seed == 0


@pytest.mark.parametrize(
    "choice",
    [c for c in CHOICES if c.split("=")[0] not in ("data", "experiment", "logger", *OTHER_ROOTS)],
)
def test_every_choice_builds(choice, german):
    needed = ["encoder.target=tests.encoders.user_modules:Net"] * (choice == "encoder=module")
    config = compose_config("train", ["data=german", choice, *needed])
    module = build_module(config, german, twin=False)
    assert (module.penalty is None) == (config.penalty.name == "none")
    assert build_settings(config, german).batch_size == config.batch_size


@pytest.mark.parametrize("choice", [c for c in CHOICES if c.startswith("tune=")])
def test_every_problem_has_a_classifier_or_an_encoder_and_a_space(choice):
    config = compose_config("tune", [choice])
    if "model" not in config:
        assert check_named(config) == list(config.space)
        return
    learner = instantiate(config.model, _convert_="all")
    assert is_classifier(learner)
    assert set(config.space) <= set(learner.get_params())


@pytest.mark.parametrize("choice", [c for c in CHOICES if c.startswith("base=")])
def test_every_base_is_a_regressor(choice):
    config = compose_config("fair_regression", [choice])
    assert is_regressor(instantiate(config.base.model, _convert_="all"))


def test_the_twin_starts_from_the_same_weights(german):
    config = compose_config("train", ["data=german", "encoder.dropout=0.1"])
    trained, twin = (build_module(config, german, twin=t) for t in (False, True))
    assert twin.penalty is None
    for (name, one), (_, other) in zip(
        trained.state_dict().items(), twin.state_dict().items(), strict=True
    ):
        assert one.equal(other), name


def test_a_bound_on_the_gap_selects_the_trained_encoder_and_not_its_twin(german):
    """Within the bound the twin would be its first epochs, before it has learnt anything."""
    config = compose_config("train", ["data=german", "selection.by=utility"])
    trained, twin = (build_module(config, german, twin=t).selection for t in (False, True))
    assert (trained.by, trained.max_gap) == ("utility", 0.05)
    assert (twin.by, twin.max_gap) == ("utility", 1.0)


def test_seed_moves_the_initialisation(german):
    first, second = (
        build_module(compose_config("train", ["data=german", f"seed={s}"]), german, twin=True)
        for s in (0, 1)
    )
    assert not first.encoder.trunk.out.weight.equal(second.encoder.trunk.out.weight)


def test_unknown_keys_and_choices_are_refused_on_one_line():
    with pytest.raises(ConfigError, match=r"^settings penalty\.wieght=1: .*wieght.*$"):
        compose_config("train", ["penalty.wieght=1"])
    with pytest.raises(ConfigError, match=r"^encoder must be one of cells, .*, got 'forest'\.$"):
        compose_config("train", ["encoder=forest"])
    with pytest.raises(ConfigError, match=r"^settings seed:1: .*$"):
        compose_config("train", ["seed:1"])


def test_configs_are_found_beside_the_package():
    assert config_dir() == CONF
