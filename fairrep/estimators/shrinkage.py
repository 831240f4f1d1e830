"""A quadratic penalty on ⟨w, u⟩ is a shrinkage of the data along u."""

from __future__ import annotations

import numpy as np

from fairrep.estimators.mean_differences import orthonormal_basis


def shrinkage(gram: np.ndarray, multipliers: np.ndarray | None, *, scale: float) -> np.ndarray:
    r"""Matrix W (m, m) such that :math:`I - U W U^\top` is the inverse of the penalised metric.

    Minimising :math:`\|w\|^2 / 2 + \sum_k \mu_k \langle w, u_k\rangle^2 / 2` plus a loss is
    minimising :math:`\|v\|^2 / 2` plus the same loss on rows shrunk by the square root of
    :math:`(I + U \operatorname{diag}(\mu) U^\top)^{-1} = I - U W U^\top`.
    With all μ infinite (``None``) that is the projection on what is orthogonal to every u.

    Args:
        gram: (m, m) inner products of the u.
        multipliers: (m,) μ ≥ 0, or ``None`` for infinite ones.
        scale: mean squared length of a row, against which the u may be rounding.
    """
    if multipliers is None:
        basis = orthonormal_basis(gram, scale=scale)
        return basis @ basis.T
    root = np.sqrt(multipliers)
    inner = np.eye(len(root)) + root[:, None] * gram * root
    return root[:, None] * np.linalg.inv(inner) * root
