import functools
import math

import pytest
import torch
from scipy.stats import kstwo

from fairrep.functional import (
    binomial_difference_upper_bound,
    delta_per_statement,
    dkw_ks_upper_bound,
    ks_upper_bound,
    linear_gap_upper_bound,
    rkhs_gap_upper_bound,
    total_variation_upper_bound,
)

DELTA = 0.05
exact_bound = functools.cache(binomial_difference_upper_bound)


def law(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def test_mcdiarmids_bound_adds_its_width_to_the_estimate():
    """ln(1/delta) = 2 and 1/50 + 1/200 = 0.025: a width of sqrt(0.025)."""
    value = total_variation_upper_bound(
        law(0.5, 0.3, 0.2), law(0.4, 0.3, 0.3), 50, 200, delta=math.exp(-2), method="mcdiarmid"
    )
    assert value == pytest.approx(0.1 + math.sqrt(0.025), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_exact_bound_is_the_binomial_one_at_the_estimate(dtype):
    p, q = torch.tensor([7, 5, 8], dtype=dtype) / 20, torch.tensor([9, 11, 10], dtype=dtype) / 30
    value = total_variation_upper_bound(p, q, 20, 30, delta=DELTA, method="exact")
    assert value == exact_bound((3 * 8 - 2 * 10 + 3 * 7 - 2 * 9) / 60, 20, 30, delta=DELTA)


def test_the_exact_bound_is_never_above_mcdiarmids_and_a_third_tighter():
    p, q = law(0.3, 0.7), law(0.28, 0.72)
    values = {
        method: total_variation_upper_bound(p, q, 5000, 5000, delta=DELTA, method=method) - 0.02
        for method in ("exact", "mcdiarmid")
    }
    assert 0.6 < values["exact"] / values["mcdiarmid"] < 0.7
    ks = {method: ks_upper_bound(0.02, 5000, 5000, delta=DELTA, method=method) for method in values}
    assert ks["exact"] - 0.02 == pytest.approx(values["exact"], rel=1e-9)
    assert ks["mcdiarmid"] - 0.02 == pytest.approx(values["mcdiarmid"], rel=1e-9)


def test_the_rkhs_bound_adds_its_width_to_the_estimate():
    """kappa ln(1/delta) (1/n_a + 1/n_b) = 2 * 2 * 0.04."""
    value = rkhs_gap_upper_bound(0.3, 50, 50, delta=math.exp(-2), kernel_bound=2.0, norm=3.0)
    assert value == pytest.approx(3 * (0.3 + 0.4), rel=1e-12)


def test_the_linear_bound_adds_its_width_to_the_estimate():
    """R sqrt(2 ln(1/delta) (1/n_a + 1/n_b)) = 1.5 sqrt(2 * 2 * 0.04)."""
    value = linear_gap_upper_bound(0.3, 50, 50, delta=math.exp(-2), radius=1.5, norm=3.0)
    assert value == pytest.approx(3 * (0.3 + 1.5 * 0.4), rel=1e-12)


def test_the_ks_bounds_add_their_widths_to_the_estimate():
    assert ks_upper_bound(0.1, 50, 200, delta=math.exp(-2)) == pytest.approx(
        0.1 + math.sqrt(0.025), rel=1e-12
    )
    massart = dkw_ks_upper_bound(0.1, 50, 200, delta=4 * math.exp(-2))
    assert massart == pytest.approx(0.1 + math.sqrt(1 / 50) + math.sqrt(1 / 200), rel=1e-12)
    ratio = (ks_upper_bound(0, 999, 999, delta=DELTA)) / dkw_ks_upper_bound(
        0, 999, 999, delta=DELTA
    )
    assert ratio == pytest.approx(math.sqrt(math.log(20) / (2 * math.log(80))), rel=1e-12)  # 0.585


def test_dkw_is_massarts_tail_at_half_of_delta_a_group():
    """kstwo is the law of one group's distance; its tail is below 2 exp(-2 n eps^2), nearly."""
    eps = dkw_ks_upper_bound(0, 2000, 2000, delta=DELTA) / 2
    assert 0.9 * DELTA / 2 < kstwo.sf(eps, 2000) <= DELTA / 2


def test_no_bound_exceeds_what_can_happen():
    p, q = law(1.0, 0.0), law(0.0, 1.0)
    for method in ("exact", "mcdiarmid"):
        assert total_variation_upper_bound(p, q, 9, 7, delta=DELTA, method=method) == 1
        assert ks_upper_bound(0.9, 9, 7, delta=DELTA, method=method) == 1
    assert dkw_ks_upper_bound(0.9, 9, 7, delta=DELTA) == 1
    assert rkhs_gap_upper_bound(1.3, 3, 3, delta=DELTA, kernel_bound=1, norm=2) == 2 * math.sqrt(2)
    assert linear_gap_upper_bound(1.9, 3, 3, delta=DELTA, radius=1, norm=2) == 4


def test_every_bound_falls_with_rows_and_rises_with_confidence():
    bounds = (
        lambda n, delta: ks_upper_bound(0.1, n, 500, delta=delta),
        lambda n, delta: ks_upper_bound(0.1, n, 500, delta=delta, method="exact"),
        lambda n, delta: dkw_ks_upper_bound(0.1, n, 500, delta=delta),
        lambda n, delta: rkhs_gap_upper_bound(0.1, n, 500, delta=delta, kernel_bound=1, norm=1),
        lambda n, delta: linear_gap_upper_bound(0.1, n, 500, delta=delta, radius=1, norm=1),
    )
    for value in bounds:
        assert value(200, 0.05) > value(400, 0.05) > value(800, 0.05) > 0.1
        assert value(400, 0.01) > value(400, 0.05) > value(400, 0.2)


def test_delta_is_shared_by_pairs_of_groups_candidates_and_tasks():
    assert delta_per_statement(0.05, groups=2) == 0.05
    assert delta_per_statement(0.06, groups=4) == pytest.approx(0.01)
    assert delta_per_statement(0.06, groups=3, candidates=5, tasks=2) == pytest.approx(0.002)


HALF = law(0.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 4, delta=0.05, method="bernstein"),
         "method must be one of"),
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 4, delta=5, method="exact"),
         "delta must lie strictly between"),
        (lambda: total_variation_upper_bound(HALF, HALF, 0, 4, delta=0.05, method="exact"),
         "n_p must be an integer"),
        (lambda: total_variation_upper_bound(HALF, HALF, 4, 5, delta=0.05, method="exact"),
         "q_hat must be multiples of 1/5"),
        (lambda: total_variation_upper_bound(law(0.3, 0.3), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "p_hat must be probabilities"),
        (lambda: total_variation_upper_bound(law(1.5, -0.5), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "p_hat must be probabilities"),
        (lambda: total_variation_upper_bound(law(1.0), HALF, 4, 4, delta=0.05,
                                             method="mcdiarmid"), "same cells"),
        (lambda: ks_upper_bound(1.5, 4, 4, delta=0.05), "ks must lie between 0 and 1"),
        (lambda: ks_upper_bound(0.5, 4, 0, delta=0.05), "n_b must be an integer"),
        (lambda: ks_upper_bound(0.5, 4, 4, delta=0.05, method="dkw"), "method must be one of"),
        (lambda: dkw_ks_upper_bound(-0.1, 4, 4, delta=0.05), "ks must lie between 0 and 1"),
        (lambda: rkhs_gap_upper_bound(2.0, 4, 4, delta=0.05, kernel_bound=1, norm=1),
         "mmd_v must lie between 0 and 1.41421"),
        (lambda: rkhs_gap_upper_bound(0.1, 4, 4, delta=0.05, kernel_bound=0, norm=1),
         "kernel_bound must be a positive finite number"),
        (lambda: linear_gap_upper_bound(2.5, 4, 4, delta=0.05, radius=1, norm=1),
         "mean_distance must lie between 0 and 2"),
        (lambda: linear_gap_upper_bound(0.5, 4, 4, delta=0.05, radius=1, norm=-1),
         "norm must be a positive finite number"),
        (lambda: delta_per_statement(0.05, groups=1), "groups must be at least 2"),
        (lambda: delta_per_statement(0.05, groups=2, candidates=0), "candidates must be an"),
        (lambda: delta_per_statement(1.5, groups=2), "delta must lie strictly between"),
    ],
)  # fmt: skip
def test_mistakes_raise_with_the_requirement(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_soft_cells_are_refused_by_the_exact_bound():
    soft = torch.rand(500, 4, generator=torch.Generator().manual_seed(0)).softmax(-1).mean(0)
    hard = law(100, 150, 50, 200) / 500
    total_variation_upper_bound(soft, hard, 500, 500, delta=DELTA, method="mcdiarmid")
    with pytest.raises(ValueError, match=r"p_hat must be multiples of 1/500.*soft cells"):
        total_variation_upper_bound(soft, hard, 500, 500, delta=DELTA, method="exact")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_not_taken_for_soft_cells(dtype):
    n = 999_999
    p = (torch.tensor([333_333, 1, 666_665], dtype=torch.float64) / n).to(dtype)
    assert total_variation_upper_bound(p, p, n, n, delta=DELTA, method="exact") < 0.002
