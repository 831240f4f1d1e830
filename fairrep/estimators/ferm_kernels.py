"""Kernels of FERM by name: exact, or by Nyström features where there are many rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import pairwise_kernels

from fairrep.errors import EstimatorError

KERNELS = ("linear", "rbf", "poly", "precomputed")
BLOCK = 4096  # rows predicted at once


def check_kernel(kernel: Any) -> None:
    """Raise where a kernel is neither known nor a function."""
    if not callable(kernel) and kernel not in KERNELS:
        raise EstimatorError(
            f"kernel must be one of {', '.join(KERNELS)}, or a function of two rows, "
            f"got {kernel!r}."
        )


def kernel_options(
    kernel: Any, X: Any, weights: np.ndarray, *, gamma: Any, degree: float, coef0: float
) -> dict[str, Any]:
    """Settings that a kernel has, ``gamma`` as a number.

    ``gamma="scale"`` is 1 / (d · variance of X's entries), the rows weighted; ``"auto"`` is 1 / d.
    """
    if kernel not in ("rbf", "poly"):
        return {}
    if gamma == "scale":
        total = weights.sum() * X.shape[1]
        mean = (X.T @ weights).sum() / total
        squares = X.multiply(X) if sparse.issparse(X) else X**2
        variance = (squares.T @ weights).sum() / total - mean**2
        gamma = 1.0 / (X.shape[1] * variance) if variance > 0 else 1.0
    elif gamma == "auto":
        gamma = 1.0 / X.shape[1]
    elif isinstance(gamma, str) or not gamma > 0:
        raise EstimatorError(f"gamma must be positive, 'scale' or 'auto', got {gamma!r}.")
    options = {"gamma": float(gamma)}
    return options if kernel == "rbf" else options | {"degree": degree, "coef0": coef0}


def kernel_matrix(X: Any, Y: Any, kernel: Any, options: dict[str, Any]) -> np.ndarray:
    """k(x, y) for all rows, (n, m)."""
    name = "polynomial" if isinstance(kernel, str) and kernel == "poly" else kernel
    return np.asarray(pairwise_kernels(X, Y, metric=name, **options))


def kernel_values(X: Any, product: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Values of a function of kernel rows, a block of X at a time."""
    parts = [product(X[start : start + BLOCK]) for start in range(0, X.shape[0], BLOCK)]
    return np.concatenate(parts)


def nystroem(
    kernel: Any, options: dict[str, Any], *, components: int, random_state: Any
) -> Nystroem:
    """Features whose inner products approximate the kernel."""
    name = "polynomial" if isinstance(kernel, str) and kernel == "poly" else kernel
    return Nystroem(name, n_components=components, random_state=random_state, **options)
