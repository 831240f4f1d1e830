import itertools
import math
import warnings

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from fairrep.functional import (
    geomloss_sinkhorn_divergence,
    mean_difference2,
    sinkhorn_divergence,
)
from tests import references
from tests.strategies import clouds, rotation

TIGHT = {"tol": 1e-10, "max_iter": 20000}
both_costs = pytest.mark.parametrize("p", [1, 2])


def sample(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@both_costs
def test_the_value_is_that_of_plain_alternating_updates(p):
    x, y = sample(12, 3, 0), sample(9, 3, 1) + 0.5
    a, b = torch.arange(1.0, 13), torch.tensor([1.0, 0, 2, 1, 1, 0.5, 3, 1, 1])
    value = sinkhorn_divergence(x, y, blur=0.7, p=p, a=a, b=b, **TIGHT)
    keep = b > 0
    arrays = (t.double().numpy() for t in (x, y[keep], a, b[keep]))
    exact = references.sinkhorn_divergence(*arrays, blur=0.7, p=p)
    assert value.item() == pytest.approx(exact, rel=1e-9)


def test_geomloss_tends_to_the_value_and_gradient_as_its_cooling_slows():
    """GeomLoss lags behind its temperature by one sweep: its error falls with 1 - scaling."""
    x, y = sample(20, 3, 0).requires_grad_(), (sample(15, 3, 1) + 0.5).requires_grad_()
    b = torch.linspace(1, 2, 15, dtype=torch.float64)
    ours = sinkhorn_divergence(x, y, blur=2.0, b=b, **TIGHT)
    grad = torch.cat(torch.autograd.grad(ours, (x, y)))
    errors = []
    for scaling in (0.9, 0.99, 0.999):
        theirs = geomloss_sinkhorn_divergence(x, y, blur=2.0, b=b, scaling=scaling)
        gap = grad - torch.cat(torch.autograd.grad(theirs, (x, y)))
        errors.append((abs(ours - theirs) / ours, gap.norm() / grad.norm()))
    for coarse, fine in itertools.pairwise(errors):
        assert fine[0] < coarse[0] / 4
        assert fine[1] < coarse[1] / 4
    assert errors[-1][0] < 1e-6


def test_with_p_1_geomloss_agrees_up_to_its_smallest_distance():
    """GeomLoss raises distances below 1e-4, those of points to themselves, to 1e-4."""
    x, y = sample(20, 3, 0), sample(15, 3, 1) + 0.5
    ours = sinkhorn_divergence(x, y, blur=2.0, p=1, **TIGHT)
    theirs = geomloss_sinkhorn_divergence(x, y, blur=2.0, p=1, scaling=0.999)
    assert abs(ours - theirs) < 1e-4


def test_the_value_agrees_with_pot():
    x, y = sample(20, 3, 0), sample(15, 3, 1) + 0.5
    value = sinkhorn_divergence(x, y, blur=1.0, **TIGHT)

    def cost(u, v):
        squares = ot.dist(u.numpy(), v.numpy()) / 2
        a, b = np.full(len(u), 1 / len(u)), np.full(len(v), 1 / len(v))
        plan = ot.sinkhorn(a, b, squares, 1.0, method="sinkhorn_log", stopThr=1e-12)
        kl = np.sum(plan * np.log(plan / np.outer(a, b)))
        return np.sum(plan * squares) + kl

    exact = cost(x, y) - cost(x, x) / 2 - cost(y, y) / 2
    assert value.item() == pytest.approx(exact, rel=1e-8)


@both_costs
def test_the_gradient_passes_gradcheck(p):
    x, y = sample(5, 2, 0).requires_grad_(), sample(4, 2, 1).requires_grad_()
    a = torch.tensor([1.0, 2, 1, 0, 1])

    def value(x, y):
        return sinkhorn_divergence(x, y, blur=0.8, p=p, a=a, tol=1e-12, max_iter=20000)

    assert torch.autograd.gradcheck(value, (x, y), atol=1e-6)


def test_it_refuses_to_be_differentiated_twice():
    x = sample(5, 2, 0).requires_grad_()
    (grad,) = torch.autograd.grad(
        sinkhorn_divergence(x, sample(5, 2, 1), blur=1.0), x, create_graph=True
    )
    with pytest.raises(RuntimeError):
        grad.sum().backward()


@both_costs
def test_between_two_diracs_it_is_their_cost(p):
    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    for blur in (1e-3, 1.0, 1e3):
        value = sinkhorn_divergence(x, y, blur=blur, p=p)
        assert value.item() == pytest.approx(5.0 if p == 1 else 12.5, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.1, 1.0, 1e4])
def test_a_translation_adds_half_its_squared_length(dtype, length):
    x, y = sample(30, 4, 0, dtype), sample(20, 4, 1, dtype)
    shift = torch.tensor([length, 0, 0, 0], dtype=dtype)
    gap = x.mean(0) - y.mean(0)
    base = sinkhorn_divergence(x, y, blur=0.5)
    moved = sinkhorn_divergence(x + shift, y, blur=0.5)
    exact = base + (shift.square().sum() / 2 + shift @ gap)
    rounding = 50 * torch.finfo(dtype).eps * (1 + length) * max(length, 1)
    assert abs(moved - exact) < rounding
    copies = sinkhorn_divergence(x, x + shift, blur=0.5, tol=1e-5, max_iter=5000)
    assert abs(copies - shift.square().sum() / 2) < 1e-5 + rounding


@both_costs
def test_a_small_blur_gives_optimal_transport_of_a_permutation(p):
    """Points 1 apart, each moved by .1: the optimal map is the identity before the shuffle.

    A plan off by tol moves that mass to a neighbour, at a cost of at most 1.
    """
    x = torch.arange(10, dtype=torch.float64)[:, None]
    y = (x + 0.1).flip(0)
    value = sinkhorn_divergence(x, y, blur=0.05, p=p, tol=5e-4)
    assert abs(value - (0.1 if p == 1 else 0.005)) < 5e-4


def test_a_small_blur_gives_the_exact_optimal_transport_of_random_clouds():
    """The information of a plan is at most log n: |OT_eps - OT| <= eps log n in each term."""
    x, y = sample(20, 2, 0), sample(20, 2, 1) + 1
    exact = ot.emd2([], [], ot.dist(x.numpy(), y.numpy()) / 2)
    for blur in (0.3, 0.1):
        value = sinkhorn_divergence(x, y, blur=blur, tol=1e-3).item()
        assert abs(value - exact) <= blur**2 * math.log(20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_large_blur_gives_half_the_squared_distance_of_the_means(dtype):
    """The next term is of order (diameter / blur)^2; rounding is relative to blur^2."""
    x, y = sample(30, 4, 0, dtype), sample(20, 4, 1, dtype) + 1
    value = sinkhorn_divergence(x, y, blur=1e3)
    rounding = torch.finfo(dtype).eps * 1e6
    torch.testing.assert_close(value, mean_difference2(x, y) / 2, rtol=1e-4, atol=rounding)


def test_large_samples_approach_the_closed_form_of_gaussians():
    """Between N(0, s^2) and N(0, t^2) the optimal plan is Gaussian, with a correlation r that
    minimises (s^2 + t^2) / 2 - s t r - eps / 2 log(1 - r^2): cost plus mutual information.
    """

    def cost(s, t, eps):
        r = (math.sqrt(eps**2 + 4 * s**2 * t**2) - eps) / (2 * s * t)
        return (s**2 + t**2) / 2 - s * t * r - eps / 2 * math.log(1 - r**2)

    s, t, blur, draws = 1.0, 2.0, 0.8, 20
    exact = cost(s, t, blur**2) - cost(s, s, blur**2) / 2 - cost(t, t, blur**2) / 2
    x, y = (sample(draws * 200, 1, seed).reshape(draws, 200, 1) for seed in (0, 1))
    values = sinkhorn_divergence(s * x, t * y, blur=blur, tol=1e-4)
    squared_means = 0.5 * (s**2 + t**2) / 200  # the samples' means differ by chance
    assert abs(values.mean() - exact - squared_means) < 4 * values.std() / math.sqrt(draws)


def converged(x, y, **options):
    """The divergence; a case whose plan does not reach its tolerance, and says so, is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="sinkhorn_divergence stopped after")
        try:
            return sinkhorn_divergence(x, y, **options)
        except UserWarning:
            reject()


@settings(max_examples=25, deadline=None)
@given(clouds(), clouds(), st.sampled_from([1, 2]), st.sampled_from([0.3, 2.0]))
def test_it_is_a_symmetric_nonnegative_invariant_of_two_clouds(x, y, p, blur):
    """Mending a plan whose marginals are off by tol moves a mass tol: at most the largest cost."""
    columns = min(x.shape[1], y.shape[1])
    x, y = x[:, :columns], y[:, :columns]
    pooled = torch.cat([x, y])
    tol = 1e-3
    slack = 2 * tol * (torch.cdist(pooled, pooled).max() ** p / p + blur**p)
    value = converged(x, y, blur=blur, p=p, tol=tol)
    assert value > -slack
    assert abs(converged(y, x, blur=blur, p=p, tol=tol) - value) < slack
    assert abs(converged(x, x.flip(0), blur=blur, p=p, tol=tol)) < slack
    turn = rotation(columns)
    turned = converged(x @ turn + 2, y @ turn + 2, blur=blur, p=p, tol=tol)
    assert abs(turned - value) < slack


def test_scaling_the_clouds_and_the_blur_scales_the_value():
    x, y = sample(20, 3, 0), sample(25, 3, 1)
    for p in (1, 2):
        one = sinkhorn_divergence(x, y, blur=0.5, p=p)
        four = sinkhorn_divergence(4 * x, 4 * y, blur=2.0, p=p)
        torch.testing.assert_close(four, 4**p * one, rtol=1e-9, atol=1e-9)


def test_different_samples_of_one_size_are_told_apart():
    """One of ten points moved by .5, far above the blur: its cost is .5^2 / 2 / 10."""
    x = sample(10, 3, 0)
    y = x.clone()
    y[3] += torch.tensor([0.5, 0, 0], dtype=torch.float64)
    assert sinkhorn_divergence(x, y, blur=0.1).item() == pytest.approx(0.0125, abs=0.005)


@pytest.mark.parametrize(("n", "blur"), [(128, 0.5), (128, 2.0), (512, 2.0)])
def test_the_default_gradient_is_within_one_percent_of_the_converged_one(n, blur):
    assert default_gradient_error(n, blur) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("n", "blur"), [(512, 0.5), (2048, 0.5), (2048, 2.0)])
def test_the_default_gradient_is_within_one_percent_at_many_rows(n, blur):
    assert default_gradient_error(n, blur) < 0.01


def default_gradient_error(n, blur):
    """32-dimensional standard Gaussians shifted by .3, against tol = 1e-4 in float64."""
    x, y = sample(n, 32, 0).requires_grad_(), sample(n, 32, 1) + 0.3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = sinkhorn_divergence(x, y, blur=blur, tol=1e-4, max_iter=3000)
    (exact,) = torch.autograd.grad(exact, x)
    single = x.detach().float().requires_grad_()
    (ours,) = torch.autograd.grad(sinkhorn_divergence(single, y.float(), blur=blur), single)
    return (ours - exact).norm() / exact.norm()


@both_costs
def test_the_tolerance_bounds_the_marginal_error_or_a_warning_says_so(p, monkeypatch):
    from fairrep.functional import sinkhorn

    plans = []

    def spy(*args, **kwargs):
        plans.append((sinkhorn_loop_plan(*args, **kwargs), args[1], args[2]))
        return plans[-1][0]

    sinkhorn_loop_plan = sinkhorn.cross_plan
    monkeypatch.setattr(sinkhorn, "cross_plan", spy)
    x, y = sample(40, 3, 0), sample(30, 3, 1)
    for tol in (1e-1, 1e-3, 1e-6):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sinkhorn_divergence(x, y, blur=0.5, p=p, tol=tol, max_iter=5000)
        plan, a, b = plans[-1]
        mass = (a * plan.u)[:, None] * plan.kernel * (plan.v * b)[None]
        assert (mass.sum(1) - a).abs().sum() <= tol
        assert (mass.sum(0) - b).abs().sum() <= 1e-12
    with pytest.warns(UserWarning, match="marginal error"):
        sinkhorn_divergence(x, y, blur=0.05, p=p, tol=1e-9, max_iter=10)


def test_under_vmap_a_fixed_schedule_is_accurate_without_looking():
    x, y = sample(64, 32, 0).reshape(2, 32, 32), sample(64, 32, 1).reshape(2, 32, 32)
    exact = sinkhorn_divergence(x, y, blur=0.5, tol=1e-3)
    mapped = torch.func.vmap(lambda x, y: sinkhorn_divergence(x, y, blur=0.5))(x, y)
    torch.testing.assert_close(mapped, exact, rtol=1e-3, atol=0)


def test_large_batches_are_solved_in_turn_with_the_same_result(monkeypatch):
    x, y = sample(60, 3, 0).reshape(2, 3, 10, 3), sample(48, 3, 1).reshape(2, 3, 8, 3)
    together = sinkhorn_divergence(x, y, blur=0.5, tol=1e-9, max_iter=5000)
    monkeypatch.setattr("fairrep.functional.sinkhorn.CHUNK_ENTRIES", 200)
    in_turn = sinkhorn_divergence(x, y, blur=0.5, tol=1e-9, max_iter=5000)
    torch.testing.assert_close(in_turn, together, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"blur": -0.5}, "blur must be a positive"),
        ({"blur": 0}, "blur must be a positive"),
        ({"blur": math.nan}, "blur must be a positive"),
        ({"blur": 1.0, "p": 3}, "p must be one of"),
        ({"blur": 1.0, "tol": 0}, "tol must be a positive"),
        ({"blur": 1.0, "max_iter": 0}, "max_iter must be an integer"),
    ],
)
def test_mistaken_settings_raise_with_the_requirement(keywords, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn_divergence(sample(5, 2, 0), sample(5, 2, 1), **keywords)


def test_geomloss_takes_single_problems_and_a_scaling_below_one():
    with pytest.raises(ValueError, match="single problems"):
        geomloss_sinkhorn_divergence(sample(4, 2, 0)[None], sample(4, 2, 1)[None], blur=1.0)
    with pytest.raises(ValueError, match="scaling must lie"):
        geomloss_sinkhorn_divergence(sample(4, 2, 0), sample(4, 2, 1), blur=1.0, scaling=1.0)


def test_a_problem_of_a_batch_is_solved_as_it_would_be_alone():
    """Easy and hard problems side by side: each stops at its own tolerance, from its own start."""
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 6, 40, 3, generator=rng, dtype=torch.float64)
    scale = torch.tensor([0.1, 1.0, 3.0, 10.0, 1.0, 30.0], dtype=torch.float64)[:, None, None]
    x, y = (scale * x).requires_grad_(), scale * y + 0.5
    together = sinkhorn_divergence(x, y, blur=0.5, tol=0.1)
    (grads,) = torch.autograd.grad(together.sum(), x)
    for k in range(6):
        alone = sinkhorn_divergence(x[k], y[k], blur=0.5, tol=0.1)
        assert together[k].item() == pytest.approx(alone.item(), rel=1e-10)
        (grad,) = torch.autograd.grad(alone, x)
        assert torch.allclose(grads[k], grad[k], rtol=1e-9, atol=1e-14)
