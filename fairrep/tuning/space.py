"""Search spaces: Optuna's distributions, or plain dictionaries as YAML gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from fairrep.errors import ConfigError, listed

Space = dict[str, BaseDistribution]
NUMBERS = {"int": IntDistribution, "float": FloatDistribution}
KEYS = {
    "int": ("low", "high", "log", "step"),
    "float": ("low", "high", "log", "step"),
    "categorical": ("choices",),
}


def search_space(parameters: Mapping[str, Any]) -> Space:
    """Distributions by parameter name.

    Args:
        parameters: name → an Optuna distribution, a list of choices, or a dictionary:
            ``{"type": "int" | "float", "low": …, "high": …, "log": bool, "step": …}`` or
            ``{"type": "categorical", "choices": […]}``. ``type`` may be left out: with ``choices``
            it is categorical, with two whole bounds an int, else a float.

    Raises:
        ConfigError: no parameter, or one that describes no set of values.
    """
    if not isinstance(parameters, Mapping) or not parameters:
        raise ConfigError(
            f"space must name at least one parameter to search, got {parameters!r}; for example "
            "{'max_depth': {'type': 'int', 'low': 1, 'high': 20}}."
        )
    return {str(name): _distribution(str(name), given) for name, given in parameters.items()}


def _distribution(name: str, given: Any) -> BaseDistribution:
    if isinstance(given, BaseDistribution):
        return given
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = {"choices": given}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"space.{name} must be a distribution, a list of choices or a dictionary with low and "
            f"high, got {given!r}."
        )
    options = dict(given)
    kind = options.pop("type", None) or _kind(options)
    if kind not in KEYS:
        raise ConfigError(f"space.{name}: type must be one of {', '.join(KEYS)}, got {kind!r}.")
    if unknown := [str(key) for key in options if key not in KEYS[kind]]:
        raise ConfigError(
            f"space.{name}: of type {kind} it takes {', '.join(KEYS[kind])}, got {listed(unknown)}."
        )
    return _made(name, kind, options)


def _kind(options: Mapping[str, Any]) -> str:
    if "choices" in options:
        return "categorical"
    bounds = [options.get("low"), options.get("high")]
    return "int" if all(isinstance(bound, int) for bound in bounds) else "float"


def _made(name: str, kind: str, options: dict[str, Any]) -> BaseDistribution:
    if kind == "categorical":
        choices = options.get("choices")
        if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
            raise ConfigError(f"space.{name}: choices must be a list of values, got {choices!r}.")
        return CategoricalDistribution(tuple(choices))
    if missing := [key for key in ("low", "high") if options.get(key) is None]:
        raise ConfigError(f"space.{name} must have low and high, got no {missing[0]}.")
    if options.get("step") is None:
        options.pop("step", None)
    try:
        return NUMBERS[kind](**options)
    except (ValueError, TypeError) as problem:
        raise ConfigError(f"space.{name}: {problem}") from problem
