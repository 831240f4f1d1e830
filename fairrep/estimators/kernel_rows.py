"""Rows known by their kernel, shrunk along mean differences."""

from __future__ import annotations

import numpy as np

from fairrep.estimators.shrinkage import shrinkage

BLOCK = 1024


class KernelRows:
    r"""The kernel of shrunk rows, :math:`\tilde K = K - (K A)\, W\, (K A)^\top`.

    A vector v of the feature space is held by its coordinates α, v = Σ α_i φ̃_i.
    ``K`` is changed in place from one μ to the next, so that one n × n matrix is all there is.

    Args:
        K: (n, n) kernel of the rows, float64; overwritten.
        weights: (n, m) A, the mean differences as weights of rows.
    """

    def __init__(self, K: np.ndarray, weights: np.ndarray) -> None:
        self.A = weights
        self.KA = K @ weights  # (n, m), of the plain kernel
        self.gram = weights.T @ self.KA
        self.gram = (self.gram + self.gram.T) / 2
        self.scale = float(np.trace(K)) / len(K)
        self.kernel = K
        self.W = np.zeros_like(self.gram)

    @property
    def width(self) -> int:
        """Length of the coordinates."""
        return len(self.kernel)

    def shrink(self, multipliers: np.ndarray | None) -> None:
        """Set μ; ``None`` projects the span of the mean differences out."""
        W = shrinkage(self.gram, multipliers, scale=self.scale)
        step = self.KA @ (W - self.W)  # (n, m)
        for start in range(0, len(step), BLOCK):
            self.kernel[start : start + BLOCK] -= step[start : start + BLOCK] @ self.KA.T
        self.W = W

    def values(self, coordinates: np.ndarray) -> np.ndarray:
        """⟨v, φ̃_i⟩ of every row, (n,)."""
        return self.kernel @ coordinates

    def adjoint(self, r: np.ndarray) -> np.ndarray:
        """Coordinates of Σ r_i φ̃_i."""
        return r

    def dot(self, v: np.ndarray, w: np.ndarray) -> float:
        """Inner product of two vectors in the feature space."""
        return float(v @ (self.kernel @ w))

    def plain(self, coordinates: np.ndarray) -> np.ndarray:
        """Coefficients of the same function on the plain kernel: f(x) = Σ c_i k(x_i, x). (n,)."""
        return coordinates - self.A @ (self.W @ (self.KA.T @ coordinates))

    def gaps(self, coordinates: np.ndarray) -> np.ndarray:
        """The mean differences ⟨w, u_k⟩ of a solution. (m,)."""
        return self.KA.T @ self.plain(coordinates)
