"""A tuning run in words: its two models on test rows, and whether the constraint holds there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from fairrep.reporting.metric_names import metric_name
from fairrep.reporting.terminal import console_or_default, number

Content = dict[str, Any]


def bound_text(constraint: Content) -> str:
    """``DP difference ≤ 0.05``."""
    sign = "≥" if constraint["at_least"] else "≤"
    return f"{metric_name(constraint['metric'])} {sign} {constraint['bound']:g}"


def verdicts(constraints: Sequence[Content], test: Content) -> list[str]:
    """One honest sentence a constraint: whether it holds on test rows, and what that shows.

    Args:
        constraints: ``metric``, ``bound``, ``at_least``.
        test: the model's figures on test rows, with ``groups`` and, where there are, ``…_ci``.
    """
    return [_verdict(one, test) for one in constraints]


def _verdict(constraint: Content, test: Content) -> str:
    text, groups = bound_text(constraint), test.get("groups", {})
    sizes = ", ".join(f"{name} {group['n']:,}" for name, group in groups.items())
    value = test.get(constraint["metric"])
    if value is None or value != value or len(groups) < 2:
        return f"{text} cannot be tested: the test rows hold one group alone ({sizes})."
    low, high = test.get(f"{constraint['metric']}_ci") or (float("nan"), float("nan"))
    known = low == low
    where = f"{value:.3f}" + (f", 95% interval {low:.3f} to {high:.3f}" if known else "")
    where = f"{where}; test rows: {sizes}"
    if not _within(constraint, value):
        possible = known and _within(constraint, high if constraint["at_least"] else low)
        chance = ", though chance alone may explain it" if possible else ""
        return f"{text} FAILS on test rows ({where}){chance}."
    if known and _within(constraint, low if constraint["at_least"] else high):
        return f"{text} holds on test rows, with its whole interval ({where})."
    return f"{text} holds on test rows, which does not show that it holds beyond them ({where})."


def _within(constraint: Content, value: float) -> bool:
    bound = constraint["bound"]
    return bool(value >= bound if constraint["at_least"] else value <= bound)


def print_tune(content: Content, folder: str, console: Console | None = None) -> None:
    """The end of a run: both searches, the verdicts, where everything is.

    Args:
        content: of ``tune.json``.
        folder: the run's.
        console: where to print.
    """
    console = console_or_default(console)
    console.print(_table(content))
    for name, search in content["searches"].items():
        for line in search["verdicts"]:
            console.print(f"{name}: {line}", highlight=False, soft_wrap=True, markup=False)
    chosen = content["searches"]["constrained"]
    if not chosen["feasible"]:
        console.print(
            f"No trial kept the constraint on {content['measured']}: the constrained model is the "
            "nearest to it.",
            highlight=False,
            soft_wrap=True,
        )
    settings = ", ".join(f"{name}={value}" for name, value in chosen["params"].items())
    for line in (f"Chosen settings: {settings}", f"Run folder: {folder}"):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _table(content: Content) -> Table:
    metric = content["constraints"][0]["metric"]
    name = metric_name(metric)
    title = f"{content['learner']} on {content['dataset']}, {bound_text(content['constraints'][0])}"
    table = Table(title=title, title_justify="left")
    for column in ("search", "feasible", *_both("accuracy"), *_both(name), "seconds"):
        table.add_column(column)
    for key, search in content["searches"].items():
        low, high = search["test"].get(f"{metric}_ci") or (None, None)
        table.add_row(
            key,
            f"{search['feasible_count']} of {content['n_trials']}",
            number(search["accuracy"]),
            number(search["test"].get("accuracy")),
            number(search["figures"][metric]),
            f"{number(search['test'].get(metric))} [{number(low)}, {number(high)}]",
            f"{search['seconds']:.0f}",
        )
    return table


def _both(name: str) -> tuple[str, str]:
    return name, f"{name}, test"
