"""The report's first lines and its last: what was found, and what it does not show."""

from __future__ import annotations

from typing import Any

from fairrep.reporting import front_points as read
from fairrep.reporting.page import Section, Tile
from fairrep.reporting.report_tables import gap_of, number, utility_of
from fairrep.reporting.saved import Saved, SavedRun

Content = dict[str, Any]
SMALL = 100  # test rows of a group below which its figures are said to be rough


def lede(saved: Saved) -> str:
    """One sentence: what came out."""
    chosen = (saved.front or {}).get("selection") or {}
    if chosen.get("sentence"):
        return str(chosen["sentence"])
    if saved.run is None:
        return ""
    metrics = saved.run.metrics
    task = next(iter(metrics["test"]), None)
    if task is None:
        return ""
    row, twin = _row(metrics, task), _twin_row(metrics, task)
    gap = gap_of(metrics)
    kind = "accuracy " if row.get("rmse") is None else ""
    text = (
        f"On test rows of {task}, a fresh {metrics['head']} head on the frozen representation "
        f"reaches {kind}{utility_of(row)} with a {read.name(gap)} of {number(row.get(gap))}"
    )
    if twin is None:
        return f"{text}."
    beside = f"{kind}{utility_of(twin)} and {number(twin.get(gap))}"
    return f"{text}; the same encoder without the penalty, {beside}."


def tiles(saved: Saved) -> list[Tile]:
    """Utility, gap and leakage of the model in question on test rows, beside the twin's."""
    task, gap = _headline(saved)
    row, twin = _row_of_model(saved, task), _row_of_twin(saved, task)
    if not row:
        return []
    utility = "rmse" if row.get("rmse") is not None else "accuracy"
    figures = [_figure_tile(task, metric, row, twin) for metric in (utility, gap)]
    return [*figures, *_leakage_tile(saved.run)]


def limits_section(saved: Saved) -> Section:
    """What the figures do not show, in plain words."""
    notes = [
        f"A small gap is a measurement on these test rows, with {_measured(saved)}: no proof, and "
        "no certificate for others, other rows or another place and time.",
        *_leakage_notes(saved.run),
        *_front_notes(saved.front),
        *_size_notes(saved.run),
        "Equal rates between groups say nothing about individuals, nor about groups that were "
        "not named. One notion of fairness usually excludes others.",
        "Whether a decision should be automated at all is not a question that these figures "
        "answer.",
    ]
    return Section("limits", "Limits, in plain words", notes=notes)


def versions_section(saved: Saved) -> Section:
    """The exact command and the versions."""
    run, front = saved.run, saved.front or {}
    beside = run or saved.method
    environment = front.get("environment") or (beside.environment if beside else None) or {}
    command = front.get("command") or environment.get("command")
    versions = [
        (key.replace("_", " "), str(value))
        for key, value in environment.items()
        if key != "command" and value is not None
    ]
    seconds = front.get("seconds") or {}
    versions += [
        (f"seconds, {part}", f"{spent:,.1f}")
        for part, spent in seconds.items()
        if isinstance(spent, (int, float))
    ]
    text = () if command else ("Started from Python; config.yaml holds every setting.",)
    return Section(
        "again", "To do it again", text=text, facts=versions, code=[command] if command else []
    )


def _measured(saved: Saved) -> str:
    return "this model" if saved.run is None and saved.method is not None else "these heads"


def _leakage_notes(run: SavedRun | None) -> list[str]:
    leakage = (run.metrics.get("leakage") or {}) if run is not None else {}
    known = [
        (found.get("balanced_accuracy"), probe)
        for probe, found in (leakage.get("trained") or {}).items()
        if found.get("balanced_accuracy") is not None
    ]
    if not known:
        return []
    best, probe = max(known)
    return [
        f"A {probe} probe still reads the group from the representation with balanced accuracy "
        f"{best:.3f} ({number(leakage.get('chance'))} is chance). A small gap of one head does not "
        "mean that nothing is left."
    ]


def _front_notes(front: Content | None) -> list[str]:
    if front is None:
        return []
    seeds = len(front.get("seeds") or [])
    notes = [
        "The model was chosen among "
        f"{len(front.get('points') or [])} settings on validation rows; its validation gap is "
        "therefore flattering, and only its test figures are to be quoted."
    ]
    if seeds < 3:
        plural = "" if seeds == 1 else "s"
        notes.append(f"{seeds} seed{plural}: how much chance decides cannot be seen from so few.")
    lost = sum(len(point.get("diverged") or []) for point in front.get("points") or [])
    if lost:
        notes.append(f"Diverged while training, and left out of all means: {lost} models.")
    if not read.is_feasible(front):
        notes.append("No setting met the bound; the closest one is shown in place of a choice.")
    return notes


def _size_notes(run: SavedRun | None) -> list[str]:
    if run is None:
        return []
    found: dict[str, int] = {}
    for task in run.metrics["test"]:
        for group, about in (_row(run.metrics, task).get("groups") or {}).items():
            if about.get("n", SMALL) < SMALL:
                found[group] = min(about["n"], found.get(group, SMALL))
    if not found:
        return []
    listed = ", ".join(f"{group} {n}" for group, n in found.items())
    return [
        f"Groups with fewer than {SMALL} labelled test rows for some task, whose rates are rough: "
        f"{listed}."
    ]


def _leakage_tile(run: SavedRun | None) -> list[Tile]:
    leakage = (run.metrics.get("leakage") or {}) if run is not None else {}
    best, twin = (_strongest(leakage.get(which)) for which in ("trained", "twin"))
    if best is None:
        return []
    parts = [f"λ = 0: {number(twin)}"] if twin is not None else []
    parts.append(f"chance: {number(leakage.get('chance'))}")
    return [Tile("s read by the best probe, balanced accuracy", number(best), " · ".join(parts))]


def _headline(saved: Saved) -> tuple[str, str]:
    """The task and the gap that the page leads with."""
    if saved.front is not None:
        axes = read.axes_of(saved.front)
        return axes.task, axes.gap
    metrics = saved.run.metrics if saved.run is not None else {}
    return next(iter(metrics.get("test") or {}), ""), gap_of(metrics)


def _row_of_model(saved: Saved, task: str) -> Content:
    """What the selection says of the test rows, else the run's leading head."""
    chosen = (saved.front or {}).get("selection") or {}
    own = saved.run.metrics["test"] if saved.run is not None else {}
    if found := (chosen.get("test") or {}).get(task):
        return dict(found)
    return _row(saved.run.metrics, task) if saved.run is not None and task in own else {}


def _row_of_twin(saved: Saved, task: str) -> Content:
    """Means over the seeds of the front's twin, else the run's own."""
    for point in (saved.front or {}).get("points") or []:
        figures = (point.get("test") or {}).get(task) if point.get("twin") else None
        if figures:
            return {metric: found.get("mean") for metric, found in figures.items()}
    return (_twin_row(saved.run.metrics, task) if saved.run is not None else None) or {}


def _figure_tile(task: str, metric: str, row: Content, twin: Content) -> Tile:
    ends = row.get(f"{metric}_ci") or (None, None)
    parts = [f"95%: {number(ends[0])} to {number(ends[1])}"] if None not in ends else []
    parts += [f"λ = 0: {number(twin[metric])}"] if twin.get(metric) is not None else []
    label = f"{read.name(metric)} on {task}, test rows"
    return Tile(label, number(row.get(metric)), " · ".join(parts))


def _strongest(probes: Content | None) -> float | None:
    values = [found.get("balanced_accuracy") for found in (probes or {}).values()]
    known = [value for value in values if value is not None]
    return max(known, default=None)


def _row(metrics: Content, task: str) -> Content:
    return metrics["test"][task].get(metrics["head"]) or {}


def _twin_row(metrics: Content, task: str) -> Content | None:
    heads = ((metrics.get("twin") or {}).get("test") or {}).get(task) or {}
    return heads.get(metrics["head"])
