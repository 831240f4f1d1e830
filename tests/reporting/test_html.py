"""The report shows what was saved, leaves out what was not, and loads nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from fairrep.errors import RunError
from fairrep.reporting.group_figures import reliability
from fairrep.reporting.html import render, sections, write
from fairrep.reporting.report_run import groups_of
from fairrep.reporting.report_words import tiles
from fairrep.reporting.saved import read_folder
from tests.reporting.saved_results import (
    GAP,
    HOSTILE,
    front,
    over_seeds,
    predictions,
    write_run,
    write_sweep,
)
from tests.reporting.saved_results import write as write_json

RUN = [
    "trained", "data", "tasks", "leakage", "scores", "plane", "calibration", "limits", "again",
]  # fmt: skip


class Page(HTMLParser):
    """Tags with their attributes, ids, and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]


def page_of(folder) -> Page:
    return Page(render(read_folder(folder)))


def anchors(folder) -> list[str]:
    return [section.anchor for section in sections(read_folder(folder))]


def test_a_run_has_every_section_but_the_front(tmp_path):
    assert anchors(write_run(tmp_path)) == RUN


def test_a_sweep_has_the_front_and_the_selected_model(tmp_path):
    assert anchors(write_sweep(tmp_path)) == [*RUN[:2], "front", "selected", *RUN[2:]]


def test_the_numbers_are_those_that_were_saved(tmp_path):
    text = page_of(write_sweep(tmp_path)).text
    for part in (
        "λ = 1 it is.",  # the sentence
        "0.800 ± 0.010", "0.100 ± 0.010", "2 of 2 diverged", "0.950", "0.1230",  # the front
        "0.790", "0.110 [0.100, 0.120]",  # the selected model on test rows
        "0.830", "−0.100 [−0.200, 0.000]", "0.610", "boosting",  # transfer and leakage
        "May embarrass.", "CC0", "1,234", "got the job",  # the data
        "70% of variance", "fairrep sweep penalty=mmd", "3.11",
    ):  # fmt: skip
        assert part in text, part


def test_the_selected_model_is_the_one_the_front_names_beside_its_seeds_twin(tmp_path):
    run = read_folder(write_sweep(tmp_path)).run
    assert run.path.name == "001"
    assert run.twin.path.name == "000"


@pytest.mark.parametrize(
    ("gone", "section"),
    [
        ("data.json", "data"),
        ("plane.json", "plane"),
        ("predictions.parquet", "calibration"),
    ],
)
def test_a_section_without_its_file_is_left_out(tmp_path, gone, section):
    write_run(tmp_path)
    (tmp_path / gone).unlink()
    assert anchors(tmp_path) == [name for name in RUN if name != section]
    render(read_folder(tmp_path))


def test_metrics_alone_are_a_report(tmp_path):
    write_json(
        tmp_path / "metrics.json",
        json.loads((write_run(tmp_path / "r") / "metrics.json").read_text()),
    )
    text = page_of(tmp_path).text
    assert anchors(tmp_path) == ["trained", "tasks", "leakage", "limits", "again"]
    assert "0.820" in text  # the fresh head, from metrics.json
    assert "0.050" in text
    assert "config.yaml holds every setting" in text


def test_a_front_alone_is_a_report(tmp_path):
    write_json(tmp_path / "front.json", front())
    assert anchors(tmp_path) == ["trained", "data", "front", "selected", "limits", "again"]
    render(read_folder(tmp_path))


def test_the_least_front_is_a_report(tmp_path):
    write_json(tmp_path / "front.json", {"schema": 1, "dataset": "people"})
    assert "people" in page_of(tmp_path).text


def test_no_feasible_point_is_said(tmp_path):
    content = front()
    content["selection"] |= {"feasible": False, "point": 0, "model": None, "test": None}
    text = page_of(write_sweep(tmp_path, content)).text
    assert "No setting meets the bound" in text
    assert "closest" in text


def test_hostile_names_are_text(tmp_path):
    source = render(read_folder(write_run(tmp_path, groups=(HOSTILE, "_m"))))
    assert "<script" not in source
    page = Page(source)
    assert "script" not in {tag for tag, _ in page.tags}
    assert HOSTILE in page.text


@pytest.mark.parametrize("make", [write_run, write_sweep])
def test_nothing_is_loaded(tmp_path, make):
    source = render(read_folder(make(tmp_path)))
    assert not re.search(r"https?://|@import|<script", source)
    for tag, attributes in Page(source).tags:
        for key in ("src", "href", "xlink:href", "srcset", "action"):
            assert attributes.get(key, "#").startswith(("#", "data:,")), (tag, attributes)
    for address in re.findall(r"url\(([^)]*)\)", source):
        assert address.startswith("#"), address


@pytest.mark.parametrize("make", [write_run, write_sweep])
def test_every_picture_is_named_and_every_reference_has_its_one_target(tmp_path, make):
    page = page_of(make(tmp_path))
    assert len(set(page.ids)) == len(page.ids)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    named = [attributes for attributes in pictures if attributes.get("role") == "img"]
    assert len(named) >= 3
    for attributes in pictures:
        if attributes.get("role") != "img":
            assert attributes["aria-hidden"] == "true"
    for _, attributes in page.tags:
        for target in (attributes.get("aria-labelledby") or "").split():
            assert target in page.ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in page.ids


def test_bins_hold_counts_means_and_shares():
    found = reliability(predictions(), "hired", "mlp", ["f", "m", "absent"])
    assert list(found) == ["f", "m"]
    bins = found["f"]
    assert bins.low == pytest.approx([0.2, 0.9])
    assert bins.rows == pytest.approx([3, 1])
    assert bins.predicted == pytest.approx([0.25, 0.95])
    assert bins.observed == pytest.approx([1 / 3, 1])
    assert bins.error == pytest.approx((3 * (1 / 3 - 0.25) + 0.05) / 4)


def test_bins_of_few_rows_are_counted_but_not_drawn():
    table = pd.concat([predictions()] * 4)
    bins = reliability(table, "hired", "mlp", ["f"])["f"]
    assert list(bins.rows) == [12, 4]
    assert list(bins.drawn().rows) == [12]


def test_only_the_largest_groups_are_drawn_and_that_is_said(tmp_path):
    names = tuple(f"group {k}" for k in range(10))
    write_run(tmp_path, groups=names)
    table = predictions((*names, *names[2:]))  # the first two are the smallest
    table.to_parquet(tmp_path / "predictions.parquet")
    run = read_folder(tmp_path).run
    assert groups_of(run) == sorted(names[2:])
    assert "Drawn are the 8 largest of 10 groups." in page_of(tmp_path).text


def test_the_first_figures_are_the_selected_models_beside_the_twins(tmp_path):
    content = front()
    content["points"][0]["test"] = {"hired": {"accuracy": over_seeds(0.88), GAP: over_seeds(0.31)}}
    saved = read_folder(write_sweep(tmp_path, content))
    found = [(tile.label, tile.value, tile.beside) for tile in tiles(saved)]
    assert found == [
        ("accuracy on hired, test rows", "0.790", "λ = 0: 0.880"),
        (
            "demographic-parity difference on hired, test rows",
            "0.110",
            "95%: 0.100 to 0.120 · λ = 0: 0.310",
        ),
        (
            "s read by the best probe, balanced accuracy",
            "0.610",
            "λ = 0: 0.810 · chance: 0.500",
        ),
    ]


def test_wilsons_interval_is_where_the_score_test_accepts():
    """Its ends p solve |observed − p| = z √(p (1 − p) / n)."""
    bins = reliability(predictions(), "hired", "mlp", ["f"])["f"]
    ends = bins.interval
    inside = (ends > 0) & (ends < 1)
    distance = np.abs(bins.observed - ends)
    expected = 1.959964 * np.sqrt(ends * (1 - ends) / bins.rows)
    assert distance[inside] == pytest.approx(expected[inside])
    assert inside.sum() == 3  # the upper end of 1 of 1 is 1


def test_the_newest_transfer_is_shown(tmp_path):
    write_run(tmp_path)
    newer = json.loads((tmp_path / "transfer" / "2026-01-01" / "transfer.json").read_text())
    newer["domain"] = {"own": False, "title": "Elsewhere"}
    write_json(tmp_path / "transfer" / "2026-01-02" / "transfer.json", newer)
    assert "Rows of another domain: Elsewhere." in page_of(tmp_path).text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "must hold a JSON object, got a list"),
        ('{"schema": 9}', "is of schema 9, this version reads 1"),
    ],
)
def test_broken_files_are_named(tmp_path, content, message):
    (tmp_path / "front.json").write_text(content)
    with pytest.raises(RunError, match=message):
        read_folder(tmp_path)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(
        RunError, match=r"holds none of front\.json, metrics\.json, method\.json, tune\.json"
    ):
        read_folder(tmp_path)
    with pytest.raises(RunError, match="is none"):
        read_folder(tmp_path / "nowhere")


def test_the_file_is_written_whole(tmp_path):
    file = write(read_folder(write_run(tmp_path)), tmp_path)
    assert file == tmp_path / "report.html"
    assert file.read_text().rstrip().endswith("</html>")
    assert not list(tmp_path.glob("*.part"))
