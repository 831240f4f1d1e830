r"""An upper confidence bound for the difference of two binomial proportions, any nuisance.

Let X ~ Bin(n, u), Y ~ Bin(m, v) be independent, d = u - v and
:math:`F(t; d) = \sup_{u - v = d} P(X/n - Y/m \le t)`. F falls in d: given a pair with a larger
difference, lower u and raise v until the difference is d; the probability can only rise. Hence
:math:`U(t) = \sup\{d : F(t; d) > \delta\}` lies below d with probability at most delta.

A number d' >= U(t) is found in two steps: a search for U on a few pairs (u, v), then a proof of
:math:`F(t; d') \le \delta` for *all* pairs, interval by interval of v. On an interval
[v0, v1] with d fixed, two bounds hold:

- the corner: P at (v0 + d, v1) is at least P at (v + d, v), for X rises with u and Y with v;
- the slope: the smoothed probability, which lies above P, changes by at most L |v - v'|,
  with L as in ``_slope``. It does not grow with n, while the corner costs more and more.

Intervals where neither suffices are halved.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from fairrep.functional.binomial_tails import Difference, tails
from fairrep.functional.inputs import require_count, require_probability

SPILL = 1e-6  # share of delta that a window of values may leave out
SEARCH_STEPS = 11  # bisections: to 1/2048 of Hoeffding's width
FIRST_MARGIN = 0.004  # of Hoeffding's width, added to what the search found
MOST_INTERVALS = 8192

Ends = Float[Tensor, " B"]  # of intervals of v


@lru_cache(maxsize=1024)
def binomial_difference_upper_bound(difference: float, n: int, m: int, *, delta: float) -> float:
    r"""Upper bound of u - v from one observed difference X/n - Y/m.

    P(bound < u - v) <= delta for X ~ Bin(n, u) and Y ~ Bin(m, v), whatever u and v are, and for
    any observed ``difference`` that is never below X/n - Y/m. Between the sharpest bound that
    sees the difference alone and about one per cent of its slack above; never above Hoeffding's
    :math:`t + \sqrt{\ln(1/\delta)/2 \cdot (1/n + 1/m)}`, nor above 1. Dimensionless.

    Args:
        difference: t, between 0 and 1.
        n: Number of trials behind X.
        m: Number of trials behind Y.
        delta: Probability of failure, between 0 and 1.

    Raises:
        ValueError: A number out of its range.

    The surprise: it does not see X and Y, so proportions near 0 or 1 cost as much as one half.

    Ref: the proof is at the head of this file. For n = m it is the Clopper-Pearson bound of 2n
    trials: Hoeffding (1956), Ann. Math. Stat. 27, Theorem 4.
    """
    require_count(n, name="n")
    require_count(m, name="m")
    require_probability(delta, name="delta")
    if not 0 <= difference <= 1:
        raise ValueError(
            f"difference must lie between 0 and 1, got {difference}. "
            "Pass an observed difference of two proportions."
        )
    n, m = max(n, m), min(n, m)  # 1 - Y/m - (1 - X/n) is the same difference with n and m swapped
    width = math.sqrt(math.log(1 / delta) / 2 * (1 / n + 1 / m))
    ceiling = min(1.0, difference + width)
    event = Difference(n, m, difference, SPILL * delta)
    found, margin = _search(event, delta, difference, ceiling), FIRST_MARGIN * width
    while found + margin < ceiling:
        if _proved(event, found + margin, delta, finest=margin / 8):
            return found + margin
        margin *= 1.5
    return ceiling


def _search(event: Difference, delta: float, low: float, high: float) -> float:
    """Where the largest of a few probabilities falls below delta; no proof."""
    for _ in range(SEARCH_STEPS):
        d = (low + high) / 2
        v = torch.linspace(0, 1 - d, 9, dtype=torch.float64)
        if tails(event, (v + d).clamp(max=1), v).plain.max() > delta:
            low = d
        else:
            high = d
    return high


def _proved(event: Difference, d: float, delta: float, *, finest: float) -> bool:
    """Whether P <= delta for every pair with u - v = d; False where intervals become too many."""
    edges = torch.linspace(0, 1 - d, 17, dtype=torch.float64)
    left, right = edges[:-1], edges[1:]
    while len(left):
        if len(left) > MOST_INTERVALS or (right - left).max() < finest:
            return False
        still = _by_corner(event, d, left, right) > delta
        left, right = left[still], right[still]
        if not len(left):
            break
        here, worst = _by_slope(event, d, left, right)
        if (here > delta).any():
            return False
        still, centre = worst > delta, (left + right) / 2
        left, centre, right = left[still], centre[still], right[still]
        left, right = torch.cat([left, centre]), torch.cat([centre, right])
    return True


def _by_corner(event: Difference, d: float, left: Ends, right: Ends) -> Float[Tensor, " B"]:
    """Upper bound over pairs (v + d, v), v in [left, right]: the least u with the greatest v."""
    return tails(event, left + d, right).plain


def _by_slope(
    event: Difference, d: float, left: Ends, right: Ends
) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"]]:
    """Upper bounds in the middle of [left, right], and over the whole of it."""
    centre = (left + right) / 2
    here = tails(event, (centre + d).clamp(max=1), centre)
    return here.plain, here.smooth + _slope(event, d, left, right) * (right - left) / 2


def _slope(event: Difference, d: float, left: Ends, right: Ends) -> Float[Tensor, " B"]:
    r"""Lipschitz constant in v of the smoothed probability at (v + d, v), v in [left, right].

    The derivative is n times the difference of two means of one function, the probabilities of
    Bin(n - 1, u) joined by straight lines, at places c apart on average (``places`` below). Written
    with the law tilted by exp(-theta D), its steepness carries Chernoff's factor, which is as small
    as the probability in question; theta = 0 is the case without. docs/certificates.md has the
    proof.
    """
    n, m, t, _ = event
    centre = (left + right) / 2
    variance = (centre + d) * (1 - centre - d) / n + centre * (1 - centre) / m
    tilted = (d - t) / variance.clamp(min=1e-300)
    v = torch.stack([left, right])  # each factor below is largest at an end
    places = (n / (2 * m) * (v**2 + (1 - v) ** 2) + torch.maximum(v + d, 1 - v - d)).amax(0)
    steep = [_steepness(event, d, left, right, theta) for theta in (0 * tilted, tilted)]
    return n * places * torch.minimum(*steep)


def _steepness(
    event: Difference,
    d: float,
    left: Ends,
    right: Ends,
    theta: Float[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """Upper bound of the mean steepness of the joined probabilities, by the law tilted by theta."""
    n, m, t, _ = event
    v, less, more = (left + right) / 2, torch.expm1(-theta / n), torch.expm1(theta / m)
    x, y = 1 + (v + d) * less, 1 + v * more  # E exp(-theta X_1 / n), E exp(theta Y_1 / m)
    generating = (n - 1) * x.log() + (m - 1) * y.log()  # concave in v: below its tangent
    tangent = ((n - 1) * less / x + (m - 1) * more / y).abs() * (right - left) / 2
    chernoff = (generating + tangent + theta * (t + 1 / n + 1 / m)).exp()
    u = torch.stack([left, right]) + d
    u = u * (1 + less) / (1 + u * less)  # of the tilted law
    variance = (n - 1) * (u * (1 - u)).amin(0).clamp(min=0)
    step, peak = 2 / (math.pi * variance), (math.pi / (8 * variance)).sqrt()
    return torch.nan_to_num(chernoff * (step + theta / n * peak), nan=math.inf)
