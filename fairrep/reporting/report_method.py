"""The report on a method without an encoder: FERM, fair regression."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fairrep.reporting import group_figures as draw
from fairrep.reporting import method_figure as pictures
from fairrep.reporting.method_words import (
    METHODS,
    SYMBOLS,
    gap_key,
    gap_name,
    model_name,
    utility_key,
    utility_name,
)
from fairrep.reporting.page import Section, Tile, group_legend
from fairrep.reporting.report_tables import (
    Table,
    number,
    second_utility,
    utility_of,
    with_interval,
)
from fairrep.reporting.saved import SavedMethod
from fairrep.reporting.svg import inline

Content = dict[str, Any]
ABOUT = {
    "fair_regression": "A regressor, and the same predictions moved so that they are distributed "
    "alike in every group: each gets the average, over the groups, of what stands at its own rank "
    "in its own group. Of all predictions that are distributed alike these are the nearest ones.",
    "ferm": "A learner, and the same learner under the constraint that its mean decision values "
    "differ between the groups by at most ε, among the training rows that the notion is about. "
    "Predicting needs no group.",
}


def title(saved: SavedMethod) -> str:
    """The data set's."""
    return str(saved.content["title"])


def subtitle(saved: SavedMethod) -> str:
    """Method, base and attributes."""
    content = saved.content
    base = content["base"].replace("_", " ")
    return f"{METHODS[content['method']]} · {base} · {' × '.join(content['sensitive'])}"


def lede(saved: SavedMethod) -> str:
    """One sentence: what came out."""
    content = saved.content
    before, after = (content["models"][key]["test"] for key in ("before", "after"))
    gap, kind = gap_key(content), "" if "rmse" in after else "accuracy "
    return (
        f"On test rows of {content['task']['name']}, {kind}{utility_of(after)} with a "
        f"{gap_name(content)} of {number(after[gap])}; before, {kind}{utility_of(before)} and "
        f"{number(before[gap])}."
    )


def tiles(saved: SavedMethod) -> list[Tile]:
    """Utility and gap after, beside before."""
    content = saved.content
    before, after = (content["models"][key]["test"] for key in ("before", "after"))
    found = []
    for key, name in (
        (utility_key(content), utility_name(content)),
        (gap_key(content), gap_name(content)),
    ):
        low, high = after.get(f"{key}_ci") or (None, None)
        beside = f"95%: {number(low)} to {number(high)} · before: {number(before[key])}"
        found.append(Tile(f"{name} on test rows", number(after[key]), beside))
    return found


def sections(saved: SavedMethod) -> list[Section]:
    """What was fitted, and what came out; the data's section stands between."""
    found = [_front_section(saved), _models_section(saved)]
    if saved.predictions is not None:
        found.append(_scores_section(saved.content, saved.predictions))
    return found


def fitted_section(saved: SavedMethod) -> Section:
    """What was fitted on what."""
    content = saved.content
    facts = [
        ("data", title(saved)),
        ("rows", ", ".join(f"{count:,} {split}" for split, count in content["rows"].items())),
        ("sensitive", " × ".join(content["sensitive"])),
        ("task", content["task"]["name"]),
        ("x", content["features"]),
        ("base", content["base"].replace("_", " ")),
        ("notion", content["notion"].replace("_", " ")),
        ("seed", f"{content['seed']}, split seed {content['split_seed']}"),
        ("fitting", f"{content['seconds']} s"),
    ]
    if content.get("validated_ks"):
        before, after = content["validated_ks"]
        facts.append(("KS that chose τ", f"{before:.3f} before, {after:.3f} after"))
    return Section("trained", "What was fitted", text=(ABOUT[content["method"]],), facts=facts)


def _front_section(saved: SavedMethod) -> Section:
    content = saved.content
    symbol = SYMBOLS[content["parameter"]]
    name, gap = utility_name(content), gap_name(content)
    figure = inline(
        pictures.front_panel(content),
        name="method-front",
        title=f"{name} against {gap}",
        description=f"Validation rows as a line over {symbol}; test rows of every model as a mark "
        "with 95% intervals.",
    )
    rows = tuple(
        (
            f"{point['value']:g}",
            *(utility_of(point[split]) for split in ("val", "test")),
            *(number(point[split].get(gap_key(content))) for split in ("val", "test")),
        )
        for point in content["front"]
    )
    columns = (symbol, f"{name}, val", f"{name}, test", f"{gap}, val", f"{gap}, test")
    table = Table(f"Over {symbol}", columns, rows, folded=True)
    return Section(
        "front",
        "What fairness costs",
        figures=[figure],
        layout="wide",
        caption="What is chosen is chosen without test rows, which are read once.",
        tables=(table,) if rows else (),
    )


def _models_section(saved: SavedMethod) -> Section:
    content = saved.content
    gap = gap_key(content)
    rows = tuple(
        (
            model_name(content, key),
            utility_of(found["test"]),
            second_utility(found["test"]),
            with_interval(found["test"], gap),
        )
        for key, found in content["models"].items()
    )
    columns = ("model", "accuracy or RMSE", "AUC or R²", f"{gap_name(content)} [95%]")
    return Section("tasks", "Test rows", tables=(Table("Models on test rows", columns, rows),))


def _scores_section(content: Content, predictions: pd.DataFrame) -> Section:
    found = pictures.score_histograms(content, predictions)
    groups, limits = pictures.drawn_groups(predictions), pictures.score_limits(found)
    figures = [
        inline(
            draw.score_panel(histogram, groups, model_name(content, key), limits),
            name=f"scores-{key}",
            title=f"Predictions by group, {model_name(content, key)}",
            description=f"Density on test rows, a line for each of {', '.join(groups)}.",
        )
        for key, histogram in found.items()
    ]
    return Section(
        "scores",
        "Predictions by group",
        text=("The same threshold treats groups alike only as far as these curves agree.",),
        figures=figures,
        legend=group_legend(groups),
        caption="Test rows; areas are 1.",
        layout="two",
    )
