"""German Credit as published: rows, base rates, groups from codes."""

from __future__ import annotations

import pytest

from fairrep.data import load_dataset
from fairrep.errors import DataError
from tests.data.helpers import prepare


def test_700_of_1000_credits_are_good():
    frame = load_dataset("german", None).frame
    assert len(frame) == 1_000
    assert int((frame["credit"] == 1).sum()) == 700


def test_310_women_and_37_domestic_workers():
    raw = load_dataset("german", None)
    sex = raw.spec.sensitive["sex"].derive(raw.frame)
    worker = raw.spec.sensitive["foreign_worker"].derive(raw.frame)
    assert int((sex == "female").sum()) == 310
    assert int((worker == "domestic").sum()) == 37


def test_sex_takes_the_column_it_is_mixed_with_out_of_x():
    data = prepare("german")
    assert "personal_status" not in data.schema.names
    assert len(data.schema.names) == 19


def test_a_group_below_min_rows_is_named_with_its_size():
    with pytest.raises(DataError, match=r"at least 100.*'domestic' \(n=2\d\)"):
        prepare("german", sensitive=["foreign_worker"], min_rows=100)
