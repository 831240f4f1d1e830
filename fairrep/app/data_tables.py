"""How the data command prints: lists, profiles, findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.data.check import Finding
from fairrep.data.registry import DatasetSpec

WIDTH = 120  # columns, where the output is no terminal
SHOWN = 40  # tasks or columns listed at most


def print_list(entries: Sequence[tuple[DatasetSpec, str]]) -> None:
    """One line a data set."""
    table = _table("name", "what", "tasks", "sensitive", "licence", "at hand")
    for spec, where in entries:
        sensitive, tasks = ", ".join(spec.sensitive), str(len(spec.tasks))
        table.add_row(spec.name, spec.title, tasks, sensitive, spec.licence, where)
    _print(table, "A table of your own: fairrep data check PATH")


def print_profile(spec: DatasetSpec, found: dict[str, Any]) -> None:
    """What a data set holds, and what to keep in mind."""
    test = f", {found['test_rows']:,} of them official test rows" if found["test_rows"] else ""
    _print(f"[bold]{spec.title}[/bold]: {found['rows']:,} rows{test}")
    _print(f"Source: {spec.source}. Licence: {spec.licence}.\nCite: {spec.citation}")
    for remark in (*found["notes"], *(f"harm: {harm}" for harm in spec.harms)):
        _print(f"  {remark}")
    _print(_task_table(found))
    if found["missing"]:
        gaps = (f"{name} {n:,}" for name, n in list(found["missing"].items())[:SHOWN])
        _print(f"Missing values: {', '.join(gaps)}")
    _print(f"Features: {', '.join(found['features'][:SHOWN])}{_more(found['features'])}")
    _print(f"Seen by default: {_names(spec.default_seen)}; novel: {_names(spec.default_novel)}")


def print_check(
    path: str,
    rows: int,
    columns: Sequence[dict[str, Any]],
    findings: Sequence[Finding],
    notes: Sequence[str],
) -> None:
    """The table's columns, what stands beside it, then what was found."""
    table = _table("column", "type", "missing", "distinct")
    for column in columns[:SHOWN]:
        counts = (f"{column[key]:,}" for key in ("missing", "distinct"))
        table.add_row(column["name"], column["type"], *counts)
    _print(f"{path}: {rows:,} rows, {len(columns)} columns", table)
    for note in notes:
        _print(note)
    for finding in sorted(findings, key=lambda finding: not finding.stops):
        _print(f"{'problem' if finding.stops else 'warning'}: {finding.text}")
    if not findings:
        _print("Nothing found.")


def print_next(command: str) -> None:
    """The command to run next, on one line however long."""
    _console().print(f"Next: {command}", soft_wrap=True, highlight=False, markup=False)


def _task_table(found: dict[str, Any]) -> Table:
    """A row a task: base rate or mean in each group, and how much of it s explains."""
    groups = found["groups"]
    heads = [f"{group}\nn={n:,}" for group, n in groups.items()]
    table = _table("task", "kind", "labelled", *heads, f"η with {' & '.join(found['sensitive'])}")
    for name, task in list(found["tasks"].items())[:SHOWN]:
        values = (f"{task['by_group'].get(group, float('nan')):.3g}" for group in groups)
        labelled = f"{task['labelled']:,}"
        table.add_row(name, task["kind"], labelled, *values, f"{task['correlation']:.2f}")
    if len(found["tasks"]) > SHOWN:
        table.add_row(f"… {len(found['tasks']) - SHOWN} more")
    return table


def _names(names: Sequence[str]) -> str:
    shown = names[:SHOWN] if len(names) <= SHOWN else (names[0], "…", names[-1])
    return ", ".join(shown) or "none"


def _more(names: Sequence[str]) -> str:
    return f" … {len(names) - SHOWN} more" if len(names) > SHOWN else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(*parts: Any) -> None:
    _console().print(*parts, sep="\n", highlight=False)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
