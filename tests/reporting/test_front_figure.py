"""The figure of the front shows what front.json says, and nothing else."""

from __future__ import annotations

import pytest

from fairrep.reporting import front_figure
from fairrep.reporting.front_points import axes_of, points, selected_index
from tests.reporting.saved_results import GAP, HOSTILE, certified_front, front, over_seeds, point


def lines(panel, marker):
    """Coordinates of the marks of a kind."""
    return {
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in panel.lines
        if line.get_marker() == marker and line.get_markersize() < 10
    }


def test_marks_are_the_settings_with_figures():
    (panel,) = front_figure.front(front()).axes
    assert lines(panel, "s") == {(0.3, 0.9)}  # the twin
    assert lines(panel, "o") == {(0.1, 0.8), (0.2, 0.7)}  # the lost setting has no figures
    assert lines(panel, "D") == {(0.4, 0.95)}  # raw features


def test_the_line_steps_through_the_front_alone_in_order_of_the_gap():
    (panel,) = front_figure.front(front()).axes
    (step,) = [line for line in panel.lines if line.get_drawstyle() == "steps-post"]
    assert list(zip(step.get_xdata(), step.get_ydata())) == [(0.1, 0.8), (0.3, 0.9)]


def test_the_selected_setting_is_ringed_and_its_bound_is_a_vertical_line():
    (panel,) = front_figure.front(front()).axes
    (ring,) = [line for line in panel.lines if line.get_markersize() > 10]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (0.1, 0.8)
    assert any(list(line.get_xdata()) == [0.15, 0.15] for line in panel.lines)


def test_bars_are_one_standard_deviation_in_both_directions():
    (panel,) = front_figure.front(front()).axes
    ends = {
        tuple(round(float(v), 6) for v in segment.ravel())
        for bars in panel.collections
        if hasattr(bars, "get_segments")
        for segment in bars.get_segments()
    }
    assert (0.09, 0.8, 0.11, 0.8) in ends
    assert (0.1, 0.79, 0.1, 0.81) in ends


def test_one_seed_has_no_bars():
    content = front()
    for entry in content["points"]:
        for figure in entry["val"]["hired"].values():
            figure["sd"] = None
    (panel,) = front_figure.front(content).axes
    assert not [bars for bars in panel.collections if hasattr(bars, "get_segments")]


def test_test_rows_have_a_panel_of_their_own_on_the_same_axes():
    content = front()
    content["points"][1]["test"] = {"hired": {"accuracy": over_seeds(0.77), GAP: over_seeds(0.12)}}
    val, test = front_figure.front(content).axes
    assert lines(test, "o") == {(0.12, 0.77)}
    assert val.get_xlim() == test.get_xlim()
    assert val.get_ylim() == test.get_ylim()
    assert not [line for line in test.lines if line.get_drawstyle() == "steps-post"]


def test_axes_say_unit_and_direction():
    (panel,) = front_figure.front(front()).axes
    assert panel.get_xlabel() == (
        "← fairer\ndemographic-parity difference (difference of rates, 0–1)"
    )
    assert panel.get_ylabel() == "accuracy on hired (share of rows)"
    assert "↑ more accurate" in {text.get_text() for text in panel.texts}


def test_a_lower_rmse_is_more_accurate():
    content = front()
    content["selection"]["maximize"] = "rmse"
    for entry in content["points"]:
        entry["val"]["hired"]["rmse"] = entry["val"]["hired"]["accuracy"]
    (panel,) = front_figure.front(content).axes
    assert "↓ more accurate" in {text.get_text() for text in panel.texts}


def test_the_gap_of_a_number_is_named_a_distance():
    content = front()
    content["tasks"]["hired"]["kind"] = "regression"
    (panel,) = front_figure.front(content).axes
    assert panel.get_xlabel().endswith("demographic-parity difference (KS distance, 0–1)")


def test_marks_differ_in_grey():
    marks = [(m["marker"], m.get("markerfacecolor")) for m in front_figure.MARKS.values()]
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("selection", [None, {}, {"point": 99}, {"feasible": False, "point": 2}])
def test_a_front_without_a_choice_is_still_drawn(selection):
    content = front() | {"selection": selection}
    labels = [handle.get_label() for handle in front_figure.legend_handles(content)]
    assert "selected" not in labels
    assert ("closest to the bound" in labels) == bool(selection and selection.get("point") == 2)
    assert front_figure.front(content).axes
    assert len(points(content, axes_of(content), "val")) == 3
    assert selected_index(content) in (None, 2)


def test_no_setting_with_figures_is_an_empty_picture():
    content = front() | {"points": [point(3, None, None)], "references": {}, "selection": None}
    (panel,) = front_figure.front(content).axes
    assert not lines(panel, "o")


def test_files_are_written_whole_and_are_the_same_for_the_same_numbers(tmp_path):
    content = front()
    content["points"][1]["label"] = HOSTILE  # neither mathematics nor markup
    files = front_figure.write_front(content, tmp_path)
    first = [file.read_bytes() for file in files]
    assert [file.name for file in files] == ["front.png", "front.svg"]
    assert first[0].startswith(b"\x89PNG")
    assert b"<script>" not in first[1]
    assert [file.read_bytes() for file in front_figure.write_front(content, tmp_path)] == first
    assert sorted(file.name for file in tmp_path.iterdir()) == ["front.png", "front.svg"]


def test_certified_settings_have_a_panel_with_bound_and_measured_value():
    panels = front_figure.front(certified_front()).axes
    assert len(panels) == 3
    ends = [
        sorted(line.get_xdata())
        for line in panels[-1].lines
        if len(line.get_xdata()) == 2 and line.get_linewidth() == 0.9
    ]
    bounds = (0.4, 0.16, 0.26)
    for end, bound in zip(ends[:3], bounds):
        assert end == pytest.approx([bound - 0.03, bound])
    assert "certificate" in panels[-1].get_xlabel()
    assert len(front_figure.front(front()).axes) == 1
