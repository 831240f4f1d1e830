"""A figure as SVG inside a page: named, without outside references, in the page's colours."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.figure import Figure

from fairrep.reporting.figures import COLOURS
from fairrep.reporting.style import GREY, GRID, INK, MUTED, PAPER, styled

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FONTS = re.compile(r"font-family: [^;\"]*")
# colours that the page's theme names, so that a dark page has light ink
THEME = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    GREY: "var(--grey)",
    **{colour: f"var(--c{k})" for k, colour in enumerate(COLOURS)},
}


def inline(figure: Figure, *, name: str, title: str, description: str) -> Markup:
    """SVG for a page: text as text, ``role="img"`` with title and description.

    Args:
        figure: what is shown; its background is left out.
        name: unique in the page; all ids of the SVG begin with it.
        title: what it is, in a few words.
        description: what it shows, for those who cannot see it.
    """
    stream = io.StringIO()
    with styled(svg__fonttype="none"):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    _drop(root, "metadata")
    _drop(root, "style")
    _rename_ids(root, name)
    for element in root.iter():
        if style := element.get("style"):
            element.set("style", _themed(style))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for k, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(k, element)
    return Markup(_without_namespaces(root))


def _drop(root: ElementTree.Element, tag: str) -> None:
    for parent in root.iter():
        for child in [child for child in parent if child.tag == f"{{{SVG}}}{tag}"]:
            parent.remove(child)


def _rename_ids(root: ElementTree.Element, name: str) -> None:
    """Keep the ids that something refers to, under the figure's name."""
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    kept = {found for pair in used for found in pair if found}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in kept:
            element.set("id", f"{name}-{own}")
        for key, value in list(element.attrib.items()):
            value = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", value)
            if key == f"{{{XLINK}}}href":
                del element.attrib[key]
                key, value = "href", value.replace("#", f"#{name}-", 1)
            element.set(key, value)


def _themed(style: str) -> str:
    style = FONTS.sub("font-family: var(--sans)", style)
    for colour, variable in THEME.items():
        style = style.replace(colour.lower(), variable)
    return style


def _without_namespaces(root: ElementTree.Element) -> str:
    """HTML knows SVG's namespace, and a page of no addresses is easily checked to load none."""
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{SVG}}}")
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
