"""Every penalty, notion of groups and rule for λ on Adult, as a user asks for it."""

from __future__ import annotations

import numpy as np
import pytest

from fairrep.app.configs import compose_config
from fairrep.app.train import train
from tests.app.conftest import QUICK

RACES = ("Amer-Indian-Eskimo", "Asian-Pac-Islander", "Black", "Other", "White")
SEX_BY_RACE = [f"{sex} & {race}" for sex in ("Female", "Male") for race in RACES]
AGES = ["age <= 37", "age > 37"]
AUTO = ("penalty.auto.task=long_hours", "penalty.auto.target=0.01", "penalty.auto.start=1")


def trained(folder, *overrides):
    metrics = train("epochs=1", "twin=false", *overrides, *QUICK, folder=folder)
    for task in ("income", "long_hours"):
        figures = metrics["test"][task]["logistic"]
        assert np.isfinite(figures["accuracy"])
        assert 0 <= figures["demographic_parity_difference"] <= 1
    return metrics


def groups_of(metrics):
    return sorted(metrics["test"]["income"]["logistic"]["groups"])


OTHERS = ("mean", "mmd", "mmd_rff", "sliced_wasserstein", "mixture", "hsic", "distance_covariance")


@pytest.mark.parametrize(
    "penalty",
    [
        "energy",
        *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS),
    ],
)
def test_every_penalty_trains_on_sex(penalty, tmp_path):
    metrics = trained(tmp_path / "run", f"penalty={penalty}")
    assert metrics["penalty"] == penalty
    assert metrics["weight"] == compose_config("train", [f"penalty={penalty}"]).penalty.weight
    assert groups_of(metrics) == ["Female", "Male"]


@pytest.mark.slow
@pytest.mark.parametrize("combine", ["intersections", "sum"])
def test_sex_and_race(combine, tmp_path):
    metrics = trained(
        tmp_path / "run", "data.sensitive=[sex,race]", f"penalty.group.combine={combine}"
    )
    assert groups_of(metrics) == SEX_BY_RACE


@pytest.mark.slow
def test_age_as_a_real_number(tmp_path):
    metrics = trained(tmp_path / "run", "data.sensitive=[age]", "penalty=hsic")
    assert groups_of(metrics) == AGES


@pytest.mark.slow
def test_sex_and_age_together(tmp_path):
    metrics = trained(
        tmp_path / "run",
        "data.sensitive=[sex,age]",
        "penalty=distance_covariance",
        "penalty.group.combine=sum",
        "notion=equalized_odds",
    )
    assert groups_of(metrics) == [f"{sex} & {age}" for sex in ("Female", "Male") for age in AGES]


@pytest.mark.slow
def test_an_automatic_weight(tmp_path):
    metrics = trained(tmp_path / "run", "penalty.weight=auto", "penalty=mean", *AUTO)
    assert metrics["weight"] == 1.0  # one epoch: the start
