"""fairrep: deep fair representation learning in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairrep.encoders import TableEncoder, load_encoder

__version__ = "0.1.0"
__all__ = ["TableEncoder", "__version__", "load_encoder"]


def __getattr__(name: str) -> Any:
    """Import the heavy parts when they are first asked for."""
    if name in ("TableEncoder", "load_encoder"):
        from fairrep import encoders

        return getattr(encoders, name)
    raise AttributeError(f"module 'fairrep' has no attribute '{name}'")
