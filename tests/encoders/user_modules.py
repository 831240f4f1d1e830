"""Modules as a user may write them: encoder=module encoder.target=tests.encoders.user_modules:…"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Layers in an order of its own, and a scalar that learns."""

    def __init__(self, width: int, *, hidden: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.second = nn.Linear(hidden, hidden)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.drop = nn.Dropout(dropout)
        self.register_buffer("shift", torch.randn(hidden))  # other in every model, never changed

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.first(x) + self.shift))
        return h + self.scale * self.drop(self.second(h)).tanh()


class Tied(nn.Module):
    """One matrix under two names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encode = nn.Linear(width, width, bias=False)
        self.again = nn.Linear(width, width, bias=False)
        self.again.weight = self.encode.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.encode(x)))


class Codes(nn.Module):
    """A vector for every code of the first column, one more for codes never seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.table(x[:, 0].long() + 1), x[:, 1:]], dim=1)


class Normed(nn.Module):
    """Dropout and running statistics, as in many pretrained networks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 6)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Partly(nn.Module):
    """The user froze a layer; the rest learns."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.still = nn.Linear(width, 8).requires_grad_(False)
        self.learns = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.learns(torch.relu(self.still(x)))


class Fixed(nn.Module):
    """No parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.square()], dim=1)


class Hidden(nn.Module):
    """Random numbers that are neither parameters nor buffers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)
        self.noise = torch.randn(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x) + self.noise


class Modes(nn.Module):
    """Another function in training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.map(x)
        return h.tanh() if self.training else h.sin()


class Counting(nn.Module):
    """A buffer that moves in training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return self.map(x)


class Branching(nn.Module):
    """What it does depends on the rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x) if x.sum() > 0 else -self.map(x)


class Noisy(nn.Module):
    """Dropout without a layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(self.map(x), 0.5, self.training)


class Returns(nn.Module):
    """Anything of the rows, told as an option."""

    def __init__(self, width: int, what: str) -> None:
        super().__init__()
        self.map = nn.Linear(width, 4)
        self.what = what

    def forward(self, x: Tensor) -> Tensor:
        h = self.map(x)
        outputs = {
            "pair": (h, h),
            "column": h[:, 0],
            "nothing": h[:, :0],
            "fewer": h[1:],
            "codes": h.long(),
            "nan": h / 0 * 0,
        }
        if self.what == "in place":
            x.mul_(2)
        return outputs.get(self.what, h)


class FailsLater(Net):
    """Works on a few rows, and not on many."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 100:
            raise ValueError("more than 100 rows")
        return super().forward(x)


ONE = nn.Linear(7, 3)


def net(width: int, **options: object) -> nn.Module:
    """As a function."""
    return Net(width, **options)


def the_same(width: int) -> nn.Module:
    """One module for all that ask."""
    return ONE


def number(width: int) -> int:
    """No module."""
    return width


def reads_file(width: int, path: str) -> nn.Module:
    """Weights from a file."""
    network = nn.Linear(width, 3)
    network.load_state_dict(torch.load(path, weights_only=True))
    return network
