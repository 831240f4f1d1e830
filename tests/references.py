"""Slow, obvious NumPy: one loop for each sum of the definition."""

import itertools

import numpy as np


def gaussian(u, v, bandwidth=1.0):
    return np.exp(-np.sum((u - v) ** 2) / (2 * bandwidth**2))


def gaussian_mixture(u, v, bandwidths=(1.0,)):
    return sum(gaussian(u, v, width) for width in bandwidths)


def imq(u, v, bandwidth=1.0):
    return 1 / np.sqrt(1 + np.sum((u - v) ** 2) / bandwidth**2)


def energy(u, v):
    return -np.linalg.norm(u - v)


def mean_over_pairs(kernel, x, y, a, b, *, different=False):
    """Weighted mean of k(x_i, y_j), over i != j when asked."""
    total = mass = 0.0
    for i, j in itertools.product(range(len(x)), range(len(y))):
        if different and i == j:
            continue
        total += a[i] * b[j] * kernel(x[i], y[j])
        mass += a[i] * b[j]
    return total / mass


def mmd2(kernel, x, y, a, b, *, unbiased):
    xx = mean_over_pairs(kernel, x, x, a, a, different=unbiased)
    yy = mean_over_pairs(kernel, y, y, b, b, different=unbiased)
    return xx + yy - 2 * mean_over_pairs(kernel, x, y, a, b)


def median_distance(points):
    pairs = itertools.combinations(points, 2)
    distances = sorted(float(np.linalg.norm(u - v)) for u, v in pairs)
    return distances[(len(distances) - 1) // 2]


def dependence(k, ell, w, *, unbiased):
    """E[kl] + E[k]E[l] - 2 E[E[k|i]E[l|i]] over tuples of rows, all different when unbiased."""
    n = len(w)

    def mean(term, size):
        total = mass = 0.0
        for rows in itertools.product(range(n), repeat=size):
            if unbiased and len(set(rows)) < size:
                continue
            weight = np.prod([w[row] for row in rows])
            total, mass = total + weight * term(*rows), mass + weight
        return total / mass

    pairs = mean(lambda i, j: k[i, j] * ell[i, j], 2)
    triples = mean(lambda i, j, q: k[i, j] * ell[i, q], 3)
    quadruples = mean(lambda i, j, q, r: k[i, j] * ell[q, r], 4)
    return pairs + quadruples - 2 * triples


def wasserstein2_1d(x, y, a, b):
    """Integral of (Qx - Qy)^2: the north-west corner rule on the sorted atoms."""
    x, a = zip(*sorted(zip(x, a, strict=True)), strict=True)
    y, b = zip(*sorted(zip(y, b, strict=True)), strict=True)
    a, b = np.array(a) / np.sum(a), np.array(b) / np.sum(b)
    i = j = 0
    total = 0.0
    while i < len(a) and j < len(b):
        mass = min(a[i], b[j])
        total += mass * (x[i] - y[j]) ** 2
        a[i] -= mass
        b[j] -= mass
        i, j = (i + 1, j) if a[i] <= b[j] else (i, j + 1)
    return total


def sinkhorn_divergence(x, y, a, b, *, blur, p, sweeps=2000):
    """Plain alternating updates in float64, many of them."""
    terms = ((x, y, a, b), (x, x, a, a), (y, y, b, b))
    xy, xx, yy = (entropic_cost(*term, blur=blur, p=p, sweeps=sweeps) for term in terms)
    return xy - xx / 2 - yy / 2


def entropic_cost(x, y, a, b, *, blur, p, sweeps):
    eps = blur**p
    distance = np.linalg.norm(x[:, None] - y[None], axis=-1)
    cost = distance**2 / 2 if p == 2 else distance
    a, b = a / a.sum(), b / b.sum()
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(sweeps):
        f = -eps * log_sum_exp((g - cost) / eps, b, axis=1)
        g = -eps * log_sum_exp((f[:, None] - cost) / eps, a[:, None], axis=0)
    return a @ f + b @ g


def log_sum_exp(exponents, weights, *, axis):
    top = exponents.max(axis=axis, keepdims=True)
    return np.log((weights * np.exp(exponents - top)).sum(axis=axis)) + np.squeeze(top, axis)
