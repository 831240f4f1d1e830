"""The page of all settings, made of ``conf/`` and the comments in it."""

from __future__ import annotations

import contextlib
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PAGE = "reference/settings.md"
LINE = re.compile(
    r"(?P<indent> *)(?P<key>[\w./@-]+):"
    r"(?: +(?P<value>[^#\s](?:[^#]|(?<!\s)#)*?))?\s*(?:# (?P<about>.*))?"
)
DEFAULT = re.compile(
    r"^  - (?:(?P<group>\w+): (?P<choice>\w+)|(?P<root>[a-z]\w*))(?= *(?:#|$))", re.MULTILINE
)
COMMAND = re.compile(r"python scripts/\S+(?: [\w.]+=\S+)*")
AS_THEY_ARE = ("experiment", "tune")  # presets
INTRODUCTION = """# Settings

Every command reads one file of `conf/` and takes any of its keys as `key=value`, in
[Hydra](https://hydra.cc)'s syntax: `python scripts/train.py penalty=mmd penalty.weight=3`. A group
such as `penalty` is a folder; `penalty=mmd` chooses the file `conf/penalty/mmd.yaml`, and its keys
then begin with `penalty.` This page is made of these files: key, default, meaning. `null` is
"not set".
"""
COMMANDS = ["train", "sweep", "transfer", "certify", "ferm", "fair_regression", "tune", "report"]
GROUPS = {
    "data": "the table, its groups and tasks",
    "encoder": "what maps a row to its representation",
    "heads": "what reads the representation in training",
    "penalty": "what is compared between the groups",
    "notion": "which rows are compared",
    "teacher": "what is learned besides the labels",
    "optimizer": "rates, epochs, early stopping",
    "trainer": "device, precision, processes",
    "logger": "event files",
    "base": "the regressor of `fair_regression.py`",
    "tune": "the problems of `tune.py`; their keys have no prefix",
    "experiment": "presets, which change several settings at once",
}


@dataclass
class Setting:
    """One key: its default, and what the comment says."""

    key: str
    value: str
    about: str


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page."""
    conf = Path(config.config_file_path).parent / "conf"
    files.append(File.generated(config, PAGE, content=page(conf)))
    return files


def page(conf: Path) -> str:
    """The page as Markdown."""
    roots = list(conf.glob("*.yaml"))
    roots.sort(key=lambda path: (COMMANDS + [path.stem]).index(path.stem))
    parts = [INTRODUCTION, "## Commands\n"]
    parts += [_section(path, f"{path.stem}.py", "") for path in roots]
    parts.append(_data_command())
    folders = {path.name for path in conf.iterdir() if path.is_dir()}
    for group in sorted(folders, key=lambda name: (*GROUPS, name).index(name)):
        about = f": {GROUPS[group]}" if group in GROUPS else ""
        parts.append(f"## `{group}`{about}\n")
        choices = sorted(
            (conf / group).glob("*.yaml"), key=lambda path: (path.stem[0] != "_", path)
        )
        for path in choices:
            shared = path.stem.startswith("_")
            name = f"of several (`{path.stem}`)" if shared else f"`{group}={path.stem}`"
            prefix = "" if group == "tune" else f"{group}."
            parts.append(_section(path, name, prefix))
    return "\n".join(parts)


def _section(path: Path, name: str, prefix: str) -> str:
    text = path.read_text(encoding="utf-8")
    if path.parent.name in AS_THEY_ARE:
        return f"### {name}\n\n```yaml\n{text.removeprefix('# @package _global_').strip()}\n```\n"
    about = COMMAND.sub(r"`\g<0>`", _header(text))
    heading = f"### {name}\n\n{about}\n\n"
    if path.parent.name == "conf":
        heading += _groups(text)
    rows = [
        f"| {_code(prefix + one.key)} | {_code(one.value)} | {_cell(one.about)} |"
        for one in settings(text)
        if not (prefix and one.key == "name")
    ]
    head = "| key | default | meaning |\n|---|---|---|\n"
    return heading + (head + "\n".join(rows) + "\n" if rows else "")


def _groups(text: str) -> str:
    """What a command takes beside its own keys."""
    found = list(DEFAULT.finditer(text))
    roots = [f"every setting of `{m['root']}.py`" for m in found if m["root"]]
    groups = [f"`{m['group']}={m['choice']}`" for m in found if m["group"]]
    told = [*roots, *([f"the groups {', '.join(groups)}"] if groups else [])]
    return f"Takes {' and '.join(told)}, and:\n\n" if told else ""


def _data_command() -> str:
    """What ``scripts/data.py``, which reads no file of ``conf/``, says of itself."""
    from fairrep.app.data_command import main

    parts = ["### data.py\n"]
    for words in ([], ["list"], ["describe"], ["fetch"], ["check"]):
        with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
            main([*words, "--help"])
        parts.append(f"```text\n$ python scripts/data.py {' '.join([*words, '--help'])}\n")
        parts.append(f"{told.getvalue().strip()}\n```\n")
    return "\n".join(parts)


def settings(text: str) -> Iterator[Setting]:
    """All keys of a file with their comments, in order, but for Hydra's own.

    A comment on lines of its own goes on with the key above, unless the key below has no other.
    """
    found: list[Setting] = []
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in _body(text):
        if line.lstrip().startswith("#"):
            above.append(line.strip().removeprefix("# "))
            continue
        parts = LINE.fullmatch(line)
        if parts is None:  # an entry of a list
            found[-1].value += f" {line.strip()}"
            continue
        depth = len(parts["indent"])
        path = [*((d, key) for d, key in path if d < depth), (depth, parts["key"])]
        if parts["about"] and above and found:
            found[-1].about = " ".join([found[-1].about, *above])
            above = []
        about = " ".join([*above, parts["about"] or ""]).strip()
        above = []
        value = parts["value"] or ""
        found.append(Setting(".".join(key for _, key in path), value, about))
    if found:
        found[-1].about = " ".join([found[-1].about, *above])
    return (one for one in found if _is_told(one))


def _is_told(one: Setting) -> bool:
    """Hydra's own keys and the words that make a partial are no settings."""
    return bool(one.value or one.about) and not (
        one.key.startswith("hydra.") or one.key.endswith("._partial_")
    )


def _body(text: str) -> Iterator[str]:
    """Lines below the header and the defaults list."""
    inside = header = True
    for line in text.splitlines():
        if not line.strip():
            continue
        if header and line.startswith("#"):
            continue
        header = False
        if line.startswith("defaults:"):
            inside = False
        elif not line.startswith((" ", "-")):
            inside = True
        if inside:
            yield line


def _header(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def _code(text: str) -> str:
    """Code that may break into lines behind dots, commas and underscores."""
    broken = re.sub(r"([.,_])(?=\S)", r"\1<wbr>", html.escape(_cell(text), quote=False))
    return f"<code>{broken}</code>" if text else ""


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")
