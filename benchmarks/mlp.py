"""The plain network that the older figures are of: an MLP and a slow, patient optimiser."""

from __future__ import annotations

MLP = ["encoder=mlp", "optimizer.lr=0.002", "optimizer.patience=0"]
