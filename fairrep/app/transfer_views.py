"""Rows in every representation that the transfer protocol compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fairrep.data import PreparedData
from fairrep.encoders import Encoder, OneHotInput
from fairrep.encoders.saved import cardinalities
from fairrep.evaluation import View
from fairrep.functional.mean_projection import mean_difference_directions, project_out

ROWS = 65_536  # on the device at a time


class Views:
    """Show rows through the encoders, as raw one-hot features, and as a fair projection of them.

    Args:
        data: whose training rows fit the projection.
        encoders: by name.
        names: which representations are wanted; encoders that are absent are left out.
        device: where heads are trained.
    """

    def __init__(
        self,
        data: PreparedData,
        encoders: Mapping[str, Encoder],
        names: Sequence[str],
        *,
        device: torch.device | str,
    ) -> None:
        self.encoders = {
            name: encoder.to(device).eval() for name, encoder in encoders.items() if name in names
        }
        self.names = [name for name in names if name in encoders or name in ("raw", "linear")]
        self.sizes = cardinalities(data.schema)
        self.one_hot, self.device = OneHotInput(self.sizes), device
        if "linear" in names:
            train = data.train
            self.basis = mean_difference_directions(
                self.one_hot(train.x), train.s, groups=len(data.groups)
            )

    @torch.no_grad()
    def of(self, x: Tensor) -> dict[str, View]:
        """Every representation of preprocessed rows (n, p)."""
        return {name: self._view(name, x) for name in self.names}

    def _view(self, name: str, x: Tensor) -> View:
        if name in self.encoders:
            parts = [self.encoders[name](rows.to(self.device)) for rows in x.split(ROWS)]
            return View(torch.cat(parts))
        wide = self.one_hot(x)
        if name == "linear":
            return View(project_out(wide, self.basis).to(self.device))
        codes = tuple(size > 0 for size in self.sizes)
        return View(wide.to(self.device), table=x.numpy(), categorical=codes)
