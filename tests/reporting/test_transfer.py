"""The transfer report shows the saved figures."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fairrep.reporting import transfer_figures, transfer_tables

GAP = "demographic_parity_difference"


def row(accuracy, gap, twin=None):
    found = {
        "n": 100, "accuracy": accuracy, "accuracy_ci": [accuracy - 0.01, accuracy + 0.01],
        "auc": 0.75, GAP: gap, f"{GAP}_ci": [gap - 0.02, gap + 0.02],
        "groups": {"f": {"n": 1234}, "m": {"n": 56}}, "notes": ["m has 56 rows: wide"],
    }  # fmt: skip
    if twin is not None:
        found["versus_twin"] = {GAP: gap - twin, f"{GAP}_ci": [gap - twin - 0.01, 0.0]}
    return found


@pytest.fixture
def content():
    views = {
        "trained": {"mlp": row(0.81, 0.05, 0.25)},
        "twin": {"mlp": row(0.84, 0.25)},
        "raw": {"mlp": row(0.86, 0.31, 0.25)},
        "majority": {"constant": row(0.5, 0.0)},
    }
    leak = {"heads": {}, "strongest": "boosting", "balanced_accuracy": 0.61, "auc": 0.66}
    density = {"edges": [0, 0.5, 1], "density": {"f": [1, 1], "m": [0.5, 1.5]}}
    measure = {"utility": "auc", "twin_gap_clear": True, "gap_left": 0.2, "margin_kept": 0.9}
    chosen = dict.fromkeys(("trained", "twin", "raw"), "mlp")
    return {
        "domain": {
            "name": "people", "title": "People", "rows": {"train": 10, "test": 5},
            "surprises": {"test": {"missing": {}, "unseen": {"city": 7}}},
        },
        "sensitive": ["sex"], "penalty": "mmd", "weight": 3.0, "seeds": [0], "over_seeds": None,
        "tasks": {"hired": {"seen": True}, "rich": {"seen": False}},
        "figures": {"hired": views, "rich": views},
        "selected": dict.fromkeys(("hired", "rich"), chosen),
        "transfer": {"hired": measure, "rich": measure},
        "leakage": {"sex": {"trained": leak}},
        "scores": {"rich": dict.fromkeys(("trained", "twin", "raw"), density)},
    }  # fmt: skip


def test_report_shows_gaps_with_intervals_changes_leakage_and_notes(content):
    stream = io.StringIO()
    transfer_tables.print_transfer(content, "out", console=Console(file=stream, width=120))
    text = stream.getvalue()
    for part in (
        "rich (novel)", "hired (seen)", "0.810", "0.050 [0.030, 0.070]", "-0.200 [-0.210, 0.000]",
        "majority", "0.610", "boosting", "20% of the twin's gap is left", "90% of its AUC",
        "city 7", "m has 56 rows", "f 1,234", "Results: out",
    ):  # fmt: skip
        assert part in text, part
    assert text.index("rich (novel)") < text.index("hired (seen)")


def test_figures_show_the_same_numbers(content):
    figure = transfer_figures.utility_and_gap(content)
    assert [axes.get_title() for axes in figure.axes[:2]] == ["rich (novel)", "hired (seen)"]
    points = {line.get_xdata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1}
    assert {0.05, 0.25, 0.31} <= points
    drawn = transfer_figures.score_distributions(content)
    assert drawn.axes[0].get_title() == "rich, raw (mlp)"
