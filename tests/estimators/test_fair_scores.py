"""Fair scores: equal selection rates at every threshold, order within groups, the scores' range."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from fairrep.errors import EstimatorError
from fairrep.estimators import FairScoreTransformer
from fairrep.functional.group_distributions import largest_ks_distance


def scored(n, seed=0):
    rng = np.random.default_rng(seed)
    s = rng.choice(["a", "b"], size=n, p=[0.7, 0.3])
    return rng.beta(np.where(s == "a", 2, 4), 3), s


def test_every_threshold_selects_alike():
    """Rates at all thresholds at once: the KS distance on fresh rows."""
    n = 20_000
    scores, s = scored(n)
    fair = FairScoreTransformer(random_state=0).fit(scores[:, None], sensitive_features=s)
    fresh, s_fresh = scored(n, seed=1)
    moved = fair.transform(fresh[:, None], sensitive_features=s_fresh)[:, 0]
    code = torch.tensor(s_fresh == "b").long()
    bound = 2 * 0.8687 * sum((k * n) ** -0.5 for k in (0.7, 0.3))  # of rows in fit, fresh rows
    assert float(largest_ks_distance(torch.tensor(moved), code, groups=2)) < 1.5 * bound
    assert float(largest_ks_distance(torch.tensor(fresh), code, groups=2)) > 0.3


def test_who_stands_before_whom_in_a_group_stays():
    """AUC within each group is what it was, but for rows beyond the range of fit."""
    scores, s = scored(5000)
    y = np.random.default_rng(2).random(5000) < scores
    fair = FairScoreTransformer(sigma=0)
    moved = fair.fit_transform(scores[:, None], sensitive_features=s)[:, 0]
    for g in "ab":
        before, after = (roc_auc_score(y[s == g], p[s == g]) for p in (scores, moved))
        assert after == pytest.approx(before, abs=1e-5)


def test_probabilities_stay_probabilities():
    scores, s = scored(500)
    fair = FairScoreTransformer().fit(scores[:, None], sensitive_features=s)
    wild = np.array([[-1.0], [0.5], [2.0]])
    moved = fair.transform(wild, sensitive_features=["a", "a", "b"])
    assert (moved >= scores.min()).all()
    assert (moved <= scores.max()).all()


def test_columns_are_moved_one_by_one_and_keep_their_names():
    scores, s = scored(800)
    frame = pd.DataFrame({"one": scores, "two": scores**2})
    fair = FairScoreTransformer(sigma=0, random_state=0).set_output(transform="pandas")
    moved = fair.fit(frame, sensitive_features=s).transform(frame, sensitive_features=s)
    assert list(moved.columns) == ["one", "two"]
    one = fair.maps_[0](scores, fair.groups_.codes(s, rows=800), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(moved["one"], one)


def test_the_least_change_within_a_bound():
    scores, s = scored(6000)
    fair = FairScoreTransformer(max_ks=0.1, random_state=0)
    fair.fit(scores[:, None], sensitive_features=s)
    assert 0 < fair.maps_[0].tau < 1
    assert fair.maps_[0].ks[1] <= 0.1


def test_mistakes_are_one_line():
    scores, s = scored(50)
    with pytest.raises(EstimatorError, match="tau must be in"):
        FairScoreTransformer(tau=-1).fit(scores[:, None], sensitive_features=s)
    fair = FairScoreTransformer().fit(scores[:, None], sensitive_features=s)
    with pytest.raises(EstimatorError, match="got c in 50 of 50 rows"):
        fair.transform(scores[:, None], sensitive_features=["c"] * 50)
    with pytest.raises(EstimatorError, match="sensitive_features is required"):
        fair.transform(scores[:, None])
