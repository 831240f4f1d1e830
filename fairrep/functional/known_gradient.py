"""A value whose gradient is already known: no graph of the computation is kept."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


class _KnownGradient(torch.autograd.Function):
    """value(x, y) with dvalue/dx and dvalue/dy handed in; refuses to be differentiated twice."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, x: Tensor, y: Tensor, grad_x: Tensor, grad_y: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[3:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        grad_x, grad_y = ctx.saved_tensors
        factor = upstream[..., None, None]  # (*B, 1, 1)
        return None, factor * grad_x, factor * grad_y, None, None


def with_known_gradient(
    value: Float[Tensor, "*B"],
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    grad_x: Float[Tensor, "*B n d"],
    grad_y: Float[Tensor, "*B m d"],
) -> Float[Tensor, "*B"]:
    """The detached value, with these gradients with respect to x and y.

    The surprise: the result can be differentiated once only; a second backward raises.
    """
    return _KnownGradient.apply(value, x, y, grad_x, grad_y)
