"""A method's run in the terminal: before, after, baselines, and the front."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.reporting.method_words import (
    SYMBOLS,
    gap_key,
    gap_name,
    heading,
    model_name,
    utility_key,
    utility_name,
)
from fairrep.reporting.terminal import console_or_default, number

Content = dict[str, Any]


def print_method(content: Content, folder: str, console: Console | None = None) -> None:
    """The end of a run: test figures of the models, the front, where everything is.

    Args:
        content: of ``method.json``.
        folder: the run's.
        console: where to print.
    """
    console = console_or_default(console)
    console.print(_models_table(content))
    if content["front"]:
        console.print(_front_table(content))
    if content.get("validated_ks"):
        before, after = content["validated_ks"]
        console.print(
            f"KS distance on validation rows of the calibration: {before:.3f}, then {after:.3f}",
            highlight=False,
        )
    for line in (f"Run folder: {folder}", f"Next: fairrep report run={folder}"):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _models_table(content: Content) -> Table:
    table = Table(title=f"Test rows: {heading(content)}", title_justify="left")
    columns = ("model", utility_name(content), _second_name(content), f"{gap_name(content)} [95%]")
    for column in (*columns, *_last_name(content), "n"):
        table.add_column(column)
    for key, found in content["models"].items():
        row = found["test"]
        sizes = ", ".join(f"{name} {group['n']:,}" for name, group in row["groups"].items())
        table.add_row(model_name(content, key), *_cells(content, row), sizes)
    return table


def _cells(content: Content, row: Content) -> tuple[str, ...]:
    gap = gap_key(content)
    low, high = row.get(f"{gap}_ci") or (None, None)
    first, second = row.get(utility_key(content)), row.get(_second_key(content))
    cells = (
        _figure(content, first),
        number(second),
        f"{number(row[gap])} [{number(low)}, {number(high)}]",
    )
    return (*cells, *([_figure(content, row["mean_difference"])] if _last_name(content) else []))


def _front_table(content: Content) -> Table:
    symbol = SYMBOLS[content["parameter"]]
    table = Table(title=f"Over {symbol}, validation and test rows", title_justify="left")
    for column in (symbol, *_both(utility_name(content)), *_both(gap_name(content))):
        table.add_column(column, justify="right")
    for point in content["front"]:
        utility = [_figure(content, point[s].get(utility_key(content))) for s in ("val", "test")]
        gap = [number(point[split].get(gap_key(content))) for split in ("val", "test")]
        table.add_row(f"{point['value']:g}", *utility, *gap)
    return table


def _both(name: str) -> tuple[str, str]:
    return f"{name}, val", f"{name}, test"


def _figure(content: Content, value: float | None) -> str:
    """A figure in the label's unit, or a share."""
    if content["task"]["kind"] != "regression" or value is None:
        return number(value)
    return f"{value:.4g}"


def _second_key(content: Content) -> str:
    return "r2" if content["task"]["kind"] == "regression" else "auc"


def _second_name(content: Content) -> str:
    return "R²" if content["task"]["kind"] == "regression" else "AUC"


def _last_name(content: Content) -> tuple[str, ...]:
    """Of a regression the groups' means too: a distance of distributions has no unit."""
    return ("mean difference",) if content["task"]["kind"] == "regression" else ()
