"""Cells for an encoder that was trained without: the nearest of K centres."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from fairrep.encoders.cells import Cells
from fairrep.encoders.encoder import Encoder, cells_architecture
from fairrep.encoders.saved import TableEncoder
from fairrep.errors import ConfigError


def quantize(
    encoder: TableEncoder,
    x: pd.DataFrame | np.ndarray | Tensor,
    *,
    cells: int,
    seed: int,
    release: str = "argmax",
) -> TableEncoder:
    r"""Release the cell of the nearest of K centres in place of a continuous z.

    The centres are those of K-means on the given rows. The most probable cell is the nearest
    centre's: the logits are :math:`z'c_k - \|c_k\|^2/2`, the softmax is that of
    :math:`-\|z - c_k\|^2/2`.

    Args:
        encoder: continuous, trained; it stays as it is.
        x: training rows, a table or the preprocessed matrix (n, p): not calibration rows.
        cells: K, from 2 to the number of different z.
        seed: of K-means.
        release: ``argmax`` or ``draw``.

    Raises:
        ConfigError: an encoder that has cells, or fewer different rows than cells.
    """
    if encoder.encoder.cells is not None:
        raise ConfigError("quantize needs a continuous encoder, but this one has cells already.")
    rows = x if isinstance(x, Tensor) else torch.from_numpy(encoder.schema.encode(x))
    network = copy.deepcopy(encoder.encoder).eval()
    with torch.no_grad():
        z = network(rows.to(network.normalise.mean.device)).double().cpu()
    layer = Cells(network.dim, cells, release=release, usage=0.0, recall=None)
    if (different := len(torch.unique(z, dim=0))) < cells:
        raise ConfigError(
            f"{cells} cells need as many different z, but these rows have {different}."
        )
    found = KMeans(cells, n_init=4, random_state=seed % 2**32).fit(z.numpy())
    centres = torch.from_numpy(found.cluster_centers_)  # (K, d)
    with torch.no_grad():
        layer.map.weight.copy_(centres)
        layer.map.bias.copy_(-centres.square().sum(1) / 2)
    options = {"cells": cells, "release": release, "usage": 0.0, "recall": None}
    architecture = cells_architecture(network.architecture, **options)
    whole = Encoder(network.inputs, network.trunk, network.dim, architecture, layer)
    whole.normalise = network.normalise
    return TableEncoder(
        whole.to(network.normalise.mean.device).eval(),
        encoder.schema,
        tasks=encoder.tasks,
        groups=encoder.groups,
        fitted=encoder.fitted,
    )
