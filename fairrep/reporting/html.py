"""The report: one HTML file that needs nothing else, from a folder's saved results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from fairrep.reporting import report_front, report_method, report_run, report_tune
from fairrep.reporting.page import Section
from fairrep.reporting.report_certificate import certificate_section
from fairrep.reporting.report_words import lede, limits_section, tiles, versions_section
from fairrep.reporting.saved import Saved, SavedMethod, SavedTune

REPORT = "report.html"


def render(saved: Saved) -> str:
    """Put the sections that the folder has results for into the page.

    Args:
        saved: of :func:`fairrep.reporting.saved.read_folder`.
    """
    environment = Environment(
        loader=PackageLoader("fairrep.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        **_opening(saved), sections=sections(saved)
    )


def write(saved: Saved, folder: Path) -> Path:
    """Write ``report.html`` whole or not at all; returns its path."""
    part, whole = folder / f"{REPORT}.part", folder / REPORT
    part.write_text(render(saved), encoding="utf-8")
    part.replace(whole)
    return whole


def sections(saved: Saved) -> list[Section]:
    """All sections with something to show, in the order of the page."""
    if saved.method is not None:
        return _method_sections(saved, saved.method)
    front, run = saved.front, saved.run
    found: list[Section | None] = [_trained_section(saved)]
    if run is not None and run.data is not None:
        found.append(report_run.data_section(run.data))
    elif front is not None:
        found.append(report_run.front_data_section(front))
    if front is not None:
        found += [report_front.front_section(front), report_front.selected_section(front)]
    found.append(certificate_section(_certificate(saved)))
    if run is not None:
        found += [
            report_run.tasks_section(run),
            report_run.leakage_section(run),
            report_run.scores_section(run),
            report_run.plane_section(run),
            report_run.calibration_section(run),
        ]
    found += [limits_section(saved), versions_section(saved)]
    return [section for section in found if section is not None]


def _opening(saved: Saved) -> dict[str, Any]:
    """Title, first lines and leading figures."""
    if (method := saved.method) is not None:
        own = _pages(method)
        return {
            "title": own.title(method),
            "subtitle": own.subtitle(method),
            "lede": own.lede(method),
            "tiles": own.tiles(method),
        }
    return {
        "title": _title(saved),
        "subtitle": _subtitle(saved),
        "lede": lede(saved),
        "tiles": tiles(saved),
    }


def _method_sections(saved: Saved, method: SavedMethod | SavedTune) -> list[Section]:
    data = [] if method.data is None else [report_run.data_section(method.data)]
    ends = [limits_section(saved), versions_section(saved)]
    own = _pages(method)
    return [own.fitted_section(method), *data, *own.sections(method), *ends]


def _pages(method: SavedMethod | SavedTune) -> Any:
    """The module that knows what to say of it."""
    return report_tune if isinstance(method, SavedTune) else report_method


def _certificate(saved: Saved) -> dict[str, Any] | None:
    """The selected model's, which has all of δ, or the run's own."""
    chosen = ((saved.front or {}).get("selection") or {}).get("certificate")
    return chosen or (saved.run.metrics.get("certificate") if saved.run is not None else None)


def _trained_section(saved: Saved) -> Section:
    """What was trained on what."""
    front, run = saved.front or {}, saved.run
    facts: list[tuple[str, str]] = [("data", _title(saved))]
    if rows := front.get("rows") or ((run.data or {}).get("rows") if run is not None else None):
        facts.append(("rows", ", ".join(f"{count:,} {split}" for split, count in rows.items())))
    facts.append(("sensitive", " × ".join(_content(saved).get("sensitive") or [])))
    if front:
        seeds, points = front.get("seeds") or [], front.get("points") or []
        facts.append(("settings", f"{len(points)}, each with {len(seeds)} seeds"))
        if run is None:
            facts.append(("penalty", str(front.get("penalty"))))
            facts.append(("notion", str(front.get("notion")).replace("_", " ")))
    if run is not None:
        if front:
            facts.append(("model shown below", str(run.path.relative_to(saved.path))))
        facts += report_run.trained_facts(run)
    text = (
        "An encoder trained with a penalty on the distance between the groups' representations, "
        "and the same encoder without it (λ = 0, the twin). Then the encoder is frozen, and fresh "
        "heads are trained on what it gives.",
    )
    return Section("trained", "What was trained", text=text, facts=facts)


def _content(saved: Saved) -> dict[str, Any]:
    return saved.front or (saved.run.metrics if saved.run is not None else {})


def _title(saved: Saved) -> str:
    data = (saved.run.data if saved.run is not None else None) or {}
    content = _content(saved)
    return str(content.get("title") or data.get("title") or content.get("dataset"))


def _subtitle(saved: Saved) -> str:
    content = _content(saved)
    sensitive = " × ".join(content.get("sensitive") or [])
    what = "front of accuracy and fairness" if saved.front is not None else "one run"
    return f"{what} · {content.get('penalty')} penalty · {sensitive}"
