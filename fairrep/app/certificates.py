"""Certificates of a run: what is wanted of the cells, and what the calibration rows say of them."""

from __future__ import annotations

from itertools import combinations

import torch
from omegaconf import DictConfig

from fairrep.data import PreparedData, Rows
from fairrep.encoders import CELLS, Encoder, merge_plan
from fairrep.errors import ConfigError
from fairrep.evaluation import Certificate, certify
from fairrep.functional import bounds
from fairrep.functional.total_variation import cell_shares
from fairrep.penalties import Notion
from fairrep.training.validation import TOTAL_VARIATION, gaps_of


def total_variation_limit(config: DictConfig, data: PreparedData) -> float | None:
    """The total variation on calibration rows that the wanted certificate leaves room for.

    Raises:
        ConfigError: a target without cells or calibration rows, out of range, or within what the
            calibration rows' number alone adds.
    """
    if config.get("certificate") is None:  # a run from before there were any
        return None
    target = config.certificate.target
    if target is None:
        if config.certificate.merge:
            raise ConfigError("certificate.merge needs certificate.target, the bound to merge for.")
        return None
    if config.encoder.name != CELLS or not len(data.calibration):
        raise ConfigError(
            "certificate.target needs encoder=cells and calibration rows, such as "
            f"data.calibration=0.3; got encoder={config.encoder.name} and "
            f"{len(data.calibration)} calibration rows."
        )
    if not isinstance(target, (int, float)) or not 0 < target < 1:
        raise ConfigError(f"certificate.target must lie strictly between 0 and 1, got {target}.")
    slack = max(_slacks(config, data))
    if slack >= target:
        raise ConfigError(
            f"certificate.target={target:g} is out of reach: with {len(data.calibration)} "
            f"calibration rows equal cells alone have a certificate of {slack:.3f}; raise "
            "data.calibration or the target."
        )
    return target - slack


def certificate_of(
    encoder: Encoder,
    data: PreparedData,
    config: DictConfig,
    *,
    candidates: int = 1,
) -> Certificate | None:
    """Certify a run's encoder on its calibration rows; nothing without cells or such rows."""
    if encoder.cells is None or not len(data.calibration):
        return None
    rows = data.calibration
    return certify(
        encoder,
        rows.x,
        rows.s,
        delta=config.certificate.delta,
        candidates=candidates,
        groups=data.groups,
        positive=_positive(config, data, rows),
        method=config.certificate.method,
    )


@torch.no_grad()
def cells_distance(encoder: Encoder, rows: Rows, groups: int) -> float | None:
    """The largest total variation between two groups' cells on some rows, if there are cells."""
    if encoder.cells is None:
        return None
    z = encoder.eval()(rows.x)
    return gaps_of({}, z, rows.y, rows.s, cells=True, notion=Notion(), groups=groups)[
        TOTAL_VARIATION
    ]


def check_certificate(config: DictConfig, data: PreparedData) -> None:
    """Refuse settings and rows of which a certificate would fail, before anything is trained.

    Raises:
        ConfigError: δ or the method is out of range; too few calibration rows of a group.
    """
    if config.get("certificate") is None:
        return
    if config.certificate.method not in bounds.METHODS:
        raise ConfigError(
            f"certificate.method must be one of {', '.join(bounds.METHODS)}, "
            f"got '{config.certificate.method}'."
        )
    if config.encoder.name == CELLS and len(data.calibration):
        _slacks(config, data)
    total_variation_limit(config, data)


@torch.no_grad()
def merge_cells(encoder: Encoder, data: PreparedData, config: DictConfig) -> None:
    """Merge cells until validation rows are within the wanted certificate, if that is asked for.

    Training rows say what a merge costs the seen tasks, validation rows what it leaves of the
    total variation; calibration rows are not read.
    """
    limit = total_variation_limit(config, data)
    if limit is None or not config.certificate.merge or encoder.cells is None:
        return
    encoder.eval()
    keep = _looked_at(config, data, data.val)
    cells, s = encoder(data.val.x[keep]), data.val.s[keep]
    shares = torch.stack([cell_shares(cells[s == g].double()) for g in range(len(data.groups))])
    labels = data.train.y[:, : len(data.seen)]
    encoder.cells.merge(merge_plan(encoder(data.train.x), labels, data.seen, shares, at_most=limit))


def _slacks(config: DictConfig, data: PreparedData) -> list[float]:
    """The certificates of equal cells: what the numbers of calibration rows alone add."""
    rows = data.calibration
    keep = _looked_at(config, data, rows)
    counts = [int((rows.s[keep] == g).sum()) for g in range(len(data.groups))]
    if min(counts) == 0:
        absent = data.groups[counts.index(0)]
        raise ConfigError(
            f"a certificate needs calibration rows of every group, but none is of '{absent}'; "
            "raise data.calibration, or compare larger groups."
        )
    same = torch.ones(1)
    try:
        share = bounds.delta_per_statement(config.certificate.delta, groups=len(counts))
        return [
            bounds.total_variation_upper_bound(
                same, same, n, m, delta=share, method=config.certificate.method
            )
            for n, m in combinations(counts, 2)
        ]
    except ValueError as problem:
        raise ConfigError(f"certificate.{problem}") from problem


def _looked_at(config: DictConfig, data: PreparedData, rows: Rows) -> torch.Tensor:
    """Which rows the notion is about: all, or those with label 1 of its task."""
    if (positive := _positive(config, data, rows)) is None:
        return torch.ones_like(rows.s, dtype=torch.bool)
    (labels,) = positive.values()
    return labels == 1


def _positive(config: DictConfig, data: PreparedData, rows: Rows) -> dict[str, torch.Tensor] | None:
    """The labels of the task that equal opportunity is of, if that is the run's notion."""
    if config.notion.name != "equal_opportunity":
        return None
    names = [task.name for task in data.tasks]
    name = config.notion.task or names[0]
    return {name: rows.y[:, names.index(name)]}
