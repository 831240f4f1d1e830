"""Certificates for encoders, from rows that neither trained nor selected them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fairrep.encoders import Encoder, TableEncoder
from fairrep.errors import ConfigError, DataError
from fairrep.evaluation.certificate import Certificate
from fairrep.functional import bounds, mmd2
from fairrep.functional.group_distributions import ks_distance
from fairrep.functional.total_variation import cell_shares, total_variation

ROWS = 65_536  # on the device at a time
Table = pd.DataFrame | np.ndarray | Tensor
Labels = Sequence[str] | np.ndarray | Tensor
Compare = Callable[[Tensor, Tensor, float], tuple[float, float]]
"""(rows of one group, of another, δ) → (distance, bound)."""


def certify(
    encoder: Encoder | TableEncoder,
    x: Table,
    s: Labels,
    *,
    delta: float,
    candidates: int = 1,
    groups: Sequence[str] | None = None,
    positive: Mapping[str, Labels] | None = None,
    method: bounds.Method = "exact",
) -> Certificate:
    """Bound the demographic-parity difference of any model on the cells of an encoder.

    With probability 1 - δ the bound holds for all pairs of groups, whatever is computed from the
    cell, for whatever task; see :func:`fairrep.functional.bounds.total_variation_upper_bound` and
    docs/certificates.md. No labels are needed.

    Args:
        encoder: with cells (``encoder=cells``), trained, in whatever mode.
        x: calibration rows: a table (a ``TableEncoder`` alone reads one), or the preprocessed
            matrix (n, p) as a tensor.
        s: their groups, as names or as codes of ``groups``; rows of other groups (code -1) are
            left out.
        delta: probability with which the certificate may fail, in (0, 1).
        candidates: how many certificates of encoders are computed on these rows, if the choice
            between them looks at the certificates; 1 if validation rows chose.
        groups: names of the groups; by default the encoder's own.
        positive: one task's name and its labels; then the bound is of equal opportunity, from the
            rows with label 1.
        method: ``exact``, or ``mcdiarmid`` to compare with.

    Raises:
        ConfigError: an encoder without cells, δ out of range.
        DataError: a group without rows.
        CertificateError: rows that the encoder was trained or selected on.
    """
    network = encoder.encoder if isinstance(encoder, TableEncoder) else encoder
    if network.cells is None:
        raise ConfigError(
            "a certificate for any model needs an encoder that releases cells, got "
            f"'{network.architecture['name']}'; train with encoder=cells, or quantize this one."
        )
    names = _names(encoder, groups)
    rows, codes = _rows(encoder, x), _codes(s, names)
    rows, codes, about = _conditioned(rows, codes, positive)
    cells = _represent(network, rows)  # (n, K)

    def compare(one: Tensor, other: Tensor, share: float) -> tuple[float, float]:
        p, q = cell_shares(one.double()), cell_shares(other.double())
        bound = bounds.total_variation_upper_bound(
            p, q, len(one), len(other), delta=share, method=method
        )
        return float(total_variation(p, q)), bound

    used = int((cells.sum(0) > 0).sum())
    found = _largest(cells, codes, names, compare, delta=delta, candidates=candidates)
    return Certificate(
        "cell",
        **found,
        **about,
        release=network.cells.release,
        cells=(network.cells.count, used),
        method=method,
    )


def certify_rkhs(
    encoder: Encoder | TableEncoder,
    x: Table,
    s: Labels,
    *,
    delta: float,
    bandwidth: float,
    norm: float,
    candidates: int = 1,
    groups: Sequence[str] | None = None,
) -> Certificate:
    """Bound the difference in mean score of every head of bounded norm on a continuous z.

    Heads h in the space of the Gaussian kernel with ``‖h‖ ≤ norm``; see
    :func:`fairrep.functional.bounds.rkhs_gap_upper_bound`.

    Args:
        encoder: any.
        x: calibration rows, as for :func:`certify`.
        s: their groups.
        delta: probability with which the certificate may fail, in (0, 1).
        bandwidth: σ of the kernel, in units of the standardised z, chosen without these rows.
        norm: B, in units of the score.
        candidates: as for :func:`certify`.
        groups: names of the groups; by default the encoder's own.

    Raises:
        ConfigError: a value out of range.
        DataError: a group without rows.
        CertificateError: rows that the encoder was trained or selected on.
    """
    if bandwidth <= 0 or norm <= 0:
        raise ConfigError(f"bandwidth and norm must be > 0, got {bandwidth} and {norm}.")
    network = encoder.encoder if isinstance(encoder, TableEncoder) else encoder
    names = _names(encoder, groups)
    rows, codes = _rows(encoder, x), _codes(s, names)

    def compare(one: Tensor, other: Tensor, share: float) -> tuple[float, float]:
        square = mmd2(one.double(), other.double(), bandwidth=bandwidth, estimator="biased")
        mmd = float(square.clamp_min(0).sqrt())  # below 0 by rounding alone
        bound = bounds.rkhs_gap_upper_bound(
            mmd, len(one), len(other), delta=share, kernel_bound=1.0, norm=norm
        )
        return norm * mmd, bound

    z = _represent(network, rows)
    found = _largest(z, codes, names, compare, delta=delta, candidates=candidates)
    return Certificate("rkhs", **found, method="mcdiarmid", norm=norm)


def certify_score(
    scores: Float[Tensor, " n"] | np.ndarray,
    s: Labels,
    *,
    groups: Sequence[str],
    delta: float,
    candidates: int = 1,
    method: bounds.Method = "exact",
) -> Certificate:
    """Bound the demographic-parity difference of one given score at every threshold at once.

    Args:
        scores: of calibration rows, by a head that was fitted without them.
        s: their groups, as names or codes of ``groups``.
        groups: names of the groups.
        delta: probability with which the certificate may fail, in (0, 1).
        candidates: as for :func:`certify`.
        method: as for :func:`certify`.

    Raises:
        ConfigError: a value out of range.
        DataError: a group without rows.
    """

    def compare(one: Tensor, other: Tensor, share: float) -> tuple[float, float]:
        distance = float(ks_distance(one, other))
        bound = bounds.ks_upper_bound(distance, len(one), len(other), delta=share, method=method)
        return distance, bound

    values, codes = torch.as_tensor(scores), _codes(s, tuple(groups))
    found = _largest(values, codes, groups, compare, delta=delta, candidates=candidates)
    return Certificate("score", **found, method=method)


def _largest(
    rows: Tensor,
    codes: Int[Tensor, " n"],
    groups: Sequence[str],
    compare: Compare,
    *,
    delta: float,
    candidates: int,
) -> dict[str, Any]:
    """Compare every pair of groups at its share of δ; the largest bound leads."""
    if len(rows) != len(codes):
        raise DataError(f"every row needs its group, got {len(rows)} rows, {len(codes)} groups.")
    counts = {name: int((codes == g).sum()) for g, name in enumerate(groups)}
    if absent := [name for name, count in counts.items() if count == 0]:
        raise DataError(
            f"a certificate compares all groups, but no row is of {', '.join(absent)}; give "
            "more rows."
        )
    try:
        share = bounds.delta_per_statement(delta, groups=len(groups), candidates=candidates)
    except ValueError as problem:
        raise ConfigError(f"a certificate's {problem}") from problem
    pairs = {}
    for (g, one), (h, other) in combinations(enumerate(groups), 2):
        distance, bound = compare(rows[codes == g], rows[codes == h], share)
        pairs[f"{one} | {other}"] = {"distance": distance, "bound": bound}
    leading = max(pairs.values(), key=lambda pair: pair["bound"])
    return {
        **leading,
        "delta": delta,
        "candidates": candidates,
        "groups": counts,
        "pairs": pairs,
    }


def _names(encoder: Encoder | TableEncoder, groups: Sequence[str] | None) -> tuple[str, ...]:
    known = encoder.groups if isinstance(encoder, TableEncoder) else ()
    names = tuple(groups if groups is not None else known)
    if len(names) < 2:
        raise ConfigError(f"a certificate compares at least two groups, got {list(names)}.")
    return names


def _rows(encoder: Encoder | TableEncoder, x: Table) -> Float[Tensor, "n p"]:
    """Preprocessed rows, none of which the encoder was fitted on."""
    if isinstance(x, Tensor):
        rows = x
    elif isinstance(encoder, TableEncoder):
        rows = torch.from_numpy(encoder.schema.encode(x))
    else:
        raise ConfigError("an encoder without its schema reads a preprocessed tensor, not a table.")
    if isinstance(encoder, TableEncoder) and encoder.fitted is not None:
        encoder.fitted.refuse(rows.cpu().numpy())
    return rows


def _codes(s: Labels, groups: Sequence[str]) -> Int[Tensor, " n"]:
    """Codes of the groups' names; -1 for any other."""
    values = s.numpy() if isinstance(s, Tensor) else np.asarray(s)
    if not np.issubdtype(values.dtype, np.integer):
        values = pd.Index(list(groups)).get_indexer(pd.Index(values.astype(str)))
    return torch.from_numpy(values.astype(np.int64))


def _conditioned(
    rows: Tensor, codes: Tensor, positive: Mapping[str, Labels] | None
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Keep the rows with label 1 of a task, if one is named."""
    if positive is None:
        return rows, codes, {}
    if len(positive) != 1:
        raise ConfigError(f"equal opportunity is of one task, got {list(positive)}.")
    ((task, labels),) = positive.items()
    keep = torch.as_tensor(np.asarray(labels)) == 1
    return rows[keep], codes[keep], {"notion": "equal_opportunity", "task": task}


@torch.no_grad()
def _represent(encoder: Encoder, rows: Tensor) -> Tensor:
    """What is released of the rows, in evaluation mode."""
    was_training, device = encoder.training, encoder.normalise.mean.device
    encoder.eval()
    try:
        return torch.cat([encoder(part.to(device)).cpu() for part in rows.split(ROWS)])
    finally:
        encoder.train(was_training)
