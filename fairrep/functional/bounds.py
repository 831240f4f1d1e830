r"""Upper confidence bounds behind certificates: from what calibration rows show to all people.

Every bound holds with probability at least 1 - delta over n_a and n_b independent calibration rows
of two groups, rows that neither trained nor selected what is certified. Most have one proof:

- an estimate that is convex in the empirical laws lies above the truth on average (Jensen);
- replacing one row of group s moves it by at most c_s, so by McDiarmid it lies more than r below
  its mean with probability at most :math:`\exp(-2 r^2 / (n_a c_a^2 + n_b c_b^2))`.

docs/certificates.md has the proofs in full and what the bounds are worth.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.binomial_difference import binomial_difference_upper_bound
from fairrep.functional.inputs import (
    require_choice,
    require_count,
    require_positive_scale,
    require_probability,
)
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
    r"""Upper bound of the total variation between the cells' laws in two groups.

    What any model that sees the cell alone can have as demographic-parity difference, whatever it
    predicts. With :math:`\widehat{TV} = \frac12 \sum_k |\hat p_k - \hat q_k|`, the smaller of 1 and

    - "mcdiarmid": :math:`\widehat{TV} + \sqrt{\ln(1/\delta)/2 \cdot (1/n_p + 1/n_q)}`, since one
      row moves the estimate by at most 1/n_s. For hard cells and for soft ones (rows are
      probabilities of cells);
    - "exact": ``binomial_difference_upper_bound`` at the estimate, about a third less slack. For
      hard cells only. Let A be the cells with p_k > q_k: TV = p(A) - q(A), a difference of two
      binomial proportions, since A is unknown but fixed, and the estimate is at least its
      empirical value.

    Neither has a term in K: more cells cost through the estimate's upward bias alone.
    Dimensionless.

    Args:
        p_hat: Mean over calibration rows of one group of the cells' probabilities (or one-hots).
        q_hat: The same in the other group.
        n_p: Number of rows behind p_hat.
        n_q: Number of rows behind q_hat.
        delta: Probability of failure.
        method: "exact" or "mcdiarmid".

    Raises:
        ValueError: Laws that are not on the same cells or do not sum to 1, soft cells with
            "exact", numbers out of their range.

    The surprise: choosing the smaller of the two methods afterwards is free, for "exact" is never
    the larger.

    Ref: McDiarmid (1989), Surveys in Combinatorics, Lemma 1.2; docs/certificates.md.
    """
    require_choice(method, METHODS, name="method")
    require_probability(delta, name="delta")
    p, q = (_law(law, name=name) for law, name in ((p_hat, "p_hat"), (q_hat, "q_hat")))
    width = _width(n_p, n_q, delta, names=("n_p", "n_q"))
    estimate = float(total_variation(p, q))
    if method == "mcdiarmid":
        return min(1.0, estimate + width)
    a, b = _counts(p, n_p, name="p_hat"), _counts(q, n_q, name="q_hat")
    apart = sum(abs(n_q * x - n_p * y) for x, y in zip(a, b))  # whole numbers: no rounding
    return binomial_difference_upper_bound(apart / (2 * n_p * n_q), n_p, n_q, delta=delta)


def ks_upper_bound(
    ks: float, n_a: int, n_b: int, *, delta: float, method: Method = "mcdiarmid"
) -> float:
    r"""Upper bound of the Kolmogorov-Smirnov distance of one head's scores in two groups.

    The largest demographic-parity difference over all thresholds. The smaller of 1 and

    - "mcdiarmid": :math:`\widehat{KS} + \sqrt{\ln(1/\delta)/2 \cdot (1/n_a + 1/n_b)}`: the distance
      is a supremum of absolute differences, hence convex, and one row moves it by at most 1/n_s;
    - "exact": ``binomial_difference_upper_bound`` at the estimate: the threshold of the largest
      true difference is unknown but fixed, and the estimate is at least the difference there.

    Dimensionless. At equal sizes and delta = 0.05, 0.58 and 0.40 times the width of
    ``dkw_ks_upper_bound``.

    Args:
        ks: Distance between the empirical distribution functions.
        n_a: Number of scores in one group.
        n_b: Number of scores in the other.
        delta: Probability of failure.
        method: "mcdiarmid" or "exact".

    Raises:
        ValueError: A number out of its range.

    Ref: McDiarmid (1989), Surveys in Combinatorics, Lemma 1.2; docs/certificates.md.
    """
    require_choice(method, METHODS, name="method")
    require_probability(delta, name="delta")
    _require_between(ks, 0, 1, name="ks")
    width = _width(n_a, n_b, delta)
    if method == "exact":
        return binomial_difference_upper_bound(ks, n_a, n_b, delta=delta)
    return min(1.0, ks + width)


def dkw_ks_upper_bound(ks: float, n_a: int, n_b: int, *, delta: float) -> float:
    r"""The classical bound of the Kolmogorov-Smirnov distance, for comparison.

    :math:`\widehat{KS} + \sqrt{\ln(4/\delta)/(2 n_a)} + \sqrt{\ln(4/\delta)/(2 n_b)}`, at most 1:
    each group's distribution function lies within its band with probability 1 - delta/2, and the
    triangle inequality adds the two. Arguments and errors are those of ``ks_upper_bound``.

    Ref: Massart (1990), Ann. Probab. 18, Corollary 1.
    """
    require_probability(delta, name="delta")
    _require_between(ks, 0, 1, name="ks")
    require_count(n_a, name="n_a")
    require_count(n_b, name="n_b")
    return min(1.0, ks + sum(math.sqrt(math.log(4 / delta) / (2 * n)) for n in (n_a, n_b)))


def rkhs_gap_upper_bound(
    mmd_v: float, n_a: int, n_b: int, *, delta: float, kernel_bound: float, norm: float
) -> float:
    r"""Upper bound of the gap of mean scores over all heads of bounded norm in an RKHS.

    :math:`B\,(\widehat{MMD}_V + \sqrt{\kappa \ln(1/\delta)(1/n_a + 1/n_b)})`, at most
    :math:`B\sqrt{2\kappa}`, for every h with :math:`\|h\|_H \le B` at once. The gap is
    :math:`\langle h, \mu_a - \mu_b \rangle \le B \cdot MMD`. A norm of means is convex, and one row
    moves a mean embedding by at most :math:`\sqrt{2\kappa}/n_s` where :math:`0 \le k \le \kappa`.
    In units of the scores.

    Args:
        mmd_v: Root of the biased (V) estimate of MMD^2, ``mmd2(..., estimator="biased")``.
        n_a: Number of rows in one group.
        n_b: Number of rows in the other.
        delta: Probability of failure.
        kernel_bound: Kappa: 0 <= k(u, v) <= kappa everywhere; 1 for "gaussian" and "imq".
        norm: B, the largest norm of a head.

    Raises:
        ValueError: A number out of its range.

    The surprise: the kernel, bandwidth included, must not come from the calibration rows.

    Ref: Gretton et al. (2012), JMLR 13, Theorem 7, one-sided and by Jensen in place of
    symmetrisation.
    """
    require_probability(delta, name="delta")
    require_positive_scale(kernel_bound, name="kernel_bound")
    require_positive_scale(norm, name="norm")
    largest = math.sqrt(2 * kernel_bound)
    _require_between(mmd_v, 0, largest, name="mmd_v")
    return norm * min(largest, mmd_v + largest * _width(n_a, n_b, delta))


def linear_gap_upper_bound(
    mean_distance: float, n_a: int, n_b: int, *, delta: float, radius: float, norm: float
) -> float:
    r"""Upper bound of the gap of mean scores over all linear heads of bounded norm.

    :math:`B\,(\|\hat\mu_a - \hat\mu_b\| + R\sqrt{2 \ln(1/\delta)(1/n_a + 1/n_b)})`, at most
    :math:`2BR`, for every w with :math:`\|w\| \le B` at once (an intercept changes nothing). By
    Cauchy and Schwarz the gap is at most :math:`B\|\mu_a - \mu_b\|`; a norm of means is convex, and
    one row moves a mean by at most :math:`2R/n_s`. In units of the scores.

    Args:
        mean_distance: Distance between the groups' calibration means.
        n_a: Number of rows in one group.
        n_b: Number of rows in the other.
        delta: Probability of failure.
        radius: R: no row of z is longer. Known beforehand, not read off the calibration rows.
        norm: B, the largest norm of a head.

    Raises:
        ValueError: A number out of its range.

    Ref: McDiarmid (1989), Surveys in Combinatorics, Lemma 1.2; docs/certificates.md.
    """
    require_probability(delta, name="delta")
    require_positive_scale(radius, name="radius")
    require_positive_scale(norm, name="norm")
    _require_between(mean_distance, 0, 2 * radius, name="mean_distance")
    return norm * min(2 * radius, mean_distance + 2 * radius * _width(n_a, n_b, delta))


def delta_per_statement(delta: float, *, groups: int, candidates: int = 1, tasks: int = 1) -> float:
    r"""Probability of failure for each statement, so that all of them fail with at most delta.

    :math:`\delta / (MT \cdot G(G-1)/2)`: a union bound over the pairs of G groups, the M candidates
    among which calibration rows were used to choose, and the T tasks with a statement of their own.

    Args:
        delta: Probability that any statement fails.
        groups: Number of groups, at least 2.
        candidates: Number of candidates compared on the calibration rows.
        tasks: Number of tasks with a statement of their own (equal opportunity); 1 for
            demographic parity, which names no task.

    Raises:
        ValueError: A number out of its range.
    """
    require_probability(delta, name="delta")
    for count, name in ((groups, "groups"), (candidates, "candidates"), (tasks, "tasks")):
        require_count(count, name=name)
    if groups < 2:
        raise ValueError(f"groups must be at least 2, got {groups}. A gap compares two groups.")
    return delta / (candidates * tasks * (groups * (groups - 1) // 2))


def _width(n: int, m: int, delta: float, *, names: tuple[str, str] = ("n_a", "n_b")) -> float:
    """McDiarmid's width for an estimate that one row of a group moves by one over its size."""
    for size, name in zip((n, m), names):
        require_count(size, name=name)
    return math.sqrt(math.log(1 / delta) / 2 * (1 / n + 1 / m))


def _law(law: Float[Tensor, " K"], *, name: str) -> Float[Tensor, " K"]:
    law = torch.as_tensor(law).detach().double().cpu()
    if law.dim() != 1 or not len(law) or not (law >= 0).all() or abs(law.sum() - 1) > 1e-5:
        raise ValueError(
            f"{name} must be probabilities of K cells that sum to 1, got shape "
            f"{tuple(law.shape)} and sum {law.sum().item():.6g}. Average one-hot or softmax rows."
        )
    return law


def _counts(law: Float[Tensor, " K"], n: int, *, name: str) -> Sequence[int]:
    """Rows in each cell, refused unless n rows in one cell each can have these means."""
    counts = (n * law).round()
    if (n * law - counts).abs().max() > min(1e-6 * n, 0.1) or counts.sum() != n:
        raise ValueError(
            f"{name} must be multiples of 1/{n} for method='exact', every row in one cell, got "
            f"{law.tolist()[:4]}… Use method='mcdiarmid' for soft cells."
        )
    return [int(count) for count in counts]


def _require_between(value: float, low: float, high: float, *, name: str) -> None:
    if not low <= value <= high * (1 + 1e-6):
        raise ValueError(
            f"{name} must lie between {low} and {high:.6g}, got {value}. "
            "Check the estimate and the bound it is given with."
        )
