"""A certificate on real people: adversaries stay below it, and why it needs rows of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from fairrep.app.build import build_data, build_module, build_settings
from fairrep.app.configs import compose_config
from fairrep.encoders import build_encoder
from fairrep.encoders.saved import cardinalities
from fairrep.evaluation import certify
from fairrep.evaluation.heads import HEADS, Rows, fit_heads
from fairrep.evaluation.view import View
from fairrep.functional.group_distributions import ks_distance
from fairrep.training import fit
from fairrep.types import TaskSpec

ADULT = ["experiment=certified", "data=adult", "trainer=cpu", "logger=none"]


def sampling_error(s):
    """4.5 standard deviations of a difference of two shares."""
    n, m = (int((s == g).sum()) for g in (0, 1))
    return 4.5 * 0.5 * math.sqrt(1 / n + 1 / m)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["argmax", "draw"])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_no_adversary_exceeds_the_certificate_on_fresh_rows(tmp_path, release, weight):
    """Three heads for s and for every task, and the best rule on cells, fitted on other rows."""
    options = [f"encoder.release={release}", f"penalty.weight={weight}", "epochs=8"]
    config = compose_config("train", [*ADULT, *options])
    data = build_data(config)
    module = build_module(config, data, twin=False)
    fit(module, data, build_settings(config, data), tmp_path, trainer={"accelerator": "cpu"})
    encoder, rows = module.encoder.eval(), data.calibration
    found = certify(encoder, rows.x, rows.s, delta=0.05, groups=data.groups)
    with torch.no_grad():
        z = {name: encoder(part.x) for name, part in data.splits.items()}
    tasks = [*data.tasks, TaskSpec("s", "binary", data.groups)]
    train, val = (
        Rows([View(z[k])], torch.cat([rows.y, rows.s[:, None].float()], 1).double(), rows.s)
        for k, rows in (("train", data.train), ("val", data.val))
    )
    s, gaps = data.test.s, {}
    for head, predict in fit_heads(HEADS, train, val, tasks, seed=0).items():
        for task, score in zip(tasks, predict([View(z["test"])])[0]):
            score = torch.from_numpy(np.asarray(score))
            gaps[head, task.name] = float(ks_distance(score[s == 0], score[s == 1]))
    shares = [z["train"][data.train.s == g].mean(0) for g in (0, 1)]
    decided = (shares[0] > shares[1]).float() @ z["test"].T  # the event of the total variation
    gaps["best rule", "s"] = abs(float(decided[s == 0].mean() - decided[s == 1].mean()))
    assert max(gaps.values()) < found.bound + sampling_error(s), gaps
    # the adversaries are no straw men: they find most of what was measured
    assert max(gaps.values()) > found.distance - 2 * sampling_error(s)


@pytest.mark.slow
def test_rows_that_an_overfitted_encoder_has_seen_certify_nothing():
    """An encoder learns random cells for 400 people by heart, and the group of everybody else."""
    data = build_data(compose_config("train", [*ADULT, "data.include_sensitive=true"]))
    generator = torch.Generator().manual_seed(0)
    learnt, others = slice(0, 400), slice(400, 1200)
    x = data.train.x[:1200]
    target = data.train.s[:1200].float()
    target[learnt] = torch.randint(2, (400,), generator=generator).float()
    torch.manual_seed(0)
    encoder = build_encoder(
        cardinalities(data.schema),
        name="cells",
        cells=2,
        release="argmax",
        usage=0.0,
        recall=None,
        trunk={"name": "mlp", "dim": 8, "hidden": [512], "activation": "relu", "dropout": 0.0},
    )
    optimizer = torch.optim.Adam(encoder.parameters(), lr=3e-3)
    for _ in range(300):
        z = encoder.normalise(encoder.trunk(encoder.inputs(x)))
        logits = encoder.cells.map(z)
        loss = binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def certified(rows, part=slice(None)):
        return certify(encoder, rows.x[part], rows.s[part], delta=0.05, groups=data.groups)

    with torch.no_grad():
        cells = encoder.eval()(data.test.x)
    shares = [cells[data.test.s == g].mean(0) for g in (0, 1)]
    truth = 0.5 * float((shares[0] - shares[1]).abs().sum())
    void, proper = certified(data.train, learnt), certified(data.calibration)
    assert void.bound < truth - sampling_error(data.test.s)
    assert proper.bound > truth - sampling_error(data.test.s)
    assert certified(data.train, others).bound > void.bound
