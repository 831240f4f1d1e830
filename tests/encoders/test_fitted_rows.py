"""Rows that training or selection has read are known again; new people are left alone."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from fairrep.encoders import fitted_rows
from fairrep.encoders.fitted_rows import TAIL, FittedPart, FittedRows, at_least_by_chance
from fairrep.encoders.row_hashes import HashSketch, row_hashes
from fairrep.errors import CertificateError, RunError
from tests.data.helpers import prepare

FROZEN = [3122945833328557454, 10915370141120118066]


def unique(rows, seed, columns=6):
    """Rows that differ: two equal ones have a chance of about 2⁻¹⁴⁴."""
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def coded(rows, seed, *, levels, columns=3):
    """Rows of few categories, the first ones common: people who are alike."""
    draws = np.random.default_rng(seed).random((rows, columns))
    return np.floor(levels * draws**2).astype(np.float32)


def mixed(fresh, seen, share, seed=0):
    """``fresh`` with so large a share of it replaced by rows of ``seen``."""
    rng, count = np.random.default_rng(seed), round(share * len(fresh))
    chosen = rng.permutation(len(seen))[:count]
    return rng.permutation(np.concatenate([fresh[count:], seen[chosen]]))


@pytest.fixture(scope="module")
def fitted():
    return FittedRows.of(unique(1600, 0), unique(400, 1))


@pytest.mark.parametrize(
    ("seen", "words"),
    [(unique(1600, 0), "1,600 are rows that it was trained on"),
     (unique(400, 1), "400 are rows that it was selected on")],
)  # fmt: skip
def test_rows_of_training_or_selection_are_refused_with_their_number(fitted, seen, words):
    assert fitted.matches(seen) == (len(seen), len(seen))
    with pytest.raises(CertificateError, match=words) as refused:
        fitted.refuse(seen)
    assert "\n" not in str(refused.value)
    assert "data.calibration keeps, or new people" in str(refused.value)


@pytest.mark.parametrize("source", [unique(1600, 0), unique(400, 1)])
def test_one_row_in_twenty_is_enough(fitted, source):
    x = mixed(unique(2000, 2), source, 0.05)
    assert fitted.matches(x) == (100, 2000)
    with pytest.raises(CertificateError, match=r"of 2,000 rows looked at 100 are"):
        fitted.refuse(x)


def test_a_few_rows_that_chance_explains_pass(fitted):
    """One row by chance says nothing; the largest count that passes is the one that is named."""
    most = fitted.train.explained(2000)
    seen, fresh = unique(1600, 0), unique(2000, 2)
    fitted.refuse(np.concatenate([fresh[most:], seen[:most]]))
    with pytest.raises(CertificateError, match=rf"explain {most} at most"):
        fitted.refuse(np.concatenate([fresh[most + 1 :], seen[: most + 1]]))


@pytest.mark.parametrize("levels", [2, 8, 30, 200])
def test_new_people_are_never_refused(levels):
    """50 draws of training, validation and new rows, from none to almost all of them alike."""
    for seed in range(50):
        train, val, new = (coded(n, (seed, n), levels=levels) for n in (800, 200, 1000))
        FittedRows.of(train, val).refuse(new)


def test_the_new_people_of_that_test_match_by_chance_from_seldom_to_always():
    shares = []
    for levels in (2, 8, 30, 200):
        fitted = FittedRows.of(coded(800, 0, levels=levels), coded(200, 1, levels=levels))
        matching, rows = fitted.matches(coded(1000, 2, levels=levels))
        shares.append(matching / rows)
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert 0.3 < shares[1] < 1
    assert 0 < shares[3] < 0.05


def test_a_table_in_which_everybody_is_alike_tells_nothing_and_is_not_refused():
    """Eight kinds of people: even training rows cannot be told from new ones."""
    train, val = coded(800, 0, levels=2), coded(200, 1, levels=2)
    FittedRows.of(train, val).refuse(train)


@pytest.mark.parametrize("part", ["calibration", "test"])
def test_a_data_sets_own_held_out_rows_pass_and_the_others_do_not(part):
    """Adult: six of ten held-out people are like somebody in the training rows."""
    data = prepare("adult", calibration=0.25)
    fitted = FittedRows.of(data.train.x.numpy(), data.val.x.numpy())
    rows = getattr(data, part).x.numpy()
    matching, looked_at = fitted.matches(rows)
    assert 0.6 < matching / looked_at < 0.75
    fitted.refuse(rows)
    for seen in (data.train, data.val):
        with pytest.raises(CertificateError):
            fitted.refuse(seen.x.numpy())
        with pytest.raises(CertificateError):
            fitted.refuse(mixed(rows, seen.x.numpy(), 0.25))


def test_order_type_and_sign_of_zero_do_not_matter(fitted):
    x = mixed(unique(500, 3), unique(1600, 0), 0.1)
    shuffled = x[np.random.default_rng(0).permutation(len(x))]
    for same in (shuffled, x.astype(np.float64), np.asfortranarray(x), x[:, ::-1][:, ::-1]):
        assert fitted.matches(same) == (50, 500)
    zeros = np.zeros((3, 6), dtype=np.float32)
    assert (row_hashes(zeros) == row_hashes(-zeros)).all()
    assert (row_hashes(x) == row_hashes(torch.from_numpy(x).numpy())).all()


def test_order_of_columns_and_any_single_bit_matter():
    x = np.random.default_rng(4).uniform(0.25, 0.5, (1000, 6)).astype(np.float32)
    hashes = row_hashes(x)  # of numbers that stay finite whichever bit is changed
    others = [x[:, ::-1], np.nextafter(x, np.float32(np.inf)), np.pad(x, ((0, 0), (0, 1)))]
    for bit in range(32):
        changed = x.copy()
        changed.view(np.uint32)[:, bit % 6] ^= np.uint32(1 << bit)
        others.append(changed)
    assert not any((row_hashes(other) == hashes).any() for other in others)


def test_hashes_of_a_grid_are_distinct_and_spread_evenly():
    """All 2²⁰ pairs of small codes; each of 64 bits is set in half of them."""
    codes = np.stack(np.meshgrid(np.arange(1024.0), np.arange(1024.0)), axis=-1).reshape(-1, 2)
    hashes = row_hashes(codes)
    assert len(np.unique(hashes)) == len(codes)
    shares = [((hashes >> np.uint64(bit)) & np.uint64(1)).mean() for bit in range(64)]
    assert np.abs(np.array(shares) - 0.5).max() < 5 * 0.5 / math.sqrt(len(codes))


def test_hashes_are_the_same_in_every_process():
    """Frozen values: a saved sketch outlives the process that made it."""
    x = np.array([[0.0, 1.0], [-2.5, 3.0]], dtype=np.float32)
    assert [int(value) for value in row_hashes(x)] == FROZEN


def test_many_rows_are_looked_at_in_part_and_that_part_is_fair(monkeypatch):
    """A tenth of the rows kept: a tenth is looked at, and half of it matches as half of all do."""
    monkeypatch.setattr(fitted_rows, "KEPT", 2_000)
    train, val = unique(20_000, 0), unique(5_000, 1)
    fitted = FittedRows.of(train, val)
    assert not fitted.train.sketch.complete
    assert len(fitted.train.sketch.hashes) == 2_000
    x = mixed(unique(20_000, 2), train, 0.5)
    matching, looked_at = fitted.matches(x)
    assert abs(looked_at - 2_000) < 5 * math.sqrt(4_000)  # both cut-off and count vary
    assert abs(matching - looked_at / 2) < 5 * math.sqrt(looked_at / 4)
    with pytest.raises(CertificateError, match="trained on"):
        fitted.refuse(mixed(unique(20_000, 2), train, 0.05))
    fitted.refuse(unique(20_000, 3))


def test_the_sketch_of_both_parts_is_that_of_their_rows_as_far_as_both_reach():
    one, other = row_hashes(unique(3_000, 0)), row_hashes(unique(500, 1))
    both = HashSketch.of(one, kept=1_000) | HashSketch.of(other, kept=1_000)
    everything = np.unique(np.concatenate([one, other]))
    assert not both.complete
    assert (both.hashes == everything[: len(both.hashes)]).all()
    assert len(both.hashes) >= 1_000
    whole = HashSketch.of(one, kept=5_000) | HashSketch.of(other, kept=5_000)
    assert whole.complete
    assert (whole.hashes == everything).all()


@pytest.mark.parametrize(
    ("found", "rows", "alike", "others"),
    [(40, 200, 0, 120), (100, 2000, 0, 400), (3, 10, 2, 40), (7, 7, 1, 3), (0, 5, 2, 9)],
)
def test_the_p_value_is_fishers_counted_in_whole_numbers(found, rows, alike, others):
    total = found + alike
    ways = sum(
        math.comb(rows, k) * math.comb(others, total - k)
        for k in range(found, min(rows, total) + 1)
    )
    exact = float(Fraction(ways, math.comb(rows + others, total)))
    assert at_least_by_chance(found, rows, alike, others) == pytest.approx(exact, rel=1e-9)


def test_chance_explains_the_largest_count_that_is_not_too_unlikely():
    sketch = HashSketch.of(row_hashes(unique(10, 0)), kept=10)
    for rows, alike, others in ((200, 0, 120), (5_000, 300, 1_000), (50, 0, 0), (0, 1, 10)):
        most = FittedPart("trained", sketch, (alike, others)).explained(rows)
        assert 0 <= most <= rows
        assert most == 0 or at_least_by_chance(most, rows, alike, others) >= TAIL
        assert most == rows or at_least_by_chance(most + 1, rows, alike, others) < TAIL


def test_what_is_saved_is_what_is_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "rows.safetensors")
    loaded = FittedRows.load(tmp_path / "rows.safetensors")
    assert loaded.columns == fitted.columns
    for one, other in ((loaded.train, fitted.train), (loaded.val, fitted.val)):
        assert (one.role, one.alike) == (other.role, other.alike)
        assert one.sketch.complete == other.sketch.complete
        assert (one.sketch.hashes == other.sketch.hashes).all()
    assert [file.name for file in tmp_path.iterdir()] == ["rows.safetensors"]
    with pytest.raises(CertificateError):
        loaded.refuse(unique(1600, 0))


@pytest.mark.parametrize("content", [None, b"", b"junk" * 50])
def test_a_file_that_is_none_is_refused_by_its_name(tmp_path, content):
    file = tmp_path / "rows.safetensors"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RunError, match=r"rows\.safetensors' does not hold") as refused:
        FittedRows.load(file)
    assert "\n" not in str(refused.value)


def test_no_rows_are_not_refused_and_other_columns_are_a_mistake(fitted):
    fitted.refuse(unique(0, 0))
    assert fitted.matches(unique(0, 0)) == (0, 0)
    with pytest.raises(ValueError, match=r"rows must be \(n, 6\), got \(10, 5\)"):
        fitted.refuse(unique(10, 0, columns=5))
