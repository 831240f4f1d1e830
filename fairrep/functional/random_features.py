"""MMD^2 from random Fourier features: linear in the number of rows, in time and in memory."""

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.inputs import require_count, require_positive, two_samples
from fairrep.functional.kernels import pooled_mean
from fairrep.functional.known_gradient import with_known_gradient

CHUNK_ENTRIES = 1 << 20  # projections held at a time


def mmd2_rff(
    x: Float[Tensor, "*B n d"],
    y: Float[Tensor, "*B m d"],
    *,
    features: int,
    bandwidth: float,
    generator: torch.Generator | None = None,
    a: Float[Tensor, "*B n"] | None = None,
    b: Float[Tensor, "*B m"] | None = None,
) -> Float[Tensor, "*B"]:
    r"""Biased MMD^2 of the Gaussian kernel, by random Fourier features.

    :math:`\frac1D \sum_{k=1}^D |\hat\varphi_x(\omega_k) - \hat\varphi_y(\omega_k)|^2` with the
    empirical characteristic functions :math:`\hat\varphi` at D frequencies
    :math:`\omega_k \sim N(0, \sigma^{-2} I)`. Its mean over draws is the "biased" ``mmd2``, its
    standard error at most :math:`2 / \sqrt D`. Dimensionless; time and memory O((n + m) D), of
    which only a chunk is held.

    Args:
        x: First sample.
        y: Second sample, as many columns.
        features: Number D of frequencies, a cosine and a sine each; shared by the whole batch.
        bandwidth: Sigma, in units of x.
        generator: Source of the frequencies; the global one by default.
        a: Weights of the rows of x, see ``fairrep.functional.inputs``; uniform by default.
        b: Weights of the rows of y.

    Raises:
        ValueError: features below 1, a bandwidth that is not a positive number, misfit shapes.

    The surprises: never negative, unlike the unbiased ``mmd2``; ``torch.func.vmap`` must be told
    ``randomness="same"``; a second differentiation raises.

    Ref: Rahimi and Recht (2007), NeurIPS 20, Algorithm 1; Zhao and Meng (2015), Neural
    Computation 27.
    """
    require_count(features, name="features")
    require_positive(bandwidth, name="bandwidth")
    s = two_samples(x, y, a, b)
    frequencies = normal_draws(s.x, (s.x.shape[-1], features), generator) / bandwidth  # (d, D)
    with torch.no_grad():
        centre = pooled_mean(s.x, s.y)  # small phases keep their digits
        x_, y_ = s.x - centre, s.y - centre
        gap = _mean_features(x_, s.a, frequencies) - _mean_features(y_, s.b, frequencies)
        value = torch.where(s.both, gap.square().sum((-2, -1)) / features, 0)
        gap = torch.where(s.both[..., None, None], gap * (2 / features), 0)  # (*B, 2, D)
        grad_x = _pulled_back(x_, s.a, frequencies, gap)
        grad_y = _pulled_back(y_, s.b, frequencies, -gap)
    return with_known_gradient(value, s.x, s.y, grad_x, grad_y)


def normal_draws(like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers of the kind of a tensor, drawn where the generator lives."""
    device = like.device if generator is None else generator.device
    draws = torch.randn(shape, generator=generator, device=device, dtype=like.dtype)
    return draws.to(like.device)


def _mean_features(
    points: Float[Tensor, "*B n d"], weights: Float[Tensor, "*B n"], frequencies: Tensor
) -> Float[Tensor, "*B 2 D"]:
    """Weighted means of the cosines and sines of the projections."""
    total = torch.zeros_like(weights[..., :0]).sum(-1)[..., None, None]  # (*B, 1, 1)
    for rows in _chunks(points, frequencies):
        phase = points[..., rows, :] @ frequencies  # (*B, chunk, D)
        w = weights[..., None, rows]  # (*B, 1, chunk)
        total = total + torch.cat([w @ phase.cos(), w @ phase.sin()], -2)
    return total


def _pulled_back(
    points: Tensor, weights: Tensor, frequencies: Tensor, upstream: Float[Tensor, "*B 2 D"]
) -> Float[Tensor, "*B n d"]:
    """Gradient of <upstream, mean features> with respect to the points."""
    chunks = [points[..., :0, :]]
    for rows in _chunks(points, frequencies):
        phase = points[..., rows, :] @ frequencies  # (*B, chunk, D)
        turn = phase.cos() * upstream[..., 1:, :] - phase.sin() * upstream[..., :1, :]
        chunks.append(weights[..., rows, None] * (turn @ frequencies.mT))
    return torch.cat(chunks, -2)


def _chunks(points: Tensor, frequencies: Tensor) -> list[slice]:
    problems, width = points.shape[:-2].numel(), frequencies.shape[-1]
    step = max(1, CHUNK_ENTRIES // max(1, problems * width))
    return [slice(start, start + step) for start in range(0, points.shape[-2], step)]
