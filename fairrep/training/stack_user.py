"""A module of the user's own in a stack: under ``vmap``, if it then gives what it gives alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from fairrep.encoders import UserTrunk
from fairrep.encoders.examples import example_rows
from fairrep.errors import ConfigError
from fairrep.training.module import FairEncoderModule

RANDOM = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
CLOSE = 1e-4  # of the largest output: batched products round otherwise


def run_user_module(
    trunk: UserTrunk,
    name: str,
    tensors: Mapping[str, Tensor],
    x: Float[Tensor, "k n width"],
    *,
    training: bool,
) -> Float[Tensor, "k n h"]:
    """Run k models' modules on rows of each.

    Args:
        trunk: any of them; its own numbers are not used.
        name: of its module in ``tensors``.
        tensors: parameters and buffers with a leading model axis, of length 1 where all share one.
        x: rows of each model.
        training: the mode; a frozen module runs in evaluation mode always.

    Raises:
        ConfigError: the module does not run under ``vmap``.
    """
    module = trunk.train(training).module
    own = {key: tensors[f"{name}.{key}"] for key in _names(module)}
    shared = {key: len(value) < len(x) for key, value in own.items()}
    own = {key: value[0] if shared[key] else value for key, value in own.items()}
    axes = {key: None if one else 0 for key, one in shared.items()}
    try:
        return vmap(lambda p, rows: functional_call(module, p, (rows,)), in_dims=(axes, 0))(own, x)
    except Exception as problem:
        raise _refusal(trunk, " ".join(str(problem).split())) from problem


@torch.no_grad()
def check_user_modules(modules: Sequence[FairEncoderModule]) -> None:
    """Try on a few rows whether every user module runs in a stack, and as it does alone.

    Raises:
        ConfigError: it draws random numbers, changes its buffers, cannot run under ``vmap``, or
            holds numbers that are neither parameters nor buffers.
    """
    first: dict[str, UserTrunk] = {}
    for model in modules:
        trunk = model.encoder.trunk
        if not isinstance(trunk, UserTrunk):
            continue
        architecture = model.encoder.architecture
        rows = model.encoder.inputs(example_rows(architecture["cardinalities"]))
        _check(first.setdefault(repr(architecture), trunk), trunk, rows)


def fixed_tensors(module: FairEncoderModule) -> dict[str, Tensor]:
    """What a stack hands to a user's module beside what it trains: frozen parameters, buffers."""
    frozen = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    if not isinstance(module.encoder.trunk, UserTrunk):
        return frozen
    buffers = module.encoder.trunk.module.named_buffers(prefix="encoder.trunk.module")
    return frozen | dict(buffers)


def _check(first: UserTrunk, own: UserTrunk, rows: Tensor) -> None:
    """Run ``first`` with the numbers of ``own``, as a stack does, and ``own`` itself."""
    module = own.module
    if not own.frozen and any(is_random(part) for part in module.modules()):
        raise _refusal(own, "dropout and batch normalisation, unless encoder.frozen=true")
    state = {f"module.{name}": value for name, value in _named(module).items()}
    tensors = {name: value.detach().clone().unsqueeze(0) for name, value in state.items()}
    for training in (True, False):
        stacked = run_user_module(first, "module", tensors, rows.unsqueeze(0), training=training)[0]
        if any(not torch.equal(tensors[name][0], value) for name, value in state.items()):
            raise _refusal(own, "its buffers change in training")
        alone = own.train(training).module(rows)
        if stacked.shape != alone.shape or not torch.allclose(
            stacked, alone, rtol=0, atol=CLOSE * float(alone.abs().max())
        ):
            raise _refusal(
                own, "its outputs come from random draws, or numbers outside parameters and buffers"
            )
    first.train()
    own.train()


def _named(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _names(module: nn.Module) -> list[str]:
    return list(_named(module))


def is_random(module: nn.Module) -> bool:
    """Whether a layer draws random numbers in training, or changes its buffers."""
    return isinstance(module, RANDOM) and getattr(module, "p", 1) > 0


def _refusal(trunk: UserTrunk, reason: str) -> ConfigError:
    return ConfigError(
        f"a stack cannot hold encoder.target '{trunk.target}': {reason}; train such models one by "
        "one with fairrep train -m."
    )
