"""An upper confidence bound on the difference of two probabilities, exact for finite samples."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

SAFETY = 1e-9
"""Added to every probability: more than the rounding of its terms, which are summed in double."""
PRECISION = 0.01
"""How far above the exact bound the returned one may lie, in units of the exact slack."""
MOST = 12_000
"""Evaluations that a bound may take; the precision gives way for very many rows."""


@lru_cache(maxsize=512)
def binomial_difference_upper_bound(difference: float, n: int, m: int, *, delta: float) -> float:
    r"""Upper bound on u - v from :math:`X/n - Y/m`, where X ~ Bin(n, u) and Y ~ Bin(m, v).

    With :math:`F(t; d) = \sup_{u - v = d} P(X/n - Y/m \le t)`, which falls in d, the bound is
    :math:`U(t) = \sup\{d : F(t; d) > \delta\}`: if it lies below the true d, then F(t; d) ≤ δ, and
    such a t comes up with probability δ at most. F is computed exactly but for its supremum over
    v, which is bounded interval by interval: P falls in u and rises in v, so that on [v, v + h]
    it is at most what u = v + d gives with v + h in v's place. The value lies above U by about a
    hundredth of U(t) - t; it is a third below McDiarmid's, and never above it.

    Args:
        difference: :math:`X/n - Y/m` as observed.
        n: trials of X, at least 1.
        m: trials of Y.
        delta: probability with which the bound may fail, in (0, 1).

    Returns:
        The bound, at most 1.

    Ref: Buehler (1957), JASA 52; Chan and Zhang (1999), Biometrics 55.
    """
    widest = mcdiarmid_slack(n, m, delta=delta)
    tail = _Tail(difference, n, m)
    least = _root(tail, delta, widest)
    slack = max(least - difference, 1e-12)
    # the number of intervals grows as 1/(slack √precision), see _everywhere
    precision = max(PRECISION, (2.3 * 2 / (MOST * slack)) ** 2)
    while precision < 0.5:
        bound = least + precision * slack
        if bound >= min(1.0, difference + widest):
            break
        if _everywhere(tail, bound, delta, finest=precision * slack / 4):
            return bound
        precision *= 1.5
    return min(1.0, difference + widest)


def mcdiarmid_slack(n: int, m: int, *, delta: float) -> float:
    r"""Return :math:`\sqrt{\tfrac12\ln(1/\delta)(1/n + 1/m)}`."""
    return math.sqrt(0.5 * math.log(1 / delta) * (1 / n + 1 / m))


class _Tail:
    """P(X/n - Y/m <= t) as a function of u and v, from above by no more than rounding."""

    def __init__(self, t: float, n: int, m: int) -> None:
        self.t, self.n, self.m = t, n, m
        self.choose_n, self.choose_m = _log_choose(n), _log_choose(m)

    def __call__(self, u: float, v: float) -> float:
        low_x, x = _pmf(self.n, u, self.choose_n)
        low_y, y = _pmf(self.m, v, self.choose_m)
        below = torch.cat([x.new_zeros(1), x.cumsum(0)])  # below[j] = P(low_x <= X < low_x + j)
        ys = torch.arange(low_y, low_y + len(y), dtype=torch.float64)
        # a tie counts as below: rounding may only make the probability larger
        most_x = torch.floor(self.n * (self.t + ys / self.m) + 1e-6).long()
        found = float((y * below[(most_x - low_x + 1).clamp(0, len(x))]).sum())
        missed = max(0.0, 1 - float(x.sum())) + max(0.0, 1 - float(y.sum()))
        return found + missed + SAFETY


def _log_choose(n: int) -> Tensor:
    """Logarithms of the binomial coefficients of n."""
    factorials = torch.lgamma(torch.arange(1, n + 2, dtype=torch.float64))
    return factorials[-1] - factorials - factorials.flip(0)


def _pmf(n: int, p: float, log_choose: Tensor) -> tuple[int, Tensor]:
    """Probabilities of a window of 7 standard deviations around the mean, and where it begins."""
    if p <= 0 or p >= 1:
        return (0 if p <= 0 else n), torch.ones(1, dtype=torch.float64)
    half = 7 * math.sqrt(n * p * (1 - p)) + 15
    low, high = max(0, math.floor(n * p - half)), min(n, math.ceil(n * p + half))
    k = torch.arange(low, high + 1, dtype=torch.float64)
    logs = log_choose[low : high + 1] + k * math.log(p) + (n - k) * math.log1p(-p)
    return low, logs.exp()


def _root(tail: _Tail, delta: float, widest: float) -> float:
    """About the d at which F(t; d) = δ, from values of v around the one of the largest variance."""
    low, high = tail.t, min(1.0, tail.t + widest)
    for _ in range(20):
        d = (low + high) / 2
        low, high = (d, high) if _largest(tail, d) > delta else (low, d)
    return high


def _largest(tail: _Tail, d: float) -> float:
    """The largest P among a few v."""
    n, m = tail.n, tail.m
    room = 1 - max(d, 0.0)
    widest = (m * (1 - 2 * d) + n) / (2 * (n + m))  # where u(1-u)/n + v(1-v)/m is largest
    centre = min(max(widest, 0.0), room)
    offsets = (-0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.2)
    points = {min(max(centre + shift, max(0.0, -d)), room) for shift in offsets}
    return max(tail(v + d, v) for v in points)


def _everywhere(tail: _Tail, d: float, delta: float, *, finest: float) -> bool:
    """Whether P <= δ for all u - v = d, shown on intervals of v no shorter than ``finest``."""
    v, end, width = 0.0, 1 - d, 0.1
    while v < end:
        width = min(width, end - v)
        if tail(v + d, v + width) <= delta:
            v += width
            width *= 1.2
        elif width <= finest:
            return False
        else:
            width = max(finest, 0.6 * width)
    return True
