"""The sweep: a whole front trained as one stack, evaluated together, one model selected."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fairrep.app.build import build_data, build_heads, build_module, build_settings
from fairrep.app.certificates import certificate_of, merge_cells
from fairrep.app.configs import compose_config, resumed
from fairrep.app.console import in_run_folder, quieten
from fairrep.app.front_files import RESULT, front_content, write_front
from fairrep.app.lessons import Lessons, build_teacher
from fairrep.app.run_folder import RunFolder
from fairrep.app.sweep_evaluate import evaluate_stack, model_name
from fairrep.app.sweep_models import MODELS, model_metrics, references, write_models
from fairrep.app.sweep_plan import Model, build_device, build_rule, plan_models, plan_points
from fairrep.app.sweep_progress import SweepProgress
from fairrep.data import PreparedData, describe
from fairrep.errors import ConfigError, RunError
from fairrep.reporting import sweep_tables, tables
from fairrep.training import FairEncoderModule, fit_stack
from fairrep.training.stack_chunks import check_stack, free_memory


def main(config: DictConfig) -> dict[str, Any]:
    """Run what ``fairrep sweep`` was asked for, in Hydra's run folder."""
    return in_run_folder(run_sweep, config)


def sweep(*overrides: str, folder: str | Path) -> dict[str, Any]:
    """Sweep from Python as from the shell: ``sweep("penalty=mmd", "sweep.seeds=2", folder="out")``.

    Args:
        *overrides: in Hydra's syntax.
        folder: where everything is written.

    Returns:
        What ``front.json`` holds.

    Raises:
        FairrepError: a setting, a file or a table that cannot be used.
    """
    return run_sweep(compose_config("sweep", list(overrides)), Path(folder))


def run_sweep(config: DictConfig, path: Path) -> dict[str, Any]:
    """Check everything, train, evaluate, write the folder, print the front; return it."""
    quieten()
    resume = config.resume is not None
    config = resumed(config)
    folder = RunFolder(path)
    _refuse_used(folder, resume=resume)
    points = plan_points(config)
    models = plan_models(config, points)
    device, dtype = build_device(config)
    build_heads(config)
    data = build_data(config)
    rule = build_rule(config, data.tasks if config.sweep.transfer else data.seen)
    modules = [build_module(m.config, data, twin=points[m.point].twin) for m in models]
    settings = [build_settings(m.config, data) for m in models]
    memory = _memory(config)
    room = free_memory(device) if memory is None else memory
    check_stack(modules, settings, dtype, room)
    build_teacher(config, data)
    about = describe(data)
    tables.print_data(about)
    folder.start(config)
    lessons = Lessons(config, data)
    tables.print_teacher(lessons.trees)
    for model, module in zip(models, modules):
        lessons.start(module, model.config, path)
    with SweepProgress(points, models, data.seen[0].name) as progress:
        fitted = fit_stack(
            modules,
            lessons.data,
            settings,
            path,
            device=device,
            dtype=dtype,
            memory=memory,
            listener=progress,
        )
    for model, module in zip(models, modules):
        merge_cells(module.encoder, data, model.config)
    start = time.perf_counter()
    found = evaluate_stack(
        config, data, points, models, modules, rule, diverged=fitted.diverged, device=device
    )
    seconds = time.perf_counter() - start
    metrics = model_metrics(data, models, modules, fitted, found)
    content = front_content(
        config,
        about,
        points,
        models,
        metrics,
        [f"{MODELS}/{model_name(k)}" for k in range(len(models))],
        found.settled,
        rule,
        command=folder.command(),
        references=references(found, config.evaluation.headline),
        seconds={"training": fitted.seconds, "evaluation": seconds},
    )
    content["selection"]["certificate"] = _selected_certificate(
        found.settled.model, models, modules, data
    )
    write_models(folder, data, about, models, modules, metrics, found)
    write_front(folder, content)
    sweep_tables.print_front(content, str(path))
    return content


def _selected_certificate(
    chosen: int | None,
    models: Sequence[Model],
    modules: Sequence[FairEncoderModule],
    data: PreparedData,
) -> dict[str, Any] | None:
    """The selected model's own: validation rows chose it, so that it has all of δ."""
    if chosen is None:
        return None
    found = certificate_of(modules[chosen].encoder, data, models[chosen].config)
    return None if found is None else found.to_json()


def _memory(config: DictConfig) -> float | None:
    asked = config.sweep.memory
    if asked is None:
        return None
    if not isinstance(asked, (int, float)) or not 0 < asked < float("inf"):
        raise ConfigError(f"sweep.memory must be a number of GiB > 0, got {asked}.")
    return asked * 2.0**30


def _refuse_used(folder: RunFolder, *, resume: bool) -> None:
    if (folder.path / RESULT).exists():
        raise RunError(
            f"'{folder.path}' already holds a finished sweep; choose another hydra.run.dir."
        )
    folder.refuse_used(resume=resume)
