"""A module of the user's own as trunk: tried on a few rows, then trained or left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fairrep.encoders.user_target import call_target, failed
from fairrep.errors import ConfigError


class UserTrunk(nn.Module):
    """A linear map of what the user's module makes of the columns, or that itself.

    A frozen module gets no gradient and runs in evaluation mode whatever the mode of the rest, so
    that neither its dropout nor its running statistics move.

    Args:
        module: (n, width) → (n, h).
        target: what the module was built by, for messages.
        columns: what it sees, for messages.
        frozen: whether it stays as it is.

    Attributes:
        out: the linear map, if :meth:`map_to` was asked for one.
        dim: outputs d.
    """

    def __init__(self, module: nn.Module, *, target: str, columns: str, frozen: bool) -> None:
        super().__init__()
        self.module = module
        self.out: nn.Module = nn.Identity()
        self.target = target
        self.columns = columns
        self.frozen = frozen
        self.dim = 0

    def train(self, mode: bool = True) -> UserTrunk:
        """Set the mode of all that is trained."""
        super().train(mode)
        if self.frozen:
            self.module.eval()
        return self

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n d"]:
        """Run the module, then the linear map.

        Raises:
            ConfigError: the module fails on these rows, or does not return rows of numbers.
        """
        return self.out(self._run(x))

    def map_to(self, dim: int | None, rows: Float[Tensor, "n width"]) -> None:
        """Try the module on some rows, in evaluation mode, and map its h outputs to ``dim``.

        Raises:
            ConfigError: the outputs are no finite rows, the inputs change, or nothing of the
                encoder could be trained.
        """
        self.eval()
        tried = rows.clone()
        with torch.no_grad():
            h = self._run(tried)
        self.train()
        if not torch.equal(tried, rows):
            raise ConfigError(
                f"encoder.target '{self.target}' must leave the rows that it is given as they are, "
                "but its module changes them in place."
            )
        if not bool(torch.isfinite(h).all()):
            raise ConfigError(
                f"encoder.target '{self.target}' must give finite numbers, but "
                f"{len(rows)} rows of {self.columns} gave NaN or Inf."
            )
        if self.frozen:
            self.module.requires_grad_(False)
        if dim is None and not any(p.requires_grad for p in self.module.parameters()):
            raise ConfigError(
                "encoder.dim=null leaves nothing of the encoder to train, because the module of "
                f"'{self.target}' is frozen or has no parameters that learn; give encoder.dim."
            )
        if dim is not None:
            self.out = nn.Linear(h.shape[1], dim)
        self.dim = h.shape[1] if dim is None else dim

    def _run(self, x: Tensor) -> Tensor:
        try:
            h = self.module(x)
        except Exception as problem:
            raise failed(self.target, f"on {len(x)} rows of {self.columns}", problem) from problem
        if not isinstance(h, Tensor):
            got = type(h).__name__
        elif h.dim() != 2 or h.shape[0] != x.shape[0] or not h.shape[1]:  # len() would not export
            got = f"shape {tuple(h.shape)}"
        elif not h.is_floating_point():
            got = f"numbers of {h.dtype}"
        else:
            return h
        raise ConfigError(
            f"encoder.target '{self.target}' must map {len(x)} rows to a tensor ({len(x)}, h) of "
            f"floating-point numbers, got {got}."
        )


def build_user_trunk(
    rows: Float[Tensor, "n width"],
    *,
    columns: str,
    dim: int | None,
    target: str,
    frozen: bool,
    options: Mapping[str, Any] | None,
) -> UserTrunk:
    """Call ``target`` with the number of columns and the options, and try what it returns.

    Args:
        rows: a few rows as the module will see them.
        columns: what their columns are, for messages.
        dim: outputs of a linear map on top of the module; ``None`` for none.
        target: ``importable.module:callable``; the current directory is searched too.
        frozen: whether the linear map alone is trained.
        options: keyword arguments of the callable.

    Raises:
        ConfigError: no such callable, or it does not give a module that maps rows to rows.
    """
    if not isinstance(frozen, bool):
        raise ConfigError(f"encoder.frozen must be true or false, got '{frozen}'.")
    width = rows.shape[1]
    module = call_target(target, width, options)
    trunk = UserTrunk(module, target=target, columns=f"{width} {columns}", frozen=frozen)
    trunk.map_to(dim, rows)
    return trunk
