"""What a page of the report is made of, before it is HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from fairrep.reporting.report_tables import Table
from fairrep.reporting.style import COLOURS, DASHES, MARKERS

# each marker of matplotlib in a box of 10 × 10
OUTLINES = {
    "o": "M5 1a4 4 0 1 0 0 8a4 4 0 1 0 0-8z",
    "s": "M1.5 1.5h7v7h-7z",
    "^": "M5 .8l4.4 8H.6z",
    "D": "M5 .5l4.5 4.5L5 9.5.5 5z",
    "v": "M5 9.2l4.4-8H.6z",
    "P": "M3.6 1h2.8v2.6H9v2.8H6.4V9H3.6V6.4H1V3.6h2.6z",
    "X": "M2.6.8L5 3.2 7.4.8 9.2 2.6 6.8 5l2.4 2.4-1.8 1.8L5 6.8 2.6 9.2.8 7.4 3.2 5 .8 2.6z",
    "*": "M5 .4l1.2 3.3 3.5.1-2.8 2.1 1 3.4L5 7.3 2.1 9.3l1-3.4L.3 3.8l3.5-.1z",
}


@dataclass(frozen=True)
class Tile:
    """A figure that leads the page, and what it is to be compared with."""

    label: str
    value: str
    beside: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the page; what is empty is not shown.

    Attributes:
        anchor: its id.
        title: its heading.
        text: paragraphs before the figures.
        facts: pairs of term and description.
        figures: SVG for the page.
        layout: how the figures stand: ``wide`` (few and large), ``two`` or ``three`` a row.
        legend: pairs of mark and label, for all figures.
        caption: below the figures.
        tables: below that.
        notes: a list of remarks.
        code: commands to copy.
    """

    anchor: str
    title: str
    text: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    figures: Sequence[Markup] = ()
    layout: str = "three"
    legend: Sequence[tuple[Markup, str]] = ()
    caption: str = ""
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    code: Sequence[str] = ()


def group_legend(groups: Sequence[str]) -> list[tuple[Markup, str]]:
    """Mark and name of every group that is drawn."""
    return [(_group_mark(k), group) for k, group in enumerate(groups)]


def mark(
    colour: str,
    marker: str | None = None,
    *,
    dashes: str = "",
    line: bool = False,
    hollow: bool = False,
    outline: str = "",
) -> Markup:
    """A legend's mark: a line, a marker, or both (decoration: its label stands beside it)."""
    parts = []
    if line:
        dash = Markup(' stroke-dasharray="{}"').format(dashes) if dashes else ""
        parts.append(
            Markup('<path d="M1 6h28" fill="none" stroke="{}" stroke-width="2"{}/>').format(
                colour, dash
            )
        )
    if marker:
        parts.append(
            Markup(
                '<path transform="translate(9 .5) scale(1.1)" d="{}" fill="{}" stroke="{}" '
                'stroke-width="1.1"/>'
            ).format(OUTLINES[marker], "var(--paper)" if hollow else colour, outline or colour)
        )
    inner = Markup("").join(parts)
    return Markup('<svg class="mark" viewBox="0 0 30 12" aria-hidden="true">{}</svg>').format(inner)


def _group_mark(k: int) -> Markup:
    dashes = DASHES[k % len(DASHES)]
    text = "" if isinstance(dashes, str) else " ".join(str(2 * length) for length in dashes[1])
    return mark(
        f"var(--c{k % len(COLOURS)})", MARKERS[k % len(MARKERS)], dashes=escape(text), line=True
    )
