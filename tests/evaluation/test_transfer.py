"""The protocol's honesty: leaks are exposed, noise is noise, test rows are read at the end."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from fairrep.evaluation import Sealed, SealError, View, groupings, transfer_figures
from fairrep.evaluation import protocol as protocol_module
from fairrep.evaluation.leakage import probe_labels, probes
from fairrep.evaluation.protocol import Part, Questions
from fairrep.functional.mean_projection import mean_difference_directions, project_out
from fairrep.types import TaskSpec

TASKS = (TaskSpec("t", "binary", ("no", "yes"), seen=False),)
SIZES = {"train": 1200, "val": 400, "test": 2000}


def world(n, seed):
    """Features that carry a label, a group that moves both, and neither in plain view."""
    rng = np.random.default_rng(seed)
    s = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3)) + 0.5 * s[:, None]
    y = (x[:, 0] + rng.normal(size=n) > 0.5).astype(float)
    return x, y, s


def questions(heads=("logistic",)):
    ways = groupings(("f", "m"))
    return Questions(TASKS, tuple(heads), ways, tuple(probes(ways, ())))


def parts(make, asked, label=lambda x, y, s, rng: y):
    """Splits of a world seen through ``make(x, y, s) -> {name: matrix}``."""
    found = {}
    for k, (name, n) in enumerate(SIZES.items()):
        x, y, s = world(n, k)
        y = label(x, y, s, np.random.default_rng(100 + k))
        views = {v: View(torch.as_tensor(m).float()) for v, m in make(x, y, s).items()}
        codes = torch.as_tensor(s)
        labels = torch.cat(
            [torch.as_tensor(y)[:, None], probe_labels(asked.probes, codes, torch.zeros(n, 0))], 1
        )
        found[name] = Part(views, labels, codes)
    return found


def run(make, asked=None, **options):
    asked = asked or questions()
    found = parts(make, asked, **options)
    test = Sealed(lambda: found["test"])
    return transfer_figures(found["train"], found["val"], test, asked, seed=0, min_rows=1)


def blind(x, y, s):
    return np.random.default_rng(len(s)).normal(size=(len(s), 2))


def test_a_planted_label_is_exposed():
    """z = noise, with the label appended: every head finds it, and its gap."""
    found = run(
        lambda x, y, s: {"trained": np.column_stack([blind(x, y, s), y]), "twin": blind(x, y, s)}
    )
    trained, twin = (found["figures"]["t"][view]["logistic"] for view in ("trained", "twin"))
    assert trained["accuracy"] == 1
    _, y, s = world(SIZES["test"], 2)
    base_rates = abs(y[s == 0].mean() - y[s == 1].mean())
    assert trained["demographic_parity_difference"] == pytest.approx(base_rates)
    assert twin["auc"] < 0.55
    assert trained["versus_twin"]["auc_ci"][0] > 0.4


def test_a_planted_group_is_exposed():
    found = run(lambda x, y, s: {"trained": np.column_stack([blind(x, y, s), s]), "raw": x})
    (leaks,) = found["leakage"].values()
    assert leaks["trained"]["balanced_accuracy"] == 1
    assert leaks["trained"]["auc"] == 1
    assert 0.5 < leaks["raw"]["balanced_accuracy"] < 0.8


def test_random_labels_give_the_majority_rate():
    """Labels of a fair 3 : 7 coin: no head beats the majority by four standard errors."""
    asked = questions(("logistic", "mlp", "boosting"))
    found = run(
        lambda x, y, s: {"trained": x},
        asked,
        label=lambda x, y, s, rng: (rng.random(len(y)) < 0.3).astype(float),
    )["figures"]["t"]
    majority = found["majority"]["constant"]
    assert majority["auc"] == 0.5
    assert majority["demographic_parity_difference"] == 0
    error = np.sqrt(0.21 / SIZES["test"])
    for metrics in found["trained"].values():
        assert abs(metrics["accuracy"] - majority["accuracy"]) < 4 * error
        assert abs(metrics["auc"] - 0.5) < 4 * np.sqrt(1 / (12 * 0.21 * SIZES["test"]))


def test_sealed_rows_raise_when_touched_and_open_once():
    made = []
    sealed = Sealed(lambda: made.append(1) or "rows")
    for touch in (
        lambda: sealed.views,
        lambda: sealed.y,
        lambda: len(sealed),
        lambda: sealed[0],
        lambda: list(sealed),
        lambda: np.asarray(sealed),
    ):
        with pytest.raises(SealError, match="sealed until the final report"):
            touch()
    assert made == []
    assert sealed.open() == "rows"
    with pytest.raises(SealError, match="opened before"):
        sealed.open()


def test_test_rows_do_not_exist_before_all_heads_are_fitted(monkeypatch):
    """Opening happens after the last fit; a protocol that opens earlier fails here."""
    events = []
    fit = protocol_module.fit_heads

    def spy(*arguments, **options):
        events.append("fit")
        return fit(*arguments, **options)

    monkeypatch.setattr(protocol_module, "fit_heads", spy)
    asked = questions()
    found = parts(lambda x, y, s: {"trained": x}, asked)

    def make():
        events.append("open")
        return found["test"]

    transfer_figures(found["train"], found["val"], Sealed(make), asked, seed=0, min_rows=1)
    assert events.count("open") == 1
    assert events[-1] == "open"
    assert events.count("fit") == 3


def test_selection_ignores_test_rows():
    """Other test rows leave every head, and the choice between them, as they were."""
    asked = questions(("logistic", "boosting"))
    found = parts(lambda x, y, s: {"trained": x}, asked)
    results = []
    for flip in (False, True):
        rows = found["test"]
        rows = Part(rows.views, 1 - rows.y, rows.s) if flip else rows
        results.append(
            transfer_figures(
                found["train"], found["val"], Sealed(lambda r=rows: r), asked, seed=0, min_rows=1
            )
        )
    assert results[0]["selected"] == results[1]["selected"]
    utilities = [
        {h: m["validation_utility"] for h, m in r["figures"]["t"]["trained"].items()}
        for r in results
    ]
    assert utilities[0] == utilities[1]


def test_the_measure_compares_the_best_heads_of_encoder_and_twin():
    found = run(lambda x, y, s: {"trained": x - 0.5 * s[:, None], "twin": x})
    measure = found["transfer"]["t"]
    rows = {view: found["figures"]["t"][view]["logistic"] for view in ("trained", "twin")}
    gap = "demographic_parity_difference"
    assert measure["gap_left"] == pytest.approx(rows["trained"][gap] / rows["twin"][gap])
    assert measure["gap_left"] < 0.3
    kept = (rows["trained"]["auc"] - 0.5) / (rows["twin"]["auc"] - 0.5)
    assert measure["margin_kept"] == pytest.approx(kept)
    json.dumps(found)


def test_projection_leaves_no_linear_head_a_difference_in_mean():
    rng = torch.Generator().manual_seed(0)
    group = torch.randint(0, 4, (500,), generator=rng) - 1  # -1 = unknown
    x = torch.randn(500, 6, generator=rng, dtype=torch.float64) + group[:, None]
    x[:, 1] += 2 * (group == 1)
    basis = mean_difference_directions(x, group, groups=3)
    assert basis.shape == (6, 2)
    torch.testing.assert_close(basis.T @ basis, torch.eye(2, dtype=torch.float64))
    fair = project_out(x, basis)
    means = torch.stack([fair[group == g].mean(0) for g in range(3)])
    torch.testing.assert_close(means, means[:1].expand(3, -1))
    torch.testing.assert_close(project_out(fair, basis), fair)


def test_projection_of_equal_means_changes_nothing():
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [3.0, 4.0]])
    basis = mean_difference_directions(x, torch.tensor([0, 1, 0, 1]), groups=2)
    torch.testing.assert_close(project_out(x, basis), x)
