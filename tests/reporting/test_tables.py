"""Tables show the saved figures."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fairrep.reporting import figures, tables
from tests.reporting.saved_results import certificate


def head(accuracy, gap):
    return {
        "accuracy": accuracy,
        "auc": 0.75,
        "demographic_parity_difference": gap,
        "demographic_parity_difference_ci": [gap - 0.01, gap + 0.01],
        "groups": {"f": {"n": 1234}, "m": {"n": 5678}},
    }


def number(rmse, gap):
    row = head(0, gap) | {"rmse": rmse, "r2": 0.5}
    return {key: value for key, value in row.items() if key not in ("accuracy", "auc")}


@pytest.fixture
def metrics():
    return {
        "dataset": "people",
        "sensitive": ["sex"],
        "penalty": "mmd",
        "weight": 3.0,
        "head": "mlp",
        "tasks": {
            "hired": {"kind": "binary", "seen": True},
            "pay": {"kind": "regression", "seen": False},
        },
        "test": {
            "hired": {"joint": head(0.81, 0.03), "mlp": head(0.82, 0.05)},
            "pay": {"mlp": number(12.5, 0.2)},
        },
        "twin": {
            "test": {
                "hired": {"joint": head(0.83, 0.13), "mlp": head(0.84, 0.15)},
                "pay": {"mlp": number(11.5, 0.4)},
            }
        },
        "leakage": {
            "trained": {"boosting": {"balanced_accuracy": 0.61, "auc": None}},
            "twin": {"boosting": {"balanced_accuracy": 0.81, "auc": 0.9}},
            "chance": 0.5,
        },
    }


def printed(call, *arguments, width=140):
    stream = io.StringIO()
    call(*arguments, console=Console(file=stream, width=width))
    return stream.getvalue()


def test_report_shows_both_encoders_with_intervals_and_group_sizes(metrics):
    text = printed(tables.print_report, metrics, "out/run")
    assert "hired (seen)" in text
    assert "pay (novel)" in text
    for cell in (
        "0.820", "0.050 [0.040, 0.060]", "0.810, 0.030", "0.840", "0.150 [0.140, 0.160]",
        "RMSE 12.5", "R² 0.500", "1,234", "5,678", "0.610", "0.810", "out/run",
    ):  # fmt: skip
        assert cell in text, cell


def test_report_without_a_twin_shows_one_row_a_task(metrics):
    metrics = metrics | {"twin": None, "leakage": metrics["leakage"] | {"twin": None}}
    text = printed(tables.print_report, metrics, "out/run")
    assert "λ = 3" in text
    assert "λ = 0" not in text


def test_certificates_stand_under_the_tasks_with_one_promise_and_its_limit(metrics):
    metrics["certificate"] = certificate(0.12)
    metrics["twin"]["certificate"] = certificate(0.34)
    text = printed(tables.print_report, metrics, "out/run")
    for part in (
        "0.120", "0.090", "0.340", "0.310", "0.030", "0.05", "5 of 8", "f 4,321, m 4,321",
        "No model is above 0.120.", "Limit: Another year voids it.",
    ):  # fmt: skip
        assert part in text, part
    assert "No model is above 0.340." not in text
    assert "It speaks of the cell alone." not in text
    assert text.index("hired (seen)") < text.index("Certificate") < text.index("Leakage")


@pytest.mark.parametrize("more", [{}, {"certificate": None}])
def test_nothing_is_said_of_a_certificate_where_there_is_none(metrics, more):
    text = printed(tables.print_report, metrics | more, "out/run")
    assert "ertificate" not in text
    assert "Limit" not in text


def test_data_description_names_groups_terms_and_harms():
    described = {
        "title": "People",
        "source": "somewhere",
        "licence": "CC0",
        "harms": ["May embarrass."],
        "rows": {"train": 10, "test": 5},
        "notes": ["columns that the files lack: POBP"],
        "left_out": 3,
        "features": ["age"],
        "sensitive": ["sex"],
        "groups": {
            "f": {"rows": {"train": 4, "test": 2}, "base_rates": {"hired": 0.25}},
            "m": {"rows": {"train": 6, "test": 3}, "base_rates": {"hired": 0.5}},
        },
        "tasks": {"hired": {"kind": "binary", "seen": True, "about": "got the job"}},
        "dropped": {"title": "task hired or its proxy"},
        "surprises": {"train": {"missing": {"age": 7}, "unseen": {}}},
        "unknown_group": {"train": 0, "test": 1},
    }
    text = printed(tables.print_data, described)
    for part in (
        "CC0", "May embarrass.", "0.25", "got the job", "age 7", "title (task hired",
        "unseen in training: 1", "without a label for any task: 3",
    ):  # fmt: skip
        assert part in text, part


def test_figures_are_drawn_from_the_same_numbers(metrics, tmp_path):
    figure = figures.cost_and_benefit(metrics)
    left, right = figure.axes
    assert [line.get_xdata()[0] for line in left.lines] == [0.82, 0.84]
    assert right.get_xlim()[0] == 0
    figures.save(figure, tmp_path / "a" / "b.png")
    assert (tmp_path / "a" / "b.png").read_bytes().startswith(b"\x89PNG")
