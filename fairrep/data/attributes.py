"""Sensitive attributes: groups by name, and the same attributes as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from fairrep.data.registry import DatasetSpec, unknown
from fairrep.data.schema import as_categories, as_numbers
from fairrep.errors import ConfigError, DataError
from fairrep.types import AttributeSpec

MAX_GROUPS = 64


@dataclass(frozen=True)
class Attribute:
    """One attribute of every row: names of groups, or real numbers."""

    name: str
    values: pd.Series
    real: bool


def read_attributes(
    spec: DatasetSpec, frame: pd.DataFrame, names: Sequence[str]
) -> list[Attribute]:
    """Read the attributes of all rows.

    Raises:
        ConfigError: unknown attribute, none given.
        DataError: missing values (counted), infinite or constant numbers.
    """
    if not names:
        raise ConfigError("at least one sensitive attribute is needed: set data.sensitive=[NAME].")
    return [_read(spec, frame, name) for name in names]


def name_groups(
    attributes: Sequence[Attribute], *, bins: int, fitted_on: np.ndarray | slice = slice(None)
) -> pd.DataFrame:
    """Name the group of every row by each attribute; the columns are the attributes.

    Args:
        attributes: of all rows.
        bins: groups that a real-valued attribute is cut into, at quantiles.
        fitted_on: rows whose quantiles these are.

    Raises:
        ConfigError: fewer than two bins.
        DataError: too many groups.
    """
    if bins < 2:
        raise ConfigError(f"data.bins must be at least 2, got {bins}.")
    named = {
        attribute.name: _binned(attribute, bins, fitted_on) if attribute.real else attribute.values
        for attribute in attributes
    }
    frame = pd.DataFrame(named)
    if (count := intersections(frame).nunique()) > MAX_GROUPS:
        raise DataError(
            f"sensitive={list(named)} makes {count} groups, more than {MAX_GROUPS}; use an "
            "attribute with few values, or state that it is a number (csv: "
            "data.types.NAME=numeric), which bins it for the figures."
        )
    return frame


def intersections(named: pd.DataFrame) -> pd.Series:
    """Name each row's intersection of the attributes' groups, e.g. "Female & Black"."""
    groups = named.iloc[:, 0]
    for name in named.columns[1:]:
        groups = groups + " & " + named[name]
    return groups


def encode_groups(labels: pd.Series, groups: Sequence[str]) -> np.ndarray:
    """Codes (n,): position in ``groups``, -1 for a group that training never saw."""
    return pd.Index(list(groups)).get_indexer(pd.Index(labels)).astype(np.int64)


def encode_attributes(
    attributes: Sequence[Attribute],
    named: pd.DataFrame,
    groups: Sequence[str],
    fitted_on: np.ndarray,
) -> tuple[tuple[AttributeSpec, ...], np.ndarray]:
    """Say what each attribute is, and put them side by side as numbers (n, k).

    Real numbers are standardised by the rows ``fitted_on``; a group that these rows do not hold
    has no indicator.
    """
    fitted = named.iloc[fitted_on]
    example = fitted.assign(group=intersections(fitted)).drop_duplicates("group")
    example = example.set_index("group").loc[list(groups)]  # a row for each intersection
    specs, columns = [], []
    for attribute in attributes:
        own = tuple(sorted(example[attribute.name].unique()))
        of_group = tuple(own.index(value) for value in example[attribute.name])
        specs.append(AttributeSpec(attribute.name, own, of_group, attribute.real))
        if attribute.real:
            numbers = attribute.values.to_numpy()
            known = numbers[fitted_on]
            columns.append(((numbers - known.mean()) / known.std())[:, None])
        else:
            codes = encode_groups(named[attribute.name], own)
            columns.append(codes[:, None] == np.arange(len(own)))
    return tuple(specs), np.concatenate(columns, axis=1).astype(np.float32)


def _read(spec: DatasetSpec, frame: pd.DataFrame, name: str) -> Attribute:
    if name not in spec.sensitive:
        raise ConfigError(unknown("sensitive attribute", name, spec.sensitive))
    stated = spec.sensitive[name]
    column = stated.derive(frame).rename(name)
    if missing := int(column.isna().sum()):
        raise DataError(
            f"sensitive attribute '{name}' must be known for every row, but {missing} rows "
            "lack it; drop those rows or fill them in with a group of their own."
        )
    if not stated.real:
        return Attribute(name, as_categories(column), real=False)
    return Attribute(name, pd.Series(as_numbers(column), frame.index, name=name), real=True)


def _binned(attribute: Attribute, bins: int, fitted_on: np.ndarray | slice) -> pd.Series:
    """Names such as "age <= 37" and "age > 37", cut at values that occur."""
    numbers = attribute.values.to_numpy()
    levels = np.arange(1, bins) / bins
    known = numbers[fitted_on]
    edges = np.unique(np.quantile(known, levels, method="lower"))
    edges = edges[edges < known.max()]
    if not len(edges):
        raise DataError(
            f"sensitive attribute '{attribute.name}' needs values on both sides of its median, "
            f"but {(known == known.max()).mean():.0%} of the training rows hold {known.max():g}; "
            "use another attribute, or groups of your own."
        )
    text = [f"{edge:.10g}" for edge in edges]
    names = [f"{attribute.name} <= {text[0]}"]
    names += [f"{low} < {attribute.name} <= {high}" for low, high in pairwise(text)]
    names += [f"{attribute.name} > {text[-1]}"]
    place = np.searchsorted(edges, numbers, side="left")
    return pd.Series(np.array(names, dtype=object)[place], attribute.values.index)
