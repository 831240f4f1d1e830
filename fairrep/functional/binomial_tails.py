r"""Upper bounds on P(X/n - Y/m <= t) for independent binomials X and Y, one pair or many at once.

Sums run over windows that hold all but a stated share of the mass; that share and the rounding of
the logarithms of factorials are added, never dropped, so what is returned is never too small.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK_ENTRIES = 1 << 19
TIE = 1e-12  # a difference is known up to this much: a tie counts as "<="


class Difference(NamedTuple):
    """The event X/n - Y/m <= t, and the mass that a window may leave out."""

    n: int
    m: int
    t: float
    spill: float

    @property
    def rounding(self) -> float:
        """Relative error of a product of two probabilities: 16 last places of n ln n."""
        return 16 * 2.0**-52 * sum(size * math.log(size + 2) for size in (self.n, self.m))


class Tails(NamedTuple):
    """Upper bounds on the probability itself and on that of the smoothed difference."""

    plain: Float[Tensor, " B"]
    smooth: Float[Tensor, " B"]


def tails(event: Difference, u: Float[Tensor, " B"], v: Float[Tensor, " B"]) -> Tails:
    r"""Bound :math:`P(X/n - Y/m \le t)` for X ~ Bin(n, u), Y ~ Bin(m, v), float64.

    "smooth" bounds :math:`P((X + U)/n - Y/m \le t + 1/n)`, U uniform on [0, 1): the distribution
    function of X with straight lines between its steps. It is the larger of the two.
    """
    entries = _span(event, event.n, u) + _span(event, event.m, v)
    rows = max(1, BLOCK_ENTRIES // entries)
    blocks = [_block(event, *pair) for pair in zip(u.split(rows), v.split(rows))]
    return Tails(*(torch.cat(parts) for parts in zip(*blocks)))


def _block(event: Difference, u: Float[Tensor, " B"], v: Float[Tensor, " B"]) -> Tails:
    n, m, t, spill = event
    first, p_x = _window(event, n, u)
    start, p_y = _window(event, m, v)
    below = torch.nn.functional.pad(p_x.cumsum(-1), (1, 0))  # (B, W + 1): P(X < first + w)
    y = (start[:, None] + torch.arange(p_y.shape[1])).double()  # (B, V)
    reach = n * (t + TIE + y / m)  # X <= reach is the event, given Y = y
    step = reach.floor()
    place = (step.long() + 1 - first[:, None]).clamp(0, p_x.shape[1])
    plain = below.gather(1, place)  # (B, V)
    after = below.gather(1, (step.long() + 2 - first[:, None]).clamp(0, p_x.shape[1]))
    smooth = plain + (reach - step) * (after - plain)
    exact = ((p_y * given).sum(-1) for given in (plain, smooth))
    return Tails(*(value * (1 + event.rounding) + 2 * spill for value in exact))


def _half_width(event: Difference, n: int, u: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Bernstein: X lies farther than this from nu with probability at most ``spill``."""
    log = math.log(2 / event.spill)
    return log / 3 + (log**2 / 9 + 2 * log * n * u * (1 - u)).sqrt()


def _span(event: Difference, n: int, u: Float[Tensor, " B"]) -> int:
    return min(n + 1, 3 + 2 * math.ceil(_half_width(event, n, u).max().item()))


def _window(
    event: Difference, n: int, u: Float[Tensor, " B"]
) -> tuple[Int[Tensor, " B"], Float[Tensor, "B W"]]:
    """First value and probabilities of Bin(n, u) around its mean."""
    span = _span(event, n, u)
    first = (n * u - _half_width(event, n, u)).floor().long().clamp(0, n + 1 - span)
    x = (first[:, None] + torch.arange(span)).double()  # (B, W)
    log_p = (
        math.lgamma(n + 1)
        - torch.lgamma(x + 1)
        - torch.lgamma(n - x + 1)
        + torch.xlogy(x, u[:, None])
        + torch.xlogy(n - x, 1 - u[:, None])
    )
    return first, log_p.exp()
