"""A teacher: what its trees predict is what heads learn, on rows and on made-up ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from fairrep.app.build import build_data
from fairrep.app.configs import compose_config
from fairrep.data import IndexLoader, OrderedSampler, PreparedData, Rows
from fairrep.errors import ConfigError, DataError
from fairrep.training import Teacher, TeacherSettings
from fairrep.training.teacher import swapped
from fairrep.types import TaskSpec

SETTINGS = TeacherSettings(
    learning_rate=0.1, max_leaf_nodes=7, max_iter=30, copies=2, swap=0.3, epochs=1
)
TASKS = (
    TaskSpec("hired", "binary", ("no", "yes")),
    TaskSpec("grade", "multiclass", ("a", "b", "c")),
    TaskSpec("pay", "regression"),
)


def rows(n: int, seed: int) -> Rows:
    """A third column of categories; a fifth of the labels is missing."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    x[:, 2] = random.integers(4, size=n)
    score = x[:, 0] + (x[:, 2] == 1)
    y = np.stack([score > 0, np.digitize(score, [-0.5, 0.7]), 3 * score], axis=1)
    y = np.where(random.random(y.shape) < 0.2, np.nan, y)
    tensors = (torch.tensor(a, dtype=torch.float32) for a in (x, y))
    s = torch.tensor(random.integers(2, size=n))
    return Rows(*tensors, s=s, a=torch.zeros(n, 1), index=np.arange(n))


@pytest.fixture(scope="module")
def data() -> PreparedData:
    german = build_data(compose_config("train", ["data=german"]))
    return replace(german, tasks=TASKS, train=rows(3000, 0), val=rows(1000, 1))


@pytest.fixture(scope="module")
def teacher(data) -> Teacher:
    return Teacher(data, [0, 0, 4], SETTINGS, seed=0)


def boosted(kind, data, t, **options):
    """Scikit-learn's own, on labelled rows, stopped by labelled validation rows."""
    parts = []
    for part in (data.train, data.val):
        known = ~torch.isnan(part.y[:, t])
        parts += [part.x[known].numpy(), part.y[known, t].numpy()]
    return kind(
        learning_rate=0.1,
        max_leaf_nodes=7,
        max_iter=30,
        categorical_features=[2],
        early_stopping=True,
        n_iter_no_change=20,
    ).fit(*parts[:2], X_val=parts[2], y_val=parts[3])


def test_targets_are_what_the_trees_predict(data, teacher):
    target, x = teacher.labelled().train.target, data.train.x.numpy()
    hired = boosted(HistGradientBoostingClassifier, data, 0).predict_proba(x)[:, 1]
    pay = boosted(HistGradientBoostingRegressor, data, 2).predict(x)
    np.testing.assert_allclose(target[:, 0], hired, atol=1e-6)
    np.testing.assert_allclose(target[:, 2], pay, atol=1e-5)
    assert teacher.trees.keys() == {"hired", "grade", "pay"}
    assert max(teacher.trees.values()) <= 30


def test_labels_of_several_classes_stay_and_missing_ones_are_drawn(data, teacher):
    target, y = teacher.labelled().train.target[:, 1], data.train.y[:, 1]
    known = ~torch.isnan(y)
    assert torch.equal(target[known], y[known])
    model = boosted(HistGradientBoostingClassifier, data, 1)
    likely = model.predict_proba(data.train.x[~known].numpy())
    for code in range(3):
        drawn = float((target[~known] == code).sum())
        spread = np.sqrt((likely[:, code] * (1 - likely[:, code])).sum())
        assert abs(drawn - likely[:, code].sum()) < 4 * spread


def test_labels_and_other_rows_are_left_as_they_are(data, teacher):
    taught = teacher.labelled()
    assert torch.equal(taught.train.y.nan_to_num(-1), data.train.y.nan_to_num(-1))
    assert taught.val is data.val
    assert taught.test is data.test


def test_lessons_are_the_rows_and_then_copies_with_targets_of_their_own(data, teacher):
    n, train = len(data.train), teacher.lessons().train
    assert len(train) == 3 * n
    assert torch.equal(train.x[:n], data.train.x)
    assert torch.equal(train.s, data.train.s.repeat(3))
    assert torch.isfinite(train.target).all()
    same = (train.x[n : 2 * n] == data.train.x).all(dim=1)
    assert 0.3 < same.float().mean() < 0.45  # .7^3, and some swaps between equal categories
    hired = boosted(HistGradientBoostingClassifier, data, 0).predict_proba(train.x.numpy())[:, 1]
    np.testing.assert_allclose(train.target[:, 0], hired, atol=1e-6)
    assert not torch.equal(train.x[n : 2 * n], train.x[2 * n :])


def test_swapping_keeps_the_columns_distributions_and_cuts_their_ties():
    random = np.random.default_rng(0)
    column = random.normal(size=20_000)
    x = np.stack([column, column], axis=1)
    assert np.array_equal(swapped(x, 0.0, random), x)
    made = swapped(x, 0.5, random)
    assert np.isclose((made != x).mean(), 0.5, atol=0.01)
    assert np.isclose(made.std(), x.std(), atol=0.02)
    # a pair stays whole with probability 1/4, else the two are independent
    assert np.isclose(np.corrcoef(made.T)[0, 1], 0.25, atol=0.03)


def test_batches_hand_out_labels_and_targets(data, teacher):
    sampler = OrderedSampler(data.train.s, groups=2, batch_size=500)
    taught, plain = (
        next(iter(IndexLoader(one.train, sampler, tasks=2))) for one in (teacher.labelled(), data)
    )
    assert torch.equal(taught.y.nan_to_num(-1), plain.y.nan_to_num(-1))
    assert torch.equal(plain.target.nan_to_num(-1), plain.y.nan_to_num(-1))
    assert taught.target.shape == taught.y.shape == plain.y.shape
    assert not torch.isnan(taught.target).any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("learning_rate", 0), ("max_leaf_nodes", 1), ("max_iter", 0), ("copies", -1)]
    + [("copies", 1.5), ("swap", 1.1), ("swap", "some"), ("epochs", 0)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=rf"teacher\.{setting} must .*, got {value}"):
        replace(SETTINGS, **{setting: value})


def test_a_task_without_labelled_validation_rows_is_refused(data):
    blank = data.val.y.clone()
    blank[:, 0] = torch.nan
    with pytest.raises(DataError, match="validation rows with a label of 'hired', got none"):
        Teacher(replace(data, val=replace(data.val, y=blank)), [0, 0, 4], SETTINGS, seed=0)
