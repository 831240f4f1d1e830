"""Settings of ``data`` in another form than theirs: one clear line, before a file is touched."""

from __future__ import annotations

import pytest

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.errors import ConfigError
from tests.data.helpers import people, write_csv

REFUSED = {
    "data.sensitive=sex": r"data\.sensitive=\[sex\], got 'sex'",
    "data.tasks.seen=hired": r"data\.tasks\.seen=\[hired\]",
    "data.drop=city": r"data\.drop=\[city\]",
    "data.sensitive=[sex,sex]": "each once, got sex again",
    "data.types=[age]": "data.types must be pairs",
    "data.positive=yes": "data.positive must be pairs",
    "data.min_rows=few": "data.min_rows must be a number, got 'few'",
    "data.test_fraction=half": "data.test_fraction must be a number",
    "split_seed=abc": "split_seed must be an integer >= 0, got 'abc'",
    "seed=-1": "seed must be an integer >= 0",
}


def config(path, *others):
    given = [f"data.path={path}", "data.sensitive=[sex]", "data.tasks.seen=[hired]"]
    return compose_config("train", ["data=csv", *given, *others])


@pytest.mark.parametrize("setting", REFUSED)
def test_a_setting_of_another_form_is_refused_with_the_mend(setting):
    with pytest.raises(ConfigError, match=REFUSED[setting]):
        build_data(config("nowhere.csv", setting))


def test_columns_may_be_called_by_numbers(tmp_path):
    path = write_csv(tmp_path, people().rename(columns={"city": "2020", "sex": "1"}))
    choices = ("data.drop=[2020]", "data.sensitive=[1]", "data.types={1: categorical}")
    data = build_data(config(path, *choices))
    assert data.sensitive == ("1",)
    assert "2020" not in data.schema.names
