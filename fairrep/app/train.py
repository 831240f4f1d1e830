"""The main job: train an encoder and its twin, evaluate both, leave one folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fairrep.app.build import build_data, build_heads, build_module, build_settings
from fairrep.app.certificates import certificate_of, merge_cells
from fairrep.app.configs import compose_config, resumed
from fairrep.app.console import INTERRUPTED, in_run_folder, is_first_process, quieten
from fairrep.app.fitting import fit_module
from fairrep.app.lessons import Lessons, build_teacher
from fairrep.app.results import PartResult, part_metrics, write_results
from fairrep.app.run_folder import DATA, RunFolder
from fairrep.app.table_encoder import JOINT, joint_heads, table_encoder
from fairrep.data import PreparedData, describe
from fairrep.encoders import runs_user_code, save_encoder, save_heads
from fairrep.evaluation import evaluate_representation, represent
from fairrep.reporting import tables
from fairrep.training import FairEncoderModule, FitResult, FitSettings


@dataclass(frozen=True)
class Part:
    """One of the two trainings of a run: the penalised encoder or its λ = 0 twin."""

    name: str
    folder: RunFolder
    twin: bool


@dataclass(frozen=True)
class Plan:
    """What a run trains, checked."""

    parts: list[Part]
    modules: list[FairEncoderModule]
    settings: FitSettings


def main(config: DictConfig) -> dict[str, Any]:
    """Run what ``fairrep train`` was asked for, in Hydra's run folder."""
    return in_run_folder(run_training, config)


def train(*overrides: str, folder: str | Path) -> dict[str, Any]:
    """Train from Python as from the shell: ``train("penalty=mmd", "data=german", folder="out")``.

    Args:
        *overrides: in Hydra's syntax.
        folder: the run's folder.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        FairrepError: a setting, a file or a table that cannot be used.
    """
    return run_training(compose_config("train", list(overrides)), Path(folder))


def run_training(config: DictConfig, path: Path) -> dict[str, Any]:
    """Train, evaluate, write the run's folder, print the report; return the metrics."""
    quieten()
    first, resume = is_first_process(), config.resume is not None
    config = resumed(config)
    folder = RunFolder(path)
    if first:
        folder.refuse_used(resume=resume)
    data = build_data(config)
    plan = plan_run(config, folder, data)
    if first:
        tables.print_data(describe(data))
    metrics = carry_out(plan, config, data)
    if first:
        tables.print_report(metrics, str(path), user_code=runs_user_code(config.encoder))
    return metrics


def plan_run(config: DictConfig, folder: RunFolder, data: PreparedData) -> Plan:
    """Build everything that a run trains; nothing is written yet.

    Raises:
        ConfigError: a setting that cannot be used.
    """
    parts = _parts(config, folder)
    modules = [build_module(config, data, twin=part.twin) for part in parts]
    settings = build_settings(config, data)
    build_heads(config)
    build_teacher(config, data)
    return Plan(parts, modules, settings)


def carry_out(plan: Plan, config: DictConfig, data: PreparedData) -> dict[str, Any]:
    """Train, evaluate and write the folder; its metrics, in the first process."""
    first, folder = is_first_process(), plan.parts[0].folder
    if first:
        for part in plan.parts:
            part.folder.start(config)
        folder.write_json(DATA, describe(data))
    results = []
    lessons = Lessons(config, data)
    if first:
        tables.print_teacher(lessons.trees)
    for part, module in zip(plan.parts, plan.modules):
        lessons.start(module, config, folder.path)
        fitted = fit_module(
            module,
            lessons.data,
            config,
            plan.settings,
            part.folder.path,
            title=part.name,
            logger=part.folder.logger(config.logger.name),
        )
        if first:
            merge_cells(module.encoder, data, config)
            _export(part, module, data, fitted)
            _stop_if_interrupted(fitted, folder)
            results.append(_evaluate(part, module, data, config, fitted))
    return write_results(results, config, [part.folder for part in plan.parts]) if first else {}


def _parts(config: DictConfig, folder: RunFolder) -> list[Part]:
    """The penalised encoder, and its twin if one is wanted."""
    weight = config.penalty.weight
    label = weight if isinstance(weight, str) else f"{weight:g}"
    trained = Part(f"{config.penalty.name}, λ = {label}", folder, twin=False)
    return [trained, Part("twin, λ = 0", folder.twin, twin=True)] if config.twin else [trained]


def _export(part: Part, module: FairEncoderModule, data: PreparedData, fitted: FitResult) -> None:
    if fitted.epochs == 0:
        return
    save_encoder(table_encoder(module.encoder, data), part.folder.path / "encoder")
    save_heads(joint_heads(module), part.folder.path / JOINT)


def _stop_if_interrupted(fitted: FitResult, folder: RunFolder) -> None:
    if fitted.finished:
        return
    kept = (
        f"the best of {fitted.epochs} finished epochs is kept in {folder.path}/encoder"
        if fitted.epochs
        else "no epoch was finished"
    )
    print(f"Interrupted: {kept}; continue with resume={folder.path}", file=sys.stderr)
    sys.exit(INTERRUPTED)


def _evaluate(
    part: Part,
    module: FairEncoderModule,
    data: PreparedData,
    config: DictConfig,
    fitted: FitResult,
) -> PartResult:
    z = represent(module.encoder, module.heads, data)
    evaluation = evaluate_representation(
        z,
        data,
        data.tasks if config.transfer else data.seen,
        heads=build_heads(config),
        seed=config.seed,
    )
    metrics = part_metrics(
        config,
        data,
        fitted,
        evaluation,
        certificate_of(module.encoder, data, config),
        weight=module.final_weight(),
        twin=part.twin,
    )
    return PartResult(metrics, z, evaluation)
