"""The front in the terminal, from what was saved."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.reporting.certificate_tables import print_promise
from fairrep.reporting.terminal import console_or_default, number


def print_front(content: dict[str, Any], folder: str, console: Console | None = None) -> None:
    """All points with validation and test figures, the selected model, where everything is."""
    console = console_or_default(console)
    chosen = content["selection"]
    console.print(_front_table(content))
    console.print(f"Selected: {chosen['sentence']}", highlight=False)
    if chosen["test"]:
        row = chosen["test"][chosen["task"]]
        console.print(
            f"  test rows, seed {content['models'][chosen['model']]['seed']}: "
            + ", ".join(_with_interval(row, chosen[key]) for key in ("maximize", "metric")),
            highlight=False,
        )
    if chosen.get("certificate"):
        print_promise(chosen["certificate"], console)
    lost = [model for model in content["models"] if model["diverged"]]
    if lost:
        console.print(f"  {len(lost)} models diverged and are left out of the means")
    for line in (
        f"Folder: {folder}",
        f"Next: fairrep transfer run={_folder(content, folder)}",
    ):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _front_table(content: dict[str, Any]) -> Table:
    chosen = content["selection"]
    maximize, metric = chosen["maximize"], chosen["metric"]
    head, seeds = content["head"], len(content["seeds"])
    table = Table(
        title=f"{chosen['task']}: fresh {head} heads, mean ± sd of {seeds} seeds "
        "(* on the front of validation rows)",
        title_justify="left",
    )
    table.add_column("")
    table.add_column("point")
    for split in ("val", "test"):
        for name in (maximize, metric):
            table.add_column(f"{split} {_short(name)}", justify="right")
    certified = any(point.get("certificate") for point in content["points"])
    if certified:
        table.add_column("certificate", justify="right")
    table.add_column("s read (balanced accuracy)", justify="right")
    for position, point in enumerate(content["points"]):
        mark = ("*" if point["on_front"] else " ") + ("→" if position == chosen["point"] else "")
        cells = [
            _mean_sd((point[split] or {}).get(chosen["task"], {}).get(name))
            for split in ("val", "test")
            for name in (maximize, metric)
        ]
        if certified:
            cells.append(_mean_sd((point.get("certificate") or {}).get("bound")))
        leak = (point["leakage"] or {}).get("balanced_accuracy")
        table.add_row(mark, point["label"], *cells, _mean_sd(leak))
    table.add_section()
    for name, figures in content["references"].items():
        cells = [
            number(figures[split][chosen["task"]].get(key))
            for split in ("val", "test")
            for key in (maximize, metric)
        ]
        empty = ["-"] * (2 if certified else 1)
        table.add_row("", {"raw": "raw features"}.get(name, name), *cells, *empty)
    return table


def _folder(content: dict[str, Any], folder: str) -> str:
    model = content["selection"]["model"]
    return f"{folder}/{content['models'][model or 0]['folder']}"


def _short(name: str) -> str:
    return name.replace("demographic_parity_difference", "DP difference").replace("_", " ")


def _mean_sd(values: dict[str, Any] | None) -> str:
    if values is None or values["mean"] is None or values["mean"] != values["mean"]:
        return "-"
    sd = values["sd"]
    return number(values["mean"]) + ("" if sd is None or sd != sd else f" ± {sd:.3f}")


def _with_interval(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name}_ci"]
    return f"{_short(name)} {number(row[name])} [{number(low)}, {number(high)}]"
