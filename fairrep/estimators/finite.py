"""Missing and infinite numbers are refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from fairrep.errors import EstimatorError


def check_finite(values: Any, name: str) -> None:
    """Raise where numbers are missing or infinite.

    Args:
        values: (n,) or (n, d) numbers, an array or a sparse matrix.
        name: what to call them.
    """
    numbers = values.data if sparse.issparse(values) else np.asarray(values)
    if numbers.dtype.kind != "f" or np.isfinite(numbers).all():
        return
    missing, infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    found = " and ".join(
        f"{count:,} {what}" for count, what in ((missing, "NaN"), (infinite, "inf")) if count
    )
    raise EstimatorError(
        f"{name} must be finite numbers, got {found}; impute them or leave these rows out."
    )
