"""Rows of explicit features, dense or sparse, shrunk along mean differences: never n × n."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from fairrep.estimators.mean_differences import orthonormal_basis
from fairrep.estimators.shrinkage import shrinkage


class LinearRows:
    r"""Rows x ↦ S x with :math:`S = (I + U \operatorname{diag}(\mu) U^\top)^{-1/2}`, as operators.

    S is the identity but for the span of U, so X is never changed nor copied.

    Args:
        X: (n, d) features, an array or a sparse matrix.
        weights: (n, m) the mean differences as weights of rows; U = Xᵀ weights.
    """

    def __init__(self, X: Any, weights: np.ndarray) -> None:
        self.X = X
        self.U = np.asarray(X.T @ weights)  # (d, m)
        self.gram = self.U.T @ self.U
        squares = X.multiply(X).sum() if sparse.issparse(X) else np.einsum("ij,ij->", X, X)
        self.scale = float(squares) / X.shape[0]
        basis = self.U @ orthonormal_basis(self.gram, scale=self.scale)
        self.basis = np.linalg.qr(basis)[0]  # (d, r)
        self.shrink(np.zeros(weights.shape[1]))

    @property
    def width(self) -> int:
        """Length of the coordinates."""
        return int(self.X.shape[1])

    def shrink(self, multipliers: np.ndarray | None) -> None:
        """Set μ; ``None`` projects the span of U out."""
        W = shrinkage(self.gram, multipliers, scale=self.scale)
        inside = self.basis.T @ self.U
        sizes, vectors = np.linalg.eigh(np.eye(inside.shape[0]) - inside @ W @ inside.T)
        factors = np.sqrt(np.clip(sizes, 0.0, 1.0))
        if multipliers is None:
            factors = np.zeros_like(factors)
        self.axes, self.lost = self.basis @ vectors, 1.0 - factors

    def plain(self, v: np.ndarray) -> np.ndarray:
        """Weights S v of the features as they came; S is symmetric. (d, ...)."""
        return v - self.axes @ (self.lost * (self.axes.T @ v).T).T

    def values(self, v: np.ndarray) -> np.ndarray:
        """⟨v, S x⟩ of every row, (n,)."""
        return np.asarray(self.X @ self.plain(v))

    def adjoint(self, r: np.ndarray) -> np.ndarray:
        """Σ r_i S x_i, (d,)."""
        return self.plain(np.asarray(self.X.T @ r))

    def dot(self, v: np.ndarray, w: np.ndarray) -> float:
        """Inner product of two coordinate vectors."""
        return float(v @ w)

    def weighted_gram(self, weights: np.ndarray) -> np.ndarray:
        """Σ weights_i (S x_i)(S x_i)ᵀ, (d, d)."""
        if sparse.issparse(self.X):
            plain = (self.X.T @ self.X.multiply(weights[:, None]).tocsr()).toarray()
        else:
            plain = self.X.T @ (weights[:, None] * self.X)
        return self.plain(self.plain(plain).T)

    def dense(self) -> np.ndarray:
        """All rows S x as an array, (n, d)."""
        X = self.X.toarray() if sparse.issparse(self.X) else self.X
        return X - ((X @ self.axes) * self.lost) @ self.axes.T

    def gaps(self, v: np.ndarray) -> np.ndarray:
        """The mean differences ⟨w, u_k⟩ of a solution v, w = S v. (m,)."""
        return self.U.T @ self.plain(v)
