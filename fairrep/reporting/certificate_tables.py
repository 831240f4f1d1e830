"""A certificate in the terminal: numbers, then what they promise and what they do not."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.reporting.terminal import console_or_default, number

MEASURED = {"cell": "total variation", "rkhs": "MMD × norm", "score": "KS distance"}
SOURCES = {
    "calibration": "calibration rows of the run",
    "extra": "rows of the extra file",
    "unknown_group": "extra rows of another group, left out",
}


def print_certified(content: dict[str, Any], path: str, console: Console | None = None) -> None:
    """Print what ``certificate.json`` holds, and where it is."""
    console = console_or_default(console)
    certificate = content["certificate"]
    sources = [f"{count:,} {SOURCES[name]}" for name, count in content["rows"].items()]
    console.print(f"[bold]{content['dataset']}[/bold], {content['representation']} encoder")
    console.print(f"  rows: {', '.join(sources)}", highlight=False)
    console.print(certificate_table([("", certificate)]))
    print_promise(certificate, console)
    for limit in certificate["limits"][1:]:
        console.print(f"  Limit: {limit}", highlight=False)
    console.print(f"Written: {path}", highlight=False)


def certificate_table(rows: list[tuple[str, dict[str, Any]]]) -> Table:
    """The certificates' numbers, a line each, under the names of what they are of."""
    table = Table(title="Certificate", title_justify="left")
    if any(name for name, _ in rows):
        table.add_column("encoder")
    measured = MEASURED[rows[0][1]["about"]]
    for column in ("bound", f"measured {measured}", "slack", "δ", "cells in use", "n"):
        table.add_column(column, justify="left" if column == "n" else "right")
    for name, one in rows:
        groups = ", ".join(f"{group} {count:,}" for group, count in one["groups"].items())
        cells = "-" if one["cells"] is None else f"{one['cells'][1]} of {one['cells'][0]}"
        values = [bound(one["bound"]), number(one["distance"]), number(one["slack"])]
        split = "" if one["candidates"] == 1 else f"/{one['candidates']}"
        cells_of_row = [*values, f"{one['delta']:g}{split}", cells, groups]
        table.add_row(*([name] if name else []), *cells_of_row)
    return table


def bound(value: float) -> str:
    """Three decimals, rounded up: a bound that is rounded down is none."""
    return f"{math.ceil(value * 1000 - 1e-9) / 1000:.3f}"


def print_promise(certificate: dict[str, Any], console: Console) -> None:
    """Print what holds, and the first of its limits."""
    for line in (certificate["promise"], f"Limit: {certificate['limits'][0]}"):
        console.print(f"  {line}", highlight=False)
