"""Finite-sample inequalities behind certificates; proofs in docs/certificates.md.

Rows within a group are independent draws from the group, and nothing about the encoder depends on
them. Every bound then fails with probability δ at most, whatever the laws.
"""

from __future__ import annotations

import math
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from fairrep.functional.binomial_difference import binomial_difference_upper_bound, mcdiarmid_slack
from fairrep.functional.total_variation import total_variation

Method = Literal["exact", "mcdiarmid"]
METHODS = ("exact", "mcdiarmid")


def total_variation_upper_bound(
    p_hat: Float[Tensor, " K"],
    q_hat: Float[Tensor, " K"],
    n_p: int,
    n_q: int,
    *,
    delta: float,
    method: Method = "exact",
) -> float:
    r"""Upper bound on the total variation of two laws on K cells from the shares of their rows.

    ``mcdiarmid`` returns :math:`\widehat{TV} + \sqrt{\ln(1/\delta)(1/n_p + 1/n_q)/2}`, for rows of
    probabilities of cells too. Proof: (i) total variation is convex, so TV ≤ E[TV̂];
    (ii) replacing a row of a group of n moves TV̂ by 1/n at most (McDiarmid).

    ``exact`` needs one cell a row and has about two thirds of that slack. Proof: (i) let
    A = {k: p_k > q_k}; then TV = p(A) - q(A), and TV̂ ≥ p̂(A) - q̂(A), which is a difference of two
    binomial proportions; (ii) so TV̂ is stochastically larger than that, and the difference's upper
    bound (:func:`binomial_difference_upper_bound`), which rises in what was observed, may be taken
    at TV̂. A is unknown but fixed: there is no union over events, and no term in K. K costs only
    through TV̂, which is too large on average.

    Args:
        p_hat: shares of the cells among the rows of one group.
        q_hat: those of the other.
        n_p: rows of the one group.
        n_q: rows of the other.
        delta: probability with which the bound may fail, in (0, 1).
        method: ``exact`` or ``mcdiarmid``.

    Returns:
        The bound, at most 1.

    Raises:
        ValueError: a value out of range; for ``exact``, shares that are no multiples of 1/n.

    Ref: McDiarmid (1989); Buehler (1957), JASA 52, for the exact bound's inversion.
    """
    _check(n_p, n_q, delta)
    for shares in (p_hat, q_hat):
        if abs(float(shares.sum()) - 1) > 1e-4:
            raise ValueError(f"shares of cells must add up to 1, got {float(shares.sum()):.6g}.")
    distance = float(total_variation(p_hat.double(), q_hat.double()))
    if method == "mcdiarmid":
        return min(1.0, distance + mcdiarmid_slack(n_p, n_q, delta=delta))
    if method != "exact":
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got '{method}'.")
    p, q = (_whole_rows(shares, rows) for shares, rows in ((p_hat, n_p), (q_hat, n_q)))
    distance = float(total_variation(p / n_p, q / n_q))
    return binomial_difference_upper_bound(distance, n_p, n_q, delta=delta)


def rkhs_gap_upper_bound(
    mmd: float, n_a: int, n_b: int, *, delta: float, norm: float = 1.0, kernel_bound: float = 1.0
) -> float:
    r"""Upper bound on a mean-score gap of heads in an RKHS, from the groups' empirical MMD.

    For every h with :math:`\|h\| \le B`: :math:`|E_a h - E_b h| \le B\,(\widehat{MMD} +
    \sqrt{\kappa\ln(1/\delta)(1/n_a + 1/n_b)})`. Proof: (i) the gap is at most B MMD
    (Cauchy–Schwarz), and MMD ≤ E[MMD̂] (a norm is convex); (ii) a row moves MMD̂ by
    √(2κ)/n at most, as 0 ≤ k ≤ κ (McDiarmid).

    Args:
        mmd: MMD (not squared) of the two samples, biased (the norm of the mean embeddings'
            difference).
        n_a: rows of one group.
        n_b: rows of the other.
        delta: probability with which the bound may fail, in (0, 1).
        norm: B, in units of the score.
        kernel_bound: κ, an upper bound of the kernel, whose values are ≥ 0.

    Ref: Gretton et al. (2012), JMLR 13.
    """
    _check(n_a, n_b, delta)
    return norm * (mmd + math.sqrt(kernel_bound * math.log(1 / delta) * (1 / n_a + 1 / n_b)))


def linear_gap_upper_bound(
    mean_distance: float, n_a: int, n_b: int, *, delta: float, radius: float, norm: float = 1.0
) -> float:
    r"""Upper bound on a mean-score gap of linear heads, from the distance of the groups' means.

    For every w with :math:`\|w\| \le B`, where :math:`\|z\| \le R` surely:
    :math:`|E_a w'z - E_b w'z| \le B\,(\|\hat\mu_a - \hat\mu_b\| + R\sqrt{2\ln(1/\delta)(1/n_a +
    1/n_b)})`. Proof as for :func:`rkhs_gap_upper_bound`: a row moves the distance by 2R/n at most.

    Args:
        mean_distance: Euclidean distance of the two samples' means.
        n_a: rows of one group.
        n_b: rows of the other.
        delta: probability with which the bound may fail, in (0, 1).
        radius: R, in units of z.
        norm: B, units of the score per unit of z.
    """
    _check(n_a, n_b, delta)
    slack = radius * math.sqrt(2 * math.log(1 / delta) * (1 / n_a + 1 / n_b))
    return norm * (mean_distance + slack)


def ks_upper_bound(ks: float, n_a: int, n_b: int, *, delta: float) -> float:
    r"""Upper bound on a score's gap at every threshold, from the groups' KS distance.

    :math:`\sup_t|F_a - F_b| \le \widehat{KS} + \sqrt{\ln(1/\delta)(1/n_a + 1/n_b)/2}`. Proof as
    for total variation: a supremum of absolute values is convex, and a row moves it by 1/n at most.
    About half as wide as :func:`dkw_ks_upper_bound`.

    Args:
        ks: KS distance of the two samples.
        n_a: rows of one group.
        n_b: rows of the other.
        delta: probability with which the bound may fail, in (0, 1).
    """
    _check(n_a, n_b, delta)
    return min(1.0, ks + mcdiarmid_slack(n_a, n_b, delta=delta))


def dkw_ks_upper_bound(ks: float, n_a: int, n_b: int, *, delta: float) -> float:
    r"""Upper bound on the KS distance by a band around each group's distribution function.

    :math:`\widehat{KS} + \sqrt{\ln(4/\delta)/2}\,(n_a^{-1/2} + n_b^{-1/2})`: the inequality of
    Dvoretzky, Kiefer and Wolfowitz with Massart's constant, δ/2 a group, and the triangle
    inequality. Here to be compared with; :func:`ks_upper_bound` is never wider.

    Args:
        ks: KS distance of the two samples.
        n_a: rows of one group.
        n_b: rows of the other.
        delta: probability with which the bound may fail, in (0, 1).

    Ref: Massart (1990), Annals of Probability 18.
    """
    _check(n_a, n_b, delta)
    return min(1.0, ks + math.sqrt(math.log(4 / delta) / 2) * (n_a**-0.5 + n_b**-0.5))


def delta_per_statement(
    delta: float, *, groups: int = 2, candidates: int = 1, tasks: int = 1
) -> float:
    r"""Share of δ for each of several statements that are to hold at once (union bound).

    :math:`\delta / (M T G(G-1)/2)`: a statement for every pair of G groups, every one of T tasks
    and every one of M candidates that are compared on the same rows.

    Args:
        delta: probability with which any of them may fail, in (0, 1).
        groups: G.
        candidates: M.
        tasks: T.

    Raises:
        ValueError: a value out of range.
    """
    for name, value, least in (
        ("groups", groups, 2),
        ("candidates", candidates, 1),
        ("tasks", tasks, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}.")
    _check_delta(delta)
    return delta / (candidates * tasks * groups * (groups - 1) / 2)


def _whole_rows(shares: Tensor, rows: int) -> Tensor:
    counts = shares.double() * rows
    whole = counts.round()
    if float((counts - whole).abs().max()) > 1e-6 * rows + 1e-3:
        raise ValueError(
            "the exact bound needs one cell a row, but the shares are no multiples of 1/n; use "
            "method='mcdiarmid' for probabilities of cells."
        )
    return whole


def _check(n: int, m: int, delta: float) -> None:
    if min(n, m) < 1:
        raise ValueError(f"a bound needs rows on both sides, got {n} and {m}.")
    _check_delta(delta)


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie strictly between 0 and 1, got {delta}.")
