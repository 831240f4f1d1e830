"""Hypothesis inputs: clouds of points that a training run could produce."""

import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def clouds(draw, *, rows=(1, 12), columns=(1, 4), dtype=torch.float64):
    """Points on a coarse grid of random scale: ties and duplicates are frequent."""
    shape = (draw(st.integers(*rows)), draw(st.integers(*columns)))
    grid = draw(hnp.arrays(int, shape, elements=st.integers(-8, 8)))
    return torch.tensor(grid, dtype=dtype) * draw(st.sampled_from([0.01, 0.25, 3.0]))


@st.composite
def wild_pairs(draw, *, dtype=torch.float32):
    """Two clouds of any sizes and scales, duplicates and constants included."""
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    d = draw(st.sampled_from([1, 2, 7, 64]))
    pair = []
    for rows in (n, m):
        kind = draw(st.sampled_from(["normal", "constant", "repeated"]))
        seed, power = draw(st.integers(0, 2**31)), draw(st.integers(-15, 15))
        points = torch.randn(rows, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        if kind == "constant":
            points = points[:1].expand(rows, d)
        if kind == "repeated":
            points = points[torch.arange(rows) % 2]
        pair.append((points * 10.0**power).contiguous())
    return tuple(pair)


def weights(rows):
    """Non-negative weights, zeros among them."""
    return st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=rows, max_size=rows).map(
        torch.tensor
    )


def rotation(columns, seed=0):
    """An orthogonal matrix."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(
        torch.randn(columns, columns, generator=generator, dtype=torch.float64)
    ).Q
