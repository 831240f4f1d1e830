"""A module of the user's own, found by name and called."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fairrep.errors import ConfigError


def call_target(target: str, width: int, options: Mapping[str, Any] | None) -> nn.Module:
    """Call ``target`` with a number of columns and the options; return a copy of its module.

    Of a copy, because two models must share no weights even if the target returns one module twice.

    Raises:
        ConfigError: no such callable, options that are none, or it does not give a module.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"encoder.options must map names to values, got '{options}'.")
    build = find_target(target)
    given = f" and options {dict(options)}" if options else ""
    try:
        module = build(width, **(options or {}))
    except Exception as problem:
        raise failed(target, f"when called with {width}{given}", problem) from problem
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"encoder.target '{target}' must return a torch.nn.Module, got {type(module).__name__}."
        )
    try:
        module = copy.deepcopy(module)
        state = module.state_dict().items()
    except Exception as problem:
        raise failed(target, "when its module was copied", problem) from problem
    if others := [name for name, value in state if not isinstance(value, Tensor)]:
        raise ConfigError(
            f"encoder.target '{target}' must keep its state in tensors, got also "
            f"{', '.join(others)}."
        )
    return module


def find_target(target: object) -> Callable[..., Any]:
    """Import ``importable.module:callable``; the current directory is searched first.

    Raises:
        ConfigError: of another form, not there, or not callable.
    """
    place, _, name = target.partition(":") if isinstance(target, str) else ("", "", "")
    if not (place and name):
        raise ConfigError(f"encoder.target must be 'importable.module:callable', got '{target}'.")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:  # a script finds its own folder there instead
        sys.path.insert(0, here)
    try:
        with torch.random.fork_rng(devices=[]):  # what the first import draws, later ones do not
            module = importlib.import_module(place)
    except Exception as problem:
        when = "to import, from the current directory or PYTHONPATH"
        raise failed(target, when, problem) from problem
    try:
        found: Any = reduce(getattr, name.split("."), module)
    except AttributeError as problem:
        raise ConfigError(
            f"encoder.target '{target}' must name something in {place}, which has no '{name}'."
        ) from problem
    if not callable(found):
        raise ConfigError(
            f"encoder.target '{target}' must be callable, got {type(found).__name__}."
        )
    return found


def failed(target: object, when: str, problem: Exception) -> ConfigError:
    """Say in one line that the user's code raised, and what."""
    reason = " ".join(str(problem).split())
    return ConfigError(
        f"encoder.target '{target}' failed {when}: {type(problem).__name__}: {reason}"
    )
