"""The config files as text: where they are, and what they say of a command. No Hydra needed."""

from __future__ import annotations

import re
from pathlib import Path

CHOICE = re.compile(r"^  - (\w+): (\w+)", re.MULTILINE)  # of a group, in the defaults of a command
BASE = re.compile(
    r"^  - ([a-z]\w*) *(?:#|$)", re.MULTILINE
)  # another command, whose settings are shared
NOT_SETTINGS = ("#", "defaults:", "hydra:")  # blocks about the file itself, and for Hydra


def config_dir() -> Path:
    """Folder of the configs: ``conf/`` of a checkout, ``fairrep/conf`` of an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def choices(command: str) -> dict[str, tuple[str, list[str]]]:
    """Groups of a command's config: the default choice and all there are."""
    return {
        group: (default, sorted(file.stem for file in (config_dir() / group).glob("[a-z]*.yaml")))
        for group, default in CHOICE.findall(_text(command))
    }


def settings(command: str) -> str:
    """The settings of a command beside its groups, each with its comment, as the file has them."""
    blocks = re.split(r"^(?=\w)", _text(command), flags=re.MULTILINE)
    return "".join(block for block in blocks if not block.startswith(NOT_SETTINGS)).rstrip()


def _text(command: str) -> str:
    """Read the file of a command, and behind it those that it starts from."""
    text = (config_dir() / f"{command}.yaml").read_text(encoding="utf-8")
    return "".join([text, *map(_text, BASE.findall(text))])
