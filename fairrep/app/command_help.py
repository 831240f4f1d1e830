"""What ``--help`` prints, for all commands and for one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from fairrep.app.config_files import choices, config_dir, settings

WIDTH = 100


def of_all(commands: Mapping[str, tuple[str, str]]) -> str:
    """Each command with a line about it and an example."""
    lines = [
        f"  {name:<16} {about}\n{'':<18} fairrep {name} {example}"
        for name, (about, example) in commands.items()
    ]
    return "\n".join(
        [
            "fairrep: deep fair representation learning.\n",
            *lines,
            "\nfairrep COMMAND --help: its settings. fairrep --version: the version.",
        ]
    )


def of_one(name: str, about: str, example: str) -> str:
    """What a command can be told: choices of files, and settings with their comments."""
    groups = choices(name)
    parts = [
        f"fairrep {name}: {about}\n\n  fairrep {name} {example}",
        "Choices, group=name (the default comes first):\n" + _choices(groups) if groups else "",
        "Settings, key=value; a key below another is joined to it by a dot:\n"
        + textwrap.indent(settings(name), "  "),
        _more(name, bool(groups)),
    ]
    return "\n\n".join(part for part in parts if part)


def _choices(groups: Mapping[str, tuple[str, list[str]]]) -> str:
    return "\n".join(
        textwrap.fill(
            ", ".join([default, *(name for name in names if name != default)]),
            WIDTH,
            initial_indent=f"  {group:<12} ",
            subsequent_indent=" " * 15,
        )
        for group, (default, names) in groups.items()
    )


def _more(name: str, grouped: bool) -> str:
    lines = [f"fairrep {name} … --cfg job    prints every setting as it would be used"]
    if grouped:
        lines.append(f"{config_dir()}    the files of the choices, with a comment on each setting")
    lines.append(
        f"fairrep {name} --hydra-help    what else Hydra can do: -m for a run of every choice"
    )
    return "\n".join(lines)
