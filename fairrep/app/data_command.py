"""The data command: what data sets there are, what they hold, and whether a table will do."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from typing import Any

from fairrep.app import data_tables
from fairrep.app.console import user_errors
from fairrep.data.check import Finding, check_table, column_types
from fairrep.data.datasets.acs_files import find_files
from fairrep.data.datasets.user_table import require_types, table_spec
from fairrep.data.embeddings import find_embeddings, read_embeddings, with_embeddings
from fairrep.data.profile import profile
from fairrep.data.registry import (
    DATASETS,
    DatasetSpec,
    RawData,
    Source,
    dataset_spec,
    open_dataset,
)
from fairrep.data.sources import whereabouts
from fairrep.data.tables import read_table
from fairrep.errors import ConfigError, FairrepError

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*", re.ASCII)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 = fine, 1 = ``check`` found what training would refuse."""
    asked = _parser().parse_args(arguments)
    with user_errors(debug=asked.debug):
        return asked.run(asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairrep data", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show tracebacks of user errors")
    commands = parser.add_subparsers(required=True, metavar="list | describe | fetch | check")
    _add(commands, "list", _list, "every data set and where its files are")
    for name, run, about in (
        ("describe", _describe, "groups, base rates, correlations with s, gaps, terms, harms"),
        ("fetch", _fetch, "find or download the files"),
    ):
        command = _add(commands, name, run, about)
        command.add_argument("name", help=", ".join(n for n in DATASETS if n != "csv"))
        command.add_argument("--path", help="folder with the publisher's files")
        command.add_argument("--offline", action="store_true", help="never download")
        command.add_argument("--states", nargs="+", help="acs: postal codes")
        command.add_argument("--year", type=int, help="acs: survey year")
        if name == "describe":
            command.add_argument("--sensitive", nargs="+", help="attributes; default: its own")
    command = _add(commands, "check", _check, "what would go wrong with a table of yours")
    command.add_argument("path", help="CSV or parquet")
    command.add_argument("--sensitive", nargs="+", default=[], metavar="COLUMN")
    command.add_argument("--tasks", nargs="+", default=[], metavar="COLUMN")
    command.add_argument("--drop", nargs="+", default=[], metavar="COLUMN")
    command.add_argument(
        "--embeddings", metavar="FILE", help=".npy, CSV or parquet: x made elsewhere"
    )
    command.add_argument("--embeddings-key", metavar="COLUMN", help="matches their rows")
    command.add_argument(
        "--types", nargs="+", default={}, type=_type, action=_Pairs, metavar="COLUMN=TYPE"
    )
    return parser


def _add(commands: Any, name: str, run: Any, about: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    return command


class _Pairs(argparse.Action):
    """Collect (key, value) pairs as a dictionary."""

    def __call__(self, _: Any, asked: Any, pairs: Any, option: Any = None) -> None:
        setattr(asked, self.dest, dict(pairs))


def _type(text: str) -> tuple[str, str]:
    column, _, kind = text.rpartition("=")
    if not column:
        raise argparse.ArgumentTypeError(f"COLUMN=TYPE is needed, got '{text}'")
    return column, kind


def _list(_: argparse.Namespace) -> int:
    specs = [dataset_spec(name) for name in DATASETS if name != "csv"]
    data_tables.print_list([(spec, _at_hand(spec)) for spec in specs])
    return 0


def _at_hand(spec: DatasetSpec) -> str:
    if spec.name != "acs":
        return whereabouts(spec.name, spec.files)
    try:
        found = find_files(None, None, None, offline=True)
    except FairrepError:
        return "-"
    return f"{found[0].year}: {' '.join(file.state for file in found)}"


def _open(asked: argparse.Namespace) -> Source:
    dataset_spec(asked.name)  # a known name, and not csv
    given = {"states": asked.states, "year": asked.year}
    options = {name: value for name, value in given.items() if value is not None}
    if options and asked.name != "acs":
        raise ConfigError(f"--{next(iter(options))} is a choice of acs, not of {asked.name}.")
    return open_dataset(asked.name, asked.path, offline=asked.offline, **options)


def _describe(asked: argparse.Namespace) -> int:
    raw = _open(asked).read()
    attributes = asked.sensitive or raw.spec.default_sensitive
    found = profile(raw, attributes, list(raw.spec.tasks), bins=_settings([]).data.bins)
    data_tables.print_profile(raw.spec, found)
    return 0


def _fetch(asked: argparse.Namespace) -> int:
    for file in _open(asked).files:
        print(file)
    return 0


def _check(asked: argparse.Namespace) -> int:
    frame = read_table(asked.path)
    beside = find_embeddings(
        asked.embeddings, test_path=None, key=asked.embeddings_key, has_test_table=False
    )
    embeddings = read_embeddings(beside, frame, None, asked.drop) if beside else None
    dropped = set(asked.drop) - set(embeddings.columns if embeddings else ())
    unknown = {*asked.sensitive, *asked.tasks, *dropped, *asked.types} - set(frame.columns)
    if unknown:
        raise FairrepError(
            f"'{asked.path}' has no column {', '.join(sorted(unknown))}; "
            f"its columns: {', '.join(map(str, frame.columns))}."
        )
    require_types(asked.types)
    spec = table_spec(frame, asked.path, types=asked.types, positive={}, drop=asked.drop)
    raw = RawData(spec, frame)
    if embeddings:
        raw = with_embeddings(raw, embeddings)
    config = _settings(_overrides(asked, asked.drop))
    findings = check_table(
        raw,
        asked.sensitive,
        asked.tasks,
        min_rows=config.data.min_rows,
        bins=config.data.bins,
    )
    if not any(finding.stops for finding in findings):
        findings += _as_training_reads_it(asked, config)
    data_tables.print_check(asked.path, len(frame), column_types(frame), findings, raw.notes)
    if any(finding.stops for finding in findings):
        return 1
    advised = [finding.drop for finding in findings if finding.drop]
    data_tables.print_next(_next_command(asked, list(dict.fromkeys([*asked.drop, *advised]))))
    return 0


def _as_training_reads_it(asked: argparse.Namespace, config: Any) -> list[Finding]:
    """Prepare the table with training's own settings: it has the last word."""
    if not (asked.sensitive and asked.tasks):
        return []
    from fairrep.app.build import build_data

    try:
        build_data(config)
    except FairrepError as problem:
        return [Finding(True, str(problem))]
    return []


def _settings(overrides: list[str]) -> Any:
    """Training's settings."""
    from fairrep.app.configs import compose_config

    return compose_config("train", overrides)


def _overrides(asked: argparse.Namespace, drop: Sequence[str]) -> list[str]:
    lists = {"data.sensitive": asked.sensitive, "data.tasks.seen": asked.tasks, "data.drop": drop}
    chosen = [f"{key}={_hydra_list(names)}" for key, names in lists.items() if names]
    types = [f"{_quoted(column)}:{kind}" for column, kind in asked.types.items()]
    chosen += [f"data.types={{{','.join(types)}}}"] if types else []
    texts = {"data.embeddings": asked.embeddings, "data.embeddings_key": asked.embeddings_key}
    chosen += [f"{key}={_quoted(text)}" for key, text in texts.items() if text]
    return ["data=csv", f"data.path={_quoted(asked.path)}", *chosen]


def _hydra_list(names: Sequence[str]) -> str:
    return f"[{','.join(map(_quoted, names))}]"


def _quoted(text: str) -> str:
    """Quote for Hydra whatever it might not read as this very text.

    In its quotes a backslash is itself, except before a quote; ``${`` would be looked up.
    """
    if PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false", "inf", "nan"):
        return text
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + (m[2] and "\\'"), text)
    return "'" + escaped.replace("${", "\\${") + "'"


def _next_command(asked: argparse.Namespace, drop: Sequence[str]) -> str:
    if not (asked.sensitive and asked.tasks):
        options = {"--embeddings": asked.embeddings, "--embeddings-key": asked.embeddings_key}
        given = [word for pair in options.items() if pair[1] for word in pair]
        words = ["fairrep", "data", "check", asked.path, *given]
        return f"{shlex.join(words)} --sensitive S --tasks Y"
    return shlex.join(["fairrep", "train", *_overrides(asked, drop)])
