"""A Gaussian process on two scales: what is smooth in the settings, and what is rugged."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

ITERATIONS = 60  # of the maximisation
JITTER = 1e-8
# log-normal priors (mean and standard deviation of the logarithm) of the hyperparameters, for
# figures of standard deviation 1 and settings in the unit cube of q parameters
AMPLITUDE, LENGTH = (0.0, 1.0), (0.0, 1.0)  # of the smooth part; its lengths grow with sqrt(q)
RUGGED, SHORT = (math.log(0.3), 1.0), (math.log(0.15), 1.0)
NOISE = (-7.0, 2.0)
LOCAL = 0.4  # the longest length of the calibration
WIDEST = 4.0  # standard deviations of the prior
SIGNIFICANT = 1e-9  # figures with less spread are all the same


def constant(y: np.ndarray) -> bool:
    """Whether figures (n,) are all the same: there is no process of them."""
    return bool(y.std() < SIGNIFICANT)


class Process:
    r"""The posterior of a figure, given its values at some settings.

    .. math::
        k(x, x') = a^2 M_{5/2}(d_l(x, x')) + b^2 M_{3/2}(d_r(x, x')) + \sigma^2 1[x = x']

    with Matérn functions M of distances with a length a parameter, :math:`d_l(x, x')^2 = \sum_j
    (x_j - x'_j)^2 / l_j^2`. Figures of a learner on few rows jump between neighbouring settings,
    and stay the same over others; the second, short-ranged part is for that: settings without a
    neighbour are uncertain, while those beside a tried one are not. All hyperparameters maximise
    the marginal likelihood times log-normal priors.

    A figure may be constant in one region (every row is decided alike) and rugged in another. So
    the predicted variance is multiplied by :math:`(1 + \sum_i w_i z_i^2) / (1 + \sum_i w_i)`, with
    the leave-one-out residuals z in units of their predicted deviation, and weights w that fall
    with the distance as the smooth part does, over half its lengths (of at most ``LOCAL``).

    Ref: Rasmussen, Williams (2006), Gaussian Processes for Machine Learning, ch. 2, 4 and 5
    (5.4.2 for the residuals).

    Args:
        x: (n, p) points of the unit cube.
        y: (n,) figures, not :func:`constant`.
        parameter: (p,) parameter of each coordinate; those of the same share a length.

    Attributes:
        residuals: (n,) leave-one-out residuals z.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, parameter: np.ndarray) -> None:
        self._centre, self._scale = float(y.mean()), float(y.std())
        self._x, self._parameter = torch.from_numpy(x), torch.from_numpy(parameter)
        self._y = torch.from_numpy((y - self._centre) / self._scale)
        self._theta = torch.from_numpy(self._fitted(int(parameter.max()) + 1))
        self._condition()
        self._observed = self._x
        self.residuals = self._left_out().numpy()

    def also(self, x: np.ndarray) -> None:
        """Believe that the figures at further points (m, p) are what is expected there."""
        expected, _ = self.predict(x)
        self._x = torch.cat([self._x, torch.from_numpy(x)])
        self._y = torch.cat([self._y, torch.from_numpy((expected - self._centre) / self._scale)])
        self._condition()

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (m,) of the figure at m other points (m, p)."""
        hyper = _Hyper(self._theta)
        smooth, rugged = self._parts(torch.from_numpy(x), hyper)
        mean, spread = self._posterior(smooth + rugged, hyper.a2 + hyper.b2 + hyper.noise)
        return mean, spread * self._calibration(torch.from_numpy(x), hyper).sqrt().numpy()

    def smooth(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (m,) of the smooth part alone at m points (m, p)."""
        hyper = _Hyper(self._theta)
        smooth, _ = self._parts(torch.from_numpy(x), hyper)
        return self._posterior(smooth, hyper.a2)

    def local(self, x: np.ndarray) -> np.ndarray:
        """Weights (m, n) of the given points at m others (m, p): those of the calibration."""
        return self._local(torch.from_numpy(x), _Hyper(self._theta)).numpy()

    def _posterior(self, cross: Tensor, prior: Tensor) -> tuple[np.ndarray, np.ndarray]:
        solved = torch.linalg.solve_triangular(self._root, cross.T, upper=False)
        variance = (prior - (solved**2).sum(0)).clamp_min(JITTER)
        mean = self._centre + self._scale * (cross @ self._weights)
        return mean.numpy(), self._scale * variance.sqrt().numpy()

    def _left_out(self) -> Tensor:
        return self._weights / torch.cholesky_inverse(self._root).diagonal().sqrt()

    def _calibration(self, x: Tensor, hyper: _Hyper) -> Tensor:
        weights = self._local(x, hyper)
        return (1 + weights @ torch.from_numpy(self.residuals**2)) / (1 + weights.sum(1))

    def _local(self, x: Tensor, hyper: _Hyper) -> Tensor:
        squares = (x[:, None] - self._observed[None]) ** 2
        inverse = hyper.inverse.clamp_min(LOCAL**-2)[self._parameter]
        return _matern((4 * squares) @ inverse, 5)

    def _parts(self, x: Tensor, hyper: _Hyper) -> tuple[Tensor, Tensor]:
        squares = (x[:, None] - self._x[None]) ** 2
        return hyper.parts(squares, self._parameter)

    def _condition(self) -> None:
        hyper = _Hyper(self._theta)
        smooth, rugged = self._parts(self._x, hyper)
        noise = (hyper.noise + JITTER) * torch.eye(len(self._x), dtype=self._x.dtype)
        self._root = torch.linalg.cholesky(smooth + rugged + noise)
        self._weights = torch.cholesky_solve(self._y[:, None], self._root)[:, 0]

    def _fitted(self, q: int) -> np.ndarray:
        mean, spread = _priors(q)
        n = len(self._x)
        i, j = (torch.from_numpy(index) for index in np.triu_indices(n, 1))
        squares = (self._x[i] - self._x[j]) ** 2

        def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
            """−log posterior density and gradient; only the kernel's entries are traced."""
            own = torch.tensor(theta, requires_grad=True)
            hyper = _Hyper(own)
            smooth, rugged = hyper.parts(squares, self._parameter)
            entries = smooth + rugged
            diagonal = hyper.a2 + hyper.b2 + hyper.noise
            value, slope = _likelihood(entries.detach(), diagonal.detach(), i, j, self._y)
            (2 * (slope[i, j] * entries).sum() + slope.diagonal().sum() * diagonal).backward()
            away = (theta - mean) / spread
            assert own.grad is not None
            return value + 0.5 * float(away @ away), own.grad.numpy() + away / spread

        bounds = np.stack([mean - WIDEST * spread, mean + WIDEST * spread], axis=1)
        options = {"maxiter": ITERATIONS}
        return minimize(
            negative, mean, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        ).x


class _Hyper:
    """The hyperparameters in the vector of their logarithms: a, b, σ², q lengths l, q lengths r."""

    def __init__(self, theta: Tensor) -> None:
        self.a2, self.b2 = (2 * theta[0]).exp(), (2 * theta[1]).exp()
        self.noise = theta[2].exp()
        self.inverse, self._inverse_short = (-2 * theta[3:]).exp().chunk(2)  # of squared lengths

    def parts(self, squares: Tensor, parameter: Tensor) -> tuple[Tensor, Tensor]:
        """Smooth and rugged covariances (…) of squared differences (…, p)."""
        smooth = _matern(squares @ self.inverse[parameter], 5)
        rugged = _matern(squares @ self._inverse_short[parameter], 3)
        return self.a2 * smooth, self.b2 * rugged


def _matern(squared: Tensor, twice: int) -> Tensor:
    """Matérn function of smoothness 3/2 or 5/2 at squared distances."""
    d = (twice * squared + 1e-12).sqrt()
    return (1 + d + (d**2 / 3 if twice == 5 else 0)) * (-d).exp()


def _priors(q: int) -> tuple[np.ndarray, np.ndarray]:
    length = LENGTH[0] + 0.5 * math.log(q), LENGTH[1]
    means, spreads = zip(AMPLITUDE, RUGGED, NOISE, *[length] * q, *[SHORT] * q)
    return np.array(means), np.array(spreads)


def _likelihood(
    entries: Tensor, diagonal: Tensor, i: Tensor, j: Tensor, y: Tensor
) -> tuple[float, Tensor]:
    """−log marginal likelihood (less a constant), and its gradient by the covariance matrix."""
    matrix = torch.zeros(len(y), len(y), dtype=y.dtype)
    matrix[i, j] = entries
    matrix = matrix + matrix.T
    matrix.diagonal().fill_(float(diagonal) + JITTER)
    root = torch.linalg.cholesky(matrix)
    weights = torch.cholesky_solve(y[:, None], root)
    value = 0.5 * float(y @ weights[:, 0]) + float(root.diagonal().log().sum())
    return value, 0.5 * (torch.cholesky_inverse(root) - weights @ weights.T)
