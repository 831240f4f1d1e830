"""Tables of the report on one run, as text, from saved results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fairrep.reporting import front_points as read
from fairrep.reporting.front_points import GAP

Content = dict[str, Any]
NONE = "–"
NOTION_GAPS = {
    "demographic_parity": GAP,
    "equal_opportunity": "equal_opportunity_difference",
    "equalized_odds": "equalized_odds_difference",
}
UTILITIES = ("accuracy or RMSE", "AUC or R²")
INPUTS = {
    "trained": "trained encoder",
    "twin": "twin (λ = 0)",
    "raw": "raw features",
    "linear": "linear projection",
    "majority": "majority",
}


@dataclass(frozen=True)
class Table:
    """A table for the page.

    Attributes:
        caption: what it holds.
        columns: headings.
        rows: cells as text, the first of each names the row.
        text_columns: how many columns from the left hold words; the others hold numbers.
        marked: numbers of rows that stand out.
        folded: shown when asked for.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    marked: tuple[int, ...] = ()
    folded: bool = False


def number(value: Any, digits: int = 3) -> str:
    """Fixed decimals, or a dash where there is no number."""
    if not isinstance(value, (int, float)) or value != value:
        return NONE
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.000
    return text.replace("-", "−")


def count(value: Any) -> str:
    """A count with separators, or a dash."""
    return f"{value:,}" if isinstance(value, int) else NONE


def with_interval(row: Content, metric: str) -> str:
    """A figure with its interval, as far as they are known."""
    text, ends = number(row.get(metric)), row.get(f"{metric}_ci") or (None, None)
    known = text != NONE and None not in ends
    return f"{text} [{number(ends[0])}, {number(ends[1])}]" if known else text


def utility_of(row: Content) -> str:
    """Accuracy, or RMSE for a number."""
    return f"RMSE {row['rmse']:.4g}" if row.get("rmse") is not None else number(row.get("accuracy"))


def second_utility(row: Content) -> str:
    """AUC, or R² for a number."""
    return f"R² {number(row['r2'])}" if "r2" in row else number(row.get("auc"))


def groups_table(data: Content) -> Table:
    """Rows and base rates of the groups."""
    splits, tasks = list(data["rows"]), list(data["tasks"])[:6]
    rows = tuple(
        (
            group,
            *(count(found["rows"].get(split)) for split in splits),
            *(number(found["base_rates"].get(task)) for task in tasks),
        )
        for group, found in data["groups"].items()
    )
    heads = [f"{_base_rate(data['tasks'][task])}, {task}" for task in tasks]
    names = {"train": "training rows", "val": "validation rows", "test": "test rows"}
    columns = (
        " & ".join(data["sensitive"]),
        *(names.get(split, f"{split} rows") for split in splits),
        *heads,
    )
    return Table("Groups, their rows and base rates on training rows", columns, rows)


def tasks_table(data: Content) -> Table:
    """What the tasks are."""
    rows = tuple(
        (name, task.get("about", NONE), task["kind"], _seen(task))
        for name, task in data["tasks"].items()
    )
    return Table("Tasks", ("task", "label", "kind", "role"), rows, text_columns=4)


def metrics_table(metrics: Content) -> Table:
    """The run's tasks on test rows, beside the twin's."""
    gap = gap_of(metrics)
    rows = []
    for task, heads in metrics["test"].items():
        sources = [(f"λ = {metrics['weight']:g}", heads)]
        if (metrics.get("twin") or {}).get("test", {}).get(task):
            sources.append(("λ = 0", metrics["twin"]["test"][task]))
        for label, source in sources:
            for head in _heads(metrics, source):
                row = source[head]
                rows.append(
                    (
                        task_name(task, metrics),
                        label,
                        head,
                        utility_of(row),
                        second_utility(row),
                        with_interval(row, gap),
                    )
                )
    columns = ("task", "encoder", "head", *UTILITIES, f"{read.name(gap)} [95%]")
    return Table(
        "Test rows: heads on the frozen representation", columns, tuple(rows), text_columns=3
    )


def transfer_table(transfer: Content) -> Table:
    """Every task and representation with the head that validation rows chose."""
    rows = []
    for task in sorted(transfer["figures"], key=lambda name: transfer["tasks"][name]["seen"]):
        for view, heads in transfer["figures"][task].items():
            head = transfer["selected"][task].get(view, "constant")
            row = heads.get(head) or {}
            change = row.get("versus_twin") or {}
            rows.append(
                (
                    task_name(task, transfer),
                    INPUTS.get(view, view),
                    head,
                    utility_of(row),
                    second_utility(row),
                    with_interval(row, GAP),
                    with_interval(change, GAP) if change else "",
                )
            )
    columns = ("task", "input", "head", *UTILITIES, f"{read.name(GAP)} [95%]")
    return Table(
        "Transfer, test rows: fresh heads, each the best on validation rows",
        (*columns, "less the twin's [95%]"),
        tuple(rows),
        text_columns=3,
    )


def leakage_table(metrics: Content) -> Table | None:
    """How well probes read s from the representation."""
    leakage = metrics.get("leakage") or {}
    rows = []
    for probe, found in (leakage.get("trained") or {}).items():
        twin = (leakage.get("twin") or {}).get(probe) or {}
        values = [*_leakage_cells(found), *(_leakage_cells(twin) if leakage.get("twin") else ())]
        rows.append((probe, *values))
    if not rows:
        return None
    heads = [f"{name}, λ = {metrics['weight']:g}" for name in ("balanced accuracy", "AUC")]
    if leakage.get("twin"):
        heads += [f"{name}, λ = 0" for name in ("balanced accuracy", "AUC")]
    return Table("How well a probe reads the groups", ("probe", *heads), tuple(rows))


def transfer_leakage_table(transfer: Content) -> Table:
    """How well the strongest probe reads each attribute, from every representation."""
    rows = tuple(
        (
            attribute,
            INPUTS.get(view, view),
            found.get("strongest", NONE),
            *(number(found.get(key)) for key in ("balanced_accuracy", "auc", "r2")),
        )
        for attribute, by_view in transfer["leakage"].items()
        for view, found in by_view.items()
    )
    columns = ("attribute", "input", "probe", "balanced accuracy", "AUC", "R²")
    caption = "How well the strongest of three probes reads the attribute"
    return Table(caption, columns, rows, text_columns=3)


def gap_of(metrics: Content) -> str:
    """The difference that the run's notion asks for."""
    return NOTION_GAPS.get(str(metrics.get("notion")), GAP)


def _heads(metrics: Content, found: Content) -> list[str]:
    """The fresh head that leads, then the joint one."""
    return [head for head in (metrics["head"], "joint") if head in found]


def _leakage_cells(found: Content) -> tuple[str, str]:
    return number(found.get("balanced_accuracy")), number(found.get("auc"))


def _base_rate(task: Content) -> str:
    names = {"binary": "base rate", "multiclass": "commonest", "regression": "mean"}
    return names[task["kind"]]


def _seen(task: Content) -> str:
    return "seen in training" if task.get("seen") else "novel: never read in training"


def task_name(task: str, content: Content) -> str:
    """A task and its role, as far as that is known."""
    about = (content.get("tasks") or {}).get(task)
    return task if about is None else f"{task} ({'seen' if about.get('seen') else 'novel'})"
