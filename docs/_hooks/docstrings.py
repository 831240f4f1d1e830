r"""Docstrings become Markdown: ``:math:`x` ``, ``.. math::``, ``:class:`x` `` and ``>>>``."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

MATH = re.compile(r":math:`([^`]+)`")
BLOCK = re.compile(r"^([ ]*)\.\. math::(.*(?:\n\1[ ]+\S.*|\n(?=\n\1[ ]+\S))*)", re.MULTILINE)
EXAMPLE = re.compile(r"^([ ]*)>>> .*(?:\n[ ]*\S.*)*", re.MULTILINE)
SEVERAL = re.compile(r"^ +\w+(?:, \w+)+(?=: )", re.MULTILINE)  # names that share a line
ROLE = re.compile(r":(?:class|func|meth|mod):`~?([\w.]+)`")


class Roles(Extension):
    """Rewrites every docstring before it is parsed."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    """The same text with Markdown's formulas, plain names and examples as code."""
    text = EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", text)
    text = SEVERAL.sub(lambda found: found[0].replace(", ", ","), text)
    text = BLOCK.sub(lambda found: f"{found[1]}$$\n{_lines(found)}\n{found[1]}$$", text)
    text = MATH.sub(lambda found: f"${' '.join(found[1].split())}$", text)
    return ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", text)


def _lines(found: re.Match[str]) -> str:
    return f"{found[1]}{' '.join(found[2].split())}"
