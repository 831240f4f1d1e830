"""How to compose a config from Python as Hydra does from the shell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf

from fairrep.app.config_files import config_dir
from fairrep.errors import ConfigError, RunError


def register_resolvers() -> None:
    """Make ``fairrep_run_dir`` known to the configs: a resumed run stays in its folder."""
    OmegaConf.register_new_resolver(
        "fairrep_run_dir", lambda resume, fresh: resume or fresh, replace=True
    )


def compose_config(name: str, overrides: list[str]) -> DictConfig:
    """Compose ``conf/NAME.yaml`` with overrides in Hydra's syntax.

    Raises:
        ConfigError: a setting that there is not, or not in Hydra's syntax.
    """
    register_resolvers()
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return compose(name, overrides=overrides)
    except MissingConfigException as problem:
        raise ConfigError(_unknown_choice(problem)) from problem
    except HydraException as problem:
        reason = str(problem).splitlines()[0]
        raise ConfigError(f"settings {' '.join(overrides)}: {reason}") from problem


def _unknown_choice(problem: MissingConfigException) -> str:
    """Say that a group of configs has none of that name, and which it has."""
    group, _, asked = str(problem.missing_cfg_file).rpartition("/")
    known = [name for name in problem.options or () if not name.startswith("_")]
    return f"{group} must be one of {', '.join(known)}, got '{asked}'."


def resumed(config: DictConfig) -> DictConfig:
    """Return the settings of the run to be resumed, or ``config`` if none is.

    Raises:
        ConfigError: other settings beside ``resume`` and ``debug``.
        RunError: the folder holds no run.
    """
    if config.resume is None:
        return config
    _refuse_other_overrides()
    file = Path(config.resume) / "config.yaml"
    if not file.is_file():
        raise RunError(f"resume needs a run's folder, but '{file}' does not exist.")
    saved = OmegaConf.load(file)
    return OmegaConf.merge(saved, {"resume": config.resume, "debug": config.debug})  # type: ignore[return-value]


def _refuse_other_overrides() -> None:
    if not HydraConfig.initialized():
        return
    others = [
        override
        for override in HydraConfig.get().overrides.task
        if not override.startswith(("resume=", "debug="))
    ]
    if others:
        raise ConfigError(
            f"a resumed run keeps its own settings, got also {' '.join(others)}; "
            "leave them out, or start a new run."
        )


def command_line() -> str | None:
    """The command as one would type it again; nothing where Python called, not a shell."""
    if not HydraConfig.initialized():
        return None
    hydra = HydraConfig.get()
    return shlex.join(["fairrep", hydra.job.name, *hydra.overrides.task])


def plain(config: Any) -> Any:
    """Turn a config node into dictionaries, lists and primitives, interpolations resolved."""
    return OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config
