"""The settings of ``data``: each in its form, before a file is touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairrep.errors import ConfigError

LISTS = ("sensitive", "features", "tasks.seen", "tasks.novel", "drop", "states", "folktables")
TEXTS = ("path", "test_path", "embeddings", "test_embeddings", "embeddings_key", "people")
MAPPINGS = ("types", "positive")
NUMBERS = ("test_fraction", "calibration", "val_fraction", "min_rows")


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, names as text, or refuse the first that is not of its form.

    Args:
        options: setting → value; the tasks as ``tasks.seen`` and ``tasks.novel``.

    Raises:
        ConfigError: a setting of another form (``sensitive=sex`` for ``sensitive=[sex]``).
    """
    return {key: value if value is None else _in_form(key, value) for key, value in options.items()}


def _in_form(key: str, value: Any) -> Any:
    if key in LISTS:
        return _names(key, value)
    if key in TEXTS:
        return str(value)
    if key in MAPPINGS:
        if not isinstance(value, Mapping):
            raise ConfigError(f"data.{key} must be pairs, '{{column: value}}', got '{value}'.")
        return {str(column): str(choice) for column, choice in value.items()}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if key in NUMBERS and not is_number:
        raise ConfigError(f"data.{key} must be a number, got '{value}'.")
    return value


def _names(key: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ConfigError(f"data.{key} must be a list, data.{key}=[{value}], got '{value}'.")
    names = [str(name) for name in value]  # a column may be called 2020
    if repeated := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ConfigError(f"data.{key} must name each once, got {', '.join(repeated)} again.")
    return names
