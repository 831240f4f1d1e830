"""The certify command: a run's encoder, its calibration rows, and people that a file brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from fairrep.app.build import build_data
from fairrep.app.certify_extra import extra_rows, refuse_known
from fairrep.app.configs import compose_config
from fairrep.app.console import quieten, user_errors
from fairrep.app.run_folder import RunFolder
from fairrep.app.transfer_data import saved_config
from fairrep.app.transfer_encoders import run_encoder
from fairrep.data import PreparedData
from fairrep.encoders import TableEncoder, quantize, save_encoder
from fairrep.errors import ConfigError, RunError
from fairrep.evaluation import Certificate, certify, certify_rkhs
from fairrep.functional.bounds import METHODS
from fairrep.reporting import certificate_tables

RESULT = "certificate.json"
REPRESENTATIONS = ("trained", "twin")
NOTIONS = ("demographic_parity", "equal_opportunity")


def main(config: DictConfig) -> None:
    """Run what ``fairrep certify`` was asked for."""
    with user_errors(debug=config.debug):
        run_certify(config)


def certify_run(*overrides: str) -> dict[str, Any]:
    """Certify from Python as from the shell: ``certify_run("run=outputs/…", "delta=0.01")``.

    Args:
        *overrides: in Hydra's syntax.

    Returns:
        What ``certificate.json`` holds.

    Raises:
        FairrepError: a setting, a run or a table that cannot be used.
    """
    return run_certify(compose_config("certify", list(overrides)))


def run_certify(config: DictConfig) -> dict[str, Any]:
    """Check everything, certify, write the result, print it; return it."""
    quieten()
    _check(config)
    saved = saved_config(config.run)
    run = Path(config.run)
    if config.representation == "twin":
        run = run / "twin"
    encoder = run_encoder(run, saved)
    data = _run_data(saved, encoder, run)
    if config.quantize is not None:
        encoder = quantize(
            encoder, data.train.x, cells=config.quantize, seed=saved.seed, release=config.release
        )
    x, s, sources = _rows(config, data, encoder)
    certificate = _certificate(config, data, encoder, x, s)
    out = _out(config, run)
    if config.quantize is not None:
        save_encoder(encoder, out / "encoder")
    content = {
        "schema": 1,
        "run": str(config.run),
        "representation": config.representation,
        "dataset": data.spec.name,
        "sensitive": list(data.sensitive),
        "quantized": config.quantize,
        "rows": sources,
        "certificate": certificate.to_json(),
    }
    out.mkdir(parents=True, exist_ok=True)
    RunFolder(out).write_json(RESULT, content)
    certificate_tables.print_certified(content, str(out / RESULT))
    return content


def _check(config: DictConfig) -> None:
    for key, known in (
        ("representation", REPRESENTATIONS),
        ("notion.name", NOTIONS),
        ("method", METHODS),
    ):
        if (asked := OmegaConf.select(config, key)) not in known:
            raise ConfigError(f"{key} must be one of {', '.join(known)}, got '{asked}'.")
    for key in ("delta", "norm", "bandwidth"):
        if not isinstance(config[key], (int, float)) or isinstance(config[key], bool):
            raise ConfigError(f"{key} must be a number, got '{config[key]}'.")
    for key in ("candidates", "quantize"):
        if config[key] is not None and not isinstance(config[key], int):
            raise ConfigError(f"{key} must be an integer, got '{config[key]}'.")
    if config.notion.name == "equal_opportunity" and config.extra is not None:
        raise ConfigError(
            "equal opportunity needs labels, and extra rows have none; leave one out."
        )


def _run_data(saved: DictConfig, encoder: TableEncoder, run: Path) -> PreparedData:
    """The run's own rows.

    Raises:
        RunError: they are no longer what the encoder was trained on.
    """
    data = build_data(saved)
    if data.schema != encoder.schema:
        raise RunError(
            f"the data of '{run}' have changed since it was trained: their preprocessing is no "
            "longer the encoder's. Restore them, or train again."
        )
    return data


def _rows(
    config: DictConfig, data: PreparedData, encoder: TableEncoder
) -> tuple[Tensor, Tensor, dict[str, int]]:
    """Preprocessed rows, their group codes, and how many come from where."""
    own = data.calibration
    if config.extra is None:
        if not len(own):
            raise ConfigError(
                "the run kept no calibration rows; train with data.calibration=0.3, or give "
                "extra=FILE of people whom training never saw."
            )
        return own.x, own.s, {"calibration": len(own)}
    x, s = extra_rows(config.extra, data, encoder.schema)
    if len(own):
        refuse_known(x, data)
    counts = {"calibration": len(own), "extra": int((s >= 0).sum())}
    if unknown := int((s < 0).sum()):
        counts["unknown_group"] = unknown
    return torch.cat([own.x, x]), torch.cat([own.s, s]), counts


def _certificate(
    config: DictConfig, data: PreparedData, encoder: TableEncoder, x: Tensor, s: Tensor
) -> Certificate:
    common = {"delta": config.delta, "candidates": config.candidates, "groups": data.groups}
    if encoder.encoder.cells is not None:
        positive = _positive(config, data)
        return certify(encoder, x, s, positive=positive, method=config.method, **common)
    if config.notion.name != NOTIONS[0]:
        raise ConfigError("a continuous encoder is certified for demographic_parity alone.")
    return certify_rkhs(encoder, x, s, bandwidth=config.bandwidth, norm=config.norm, **common)


def _positive(config: DictConfig, data: PreparedData) -> dict[str, Tensor] | None:
    if config.notion.name != "equal_opportunity":
        return None
    tasks = {task.name: task for task in data.tasks}
    name = config.notion.task or data.tasks[0].name
    if name not in tasks or tasks[name].kind != "binary":
        binary = ", ".join(task.name for task in data.tasks if task.kind == "binary")
        raise ConfigError(f"notion.task must be a binary task ({binary}), got '{name}'.")
    return {name: data.calibration.y[:, list(tasks).index(name)]}


def _out(config: DictConfig, run: Path) -> Path:
    if config.out is not None:
        return Path(config.out)
    return run if config.quantize is None else run / f"cells-{config.quantize}"
