"""fairrep: deep fair representation learning in PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairrep.app.fair_encoder import FairEncoder
    from fairrep.encoders import TableEncoder, load_encoder

__version__ = "0.1.0"
__all__ = ["FairEncoder", "TableEncoder", "__version__", "load_encoder"]

HEAVY = {
    "FairEncoder": "fairrep.app.fair_encoder",
    "TableEncoder": "fairrep.encoders",
    "load_encoder": "fairrep.encoders",
}


def __getattr__(name: str) -> Any:
    """Import the heavy parts when they are first asked for."""
    if name in HEAVY:
        return getattr(import_module(HEAVY[name]), name)
    raise AttributeError(f"module 'fairrep' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Names with those that are not imported yet."""
    return sorted({*globals(), *HEAVY})
