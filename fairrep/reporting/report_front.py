"""The report's sections on a front and on the model selected from it."""

from __future__ import annotations

from markupsafe import Markup

from fairrep.reporting import front_points as read
from fairrep.reporting import front_tables as tables
from fairrep.reporting.front_figure import TITLES, certified_panel, front_panel
from fairrep.reporting.front_points import Front
from fairrep.reporting.page import Section, mark
from fairrep.reporting.svg import inline


def front_section(front: Front) -> Section | None:
    """The figure, what its marks mean, and every setting in a table."""
    axes = read.axes_of(front)
    found = read.points(front, axes, "val")
    if not found:
        return None
    splits = ["val", "test"] if read.has_test(front) else ["val"]
    figures = [
        inline(
            front_panel(front, split),
            name=f"front-{split}",
            title=f"{axes.utility_label} against {read.name(axes.gap)}: {TITLES[split]}",
            description=_description(front, split),
        )
        for split in splits
    ]
    if certified := read.certified_points(front, axes):
        named = "; ".join(
            f"{point.label}: certificate {point.bound.mean:.3f}, measured {point.measured.mean:.3f}"
            for point in certified[:12]
        )
        figures.append(
            inline(
                certified_panel(front),
                name="front-certified",
                title=f"{axes.utility_label} against the certificate",
                description=f"{len(certified)} certified settings. {named}.",
            )
        )
    return Section(
        "front",
        "The front",
        text=(
            "Every mark is one setting, its figures averaged over seeds. A setting is on the front "
            "when no other is both more accurate and fairer on validation rows. Left is fairer, "
            f"{'down' if axes.utility in read.LOWER_IS_BETTER else 'up'} is more accurate.",
        ),
        figures=figures,
        layout="wide",
        legend=_legend(front),
        caption=_caption(front, splits),
        tables=(tables.front_table(front),),
    )


def selected_section(front: Front) -> Section | None:
    """What was asked for, what was found, and its figures on test rows."""
    chosen = front.get("selection")
    if not chosen:
        return None
    table = tables.selected_table(front)
    rule = f"best {read.name(str(chosen.get('maximize')))} on validation rows"
    bound = read.bound_of(front)
    if bound is not None:
        rule += f" with {read.name(str(chosen.get('metric')))} at most {bound:g}"
    facts = [("rule", f"{rule}, task {chosen.get('task')}")]
    index = read.selected_index(front)
    if index is not None:
        point = front["points"][index]
        facts.append(("setting", ", ".join(f"{k} = {v}" for k, v in _settings(point))))
    if (model := read.selected_model(front)) is not None:
        facts.append(("model", f"seed {model.get('seed')}, folder {model.get('folder')}"))
    sentence = str(chosen.get("sentence") or "")
    if not read.is_feasible(front):
        sentence = f"No setting meets the bound on validation rows. {sentence}".strip()
    return Section(
        "selected",
        "The selected model",
        text=(sentence,) if sentence else (),
        facts=facts,
        tables=(table,) if table else (),
    )


def _settings(point: Front) -> list[tuple[str, object]]:
    settings = point.get("settings") or {"penalty.weight": point.get("weight")}
    return [("λ" if key == "penalty.weight" else key, value) for key, value in settings.items()]


def _description(front: Front, split: str) -> str:
    """The figure in words."""
    axes = read.axes_of(front)
    found = read.points(front, axes, split)
    on_front = [point for point in found if point.on_front]
    named = "; ".join(
        f"{point.label}: gap {point.gap.mean:.3f}, {read.name(axes.utility)} "
        f"{point.utility.mean:.3f}"
        for point in sorted(on_front, key=lambda point: point.gap.mean)[:12]
    )
    return f"{len(found)} settings, {len(on_front)} of them on the front. {named}."


def _caption(front: Front, splits: list[str]) -> str:
    axes = read.axes_of(front)
    seeds = len(front.get("seeds") or [])
    words = []
    if seeds > 1:
        words.append(f"Bars: ± 1 standard deviation over {seeds} seeds.")
    words.append(f"Heads: fresh {front.get('head', '')} on the frozen representation.")
    if "test" in splits:
        words.append("Test rows took no part in choosing; their marks keep the validation front's.")
    volume = front.get("hypervolume") or {}
    if volume.get("value") is not None:
        reference = volume.get("reference") or {}
        point = ", ".join(f"{read.name(key)} {value:g}" for key, value in reference.items())
        text = f"Hypervolume {volume['value']:.4f}"
        words.append(f"{text} (against {point})." if point else f"{text}.")
    if read.is_certified(front):
        words.append(
            "Certificates hold for all settings and seeds at once; filled marks are the bounds, "
            "hollow ones the total variation that was measured on calibration rows."
        )
    if (bound := read.bound_of(front)) is not None:
        words.append(f"Dashed: the bound, {read.name(axes.gap)} at most {bound:g}.")
    return " ".join(words)


def _legend(front: Front) -> list[tuple[Markup, str]]:
    axes = read.axes_of(front)
    kinds = {point.kind for point in read.points(front, axes, "val")}
    beside = [point.label for point in read.references(front, axes, "val")]
    found = []
    if "front" in kinds:
        found.append((mark("var(--c0)", "o", line=True), "non-dominated"))
    if "dominated" in kinds:
        found.append((mark("var(--grey)", "o", hollow=True), "dominated"))
    if "twin" in kinds:
        found.append((mark("var(--c1)", "s", outline="var(--ink)"), "no penalty (λ = 0)"))
    if beside:
        found.append((mark("var(--c2)", "D", outline="var(--ink)"), ", ".join(beside)))
    if read.selected_index(front) is not None:
        label = "selected" if read.is_feasible(front) else "closest to the bound"
        found.append((mark("none", "o", outline="var(--c5)"), label))
    if (bound := read.bound_of(front)) is not None:
        found.append((mark("var(--c5)", line=True, dashes="5 3"), f"bound {bound:g}"))
    return found
