"""Formulas become MathML while the site is built: the pages need no script to show them."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
VARIANT = re.compile(
    r'<(?P<tag>m[in]) mathvariant="(?P<variant>double-struck|bold)">(?P<char>\w)</(?P=tag)>'
)
FIRST = {"double-struck": (0x1D538, 0x1D552, 0x1D7D8), "bold": (0x1D400, 0x1D41A, 0x1D7CE)}
PLAIN = {"double-struck": dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ"))}


def on_page_content(content: str, **_: Any) -> str:
    """Replace what ``pymdownx.arithmatex`` marked."""
    return FORMULA.sub(_formula, content)


def _formula(found: re.Match[str]) -> str:
    display = "block" if found["tag"] == "div" else "inline"
    tex = " ".join(html.unescape(found["tex"]).split())
    return VARIANT.sub(_letter, convert(tex, display=display))


def _letter(found: re.Match[str]) -> str:
    """Browsers know letters of their own in place of ``mathvariant``."""
    char, variant = found["char"], found["variant"]
    upper, lower, digit = FIRST[variant]
    first, zero = (
        (upper, "A") if char.isupper() else (lower, "a") if char.isalpha() else (digit, "0")
    )
    letter = PLAIN.get(variant, {}).get(char) or chr(first + ord(char) - ord(zero))
    return f"<{found['tag']}>{letter}</{found['tag']}>"
