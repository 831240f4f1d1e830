"""Nothing but a certificate reads the calibration rows: not training, selection or evaluation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.evaluation import Sealed, evaluate_representation, represent
from fairrep.evaluation.sealed import SealError
from fairrep.training import fit, fit_stack

SETTINGS = ["data=german", "data.calibration=0.3", "epochs=2", "batch_size=128", "trainer=cpu"]


def sealed_data():
    data = build_data(compose_config("train", SETTINGS))
    assert len(data.calibration) == 240
    return replace(data, calibration=Sealed(lambda: data.calibration))


def test_the_seal_holds():
    with pytest.raises(SealError):
        _ = sealed_data().calibration.x


@pytest.mark.parametrize("encoder", ["tabular", "cells"])
def test_fit_and_evaluation_leave_calibration_rows_sealed(tmp_path, encoder):
    config = compose_config("train", [*SETTINGS, f"encoder={encoder}"])
    module = build_module(config, build_data(config), twin=False)  # it counts them, no more
    data = sealed_data()
    settings = build_settings(config, data)
    fit(module, data, settings, tmp_path, trainer={"accelerator": "cpu"})
    z = represent(module.encoder, module.heads, data)
    evaluate_representation(z, data, data.tasks, heads=["logistic"], seed=0)


def test_a_stack_leaves_calibration_rows_sealed(tmp_path):
    config = compose_config("train", SETTINGS)
    modules = [build_module(config, build_data(config), twin=False)]
    data = sealed_data()
    settings = [build_settings(config, data)]
    fit_stack(modules, data, settings, tmp_path, device="cpu", dtype=torch.float32)
