"""FairEncoder: the scripts' training on rows in memory, and scikit-learn's manners."""

from __future__ import annotations

import doctest
import pickle
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import fairrep
from fairrep.app import fair_encoder
from fairrep.app.configs import compose_config
from fairrep.app.train import train
from fairrep.data import load_dataset
from tests.app.conftest import QUICK
from tests.data.helpers import people
from tests.estimators.balanced import balanced_groups

FEATURES = ["age", "pay", "city"]


def small(**settings):
    """Fits in half a second."""
    usual = {"encoder": "linear", "dim": 3, "max_epochs": 1, "accelerator": "cpu"}
    return fairrep.FairEncoder(**usual | settings)


@pytest.fixture(scope="module")
def table():
    """Numbers and names with holes, as are the labels; a row has one at least."""
    frame = people().astype({"age": float})
    frame.loc[::7, "age"] = np.nan
    frame.loc[::11, "city"] = None
    frame["hired"] = frame["hired"].map({0: "no", 1: "yes"}).mask(frame.index % 5 == 0)
    return frame


@pytest.fixture(scope="module")
def fitted(table):
    tasks = table[["hired", "grade", "pay"]]
    X = table[["age", "city", "sex", "hired"]]
    return small().fit(X, tasks, sensitive_features=table["sex"])


@pytest.fixture(scope="module")
def new(table):
    return table[["age", "city"]].iloc[:50]


def weights(encoder):
    return encoder.encoder_.state_dict()


def assert_same_weights(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


# ---- what it is


def test_examples_hold():
    assert doctest.testmod(fair_encoder).failed == 0


@pytest.mark.parametrize("part", ["trained", pytest.param("twin", marks=pytest.mark.slow)])
def test_the_same_rows_settings_and_seed_give_the_scripts_very_weights(part, tmp_path):
    """The script needs test rows, which the encoder does not read."""
    rows, others = people(300), people(80, seed=1)
    for name, table in (("train.csv", rows), ("test.csv", others)):
        table.to_csv(tmp_path / name, index=False)
    paths = [f"data.path={tmp_path}/train.csv", f"data.test_path={tmp_path}/test.csv"]
    options = ["data.sensitive=[sex]", "data.tasks.seen=[hired,grade]", "penalty=mmd"]
    options += ["penalty.weight=20", "encoder=mlp", "encoder.dim=5", "epochs=3", "batch_size=64"]
    options += ["seed=3", "optimizer.lr=0.01", "notion=equalized_odds", f"twin={part == 'twin'}"]
    train("data=csv", *paths, *options, *QUICK, folder=tmp_path / "run")
    encoder = small(
        penalty="mmd",
        weight=0 if part == "twin" else 20,
        encoder="mlp",
        dim=5,
        max_epochs=3,
        random_state=3,
        batch_size=64,
        lr=0.01,
        notion="equalized_odds",
    )
    read = pd.read_csv(tmp_path / "train.csv")
    encoder.fit(read, read[["hired", "grade"]], sensitive_features=read["sex"])
    script = fairrep.load_encoder(tmp_path / "run" / (part if part == "twin" else ""))
    assert_same_weights(script.state_dict(), weights(encoder))
    assert script.schema == encoder.encoder_.schema
    np.testing.assert_array_equal(script.transform(others), encoder.transform(others[FEATURES]))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_on_adults_training_rows_it_is_the_default_runs_encoder(tmp_path, one_thread):
    """With nothing set but the number of epochs; several threads add up in no fixed order."""
    train("data=adult", "epochs=2", "twin=false", "transfer=false", *QUICK, folder=tmp_path / "run")
    raw = load_dataset("adult")
    rows = raw.frame[~raw.test_rows]
    tasks = {name: raw.spec.tasks[name].derive(rows) for name in raw.spec.default_seen}
    encoder = fairrep.FairEncoder(max_epochs=2, accelerator="cpu")
    encoder.fit(rows[list(raw.spec.features)], pd.DataFrame(tasks), sensitive_features=rows["sex"])
    script = fairrep.load_encoder(tmp_path / "run")
    assert_same_weights(script.state_dict(), weights(encoder))
    assert (script.tasks, script.groups) == (encoder.encoder_.tasks, encoder.encoder_.groups)


def test_nothing_is_imported_before_it_is_asked_for():
    """In a fresh process; sys.modules of this one is full."""
    heavy = "torch hydra sklearn pandas pytorch_lightning"
    code = f"import sys, fairrep; print([m for m in '{heavy}'.split() if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert {"FairEncoder", "load_encoder"} <= set(dir(fairrep))


def test_a_setting_that_is_none_is_the_configs_own(fitted):
    config = compose_config("train", ["data=csv"])
    assert fitted.config_["penalty"]["name"] == config.penalty.name
    assert fitted.config_["penalty"]["weight"] == config.penalty.weight
    assert fitted.config_["batch_size"] == config.batch_size
    assert fitted.config_["epochs"] == fitted.n_epochs_ == 1


def test_every_argument_that_sets_something_reaches_its_setting(table):
    values = {"penalty": "mean", "weight": 0.5, "dim": 2, "encoder": "tabular", "ensemble": 2}
    values |= {"notion": "equal_opportunity", "max_epochs": 2, "batch_size": 100, "lr": 0.02}
    values |= {"val_fraction": 0.3, "accelerator": "cpu", "random_state": 5}
    assert values.keys() == fair_encoder.SETTINGS.keys()
    asked = fairrep.FairEncoder(**values, overrides=("optimizer.patience=0", "encoder.width=8"))
    config = compose_config("train", asked._overrides())
    by_name = {"penalty": "penalty.name", "encoder": "encoder.name", "notion": "notion.name"}
    for argument, setting in fair_encoder.SETTINGS.items():
        found = config
        for part in by_name.get(argument, setting).split("."):
            found = found[part]
        assert found == values[argument]
    assert (config.optimizer.patience, config.encoder.width) == (0, 8)


# ---- rows in, rows out


def test_tasks_are_typed_as_those_of_a_file(fitted):
    kinds = {task.name: task.kind for task in fitted.encoder_.tasks}
    assert kinds == {"hired": "binary", "grade": "multiclass", "pay": "regression"}
    assert fitted.tasks_ == ["hired", "grade", "pay"]
    assert fitted.groups_ == ["f", "m"]


def test_columns_of_x_that_are_tasks_or_groups_are_not_read(fitted):
    assert fitted.encoder_.schema.names == ("age", "city")
    assert fitted.dropped_.keys() == {"sex", "hired"}
    assert (fitted.n_features_in_, list(fitted.feature_names_in_)) == (
        4,
        ["age", "city", "sex", "hired"],
    )


def test_columns_are_found_by_name_and_those_that_are_not_read_may_be_absent(fitted, table, new):
    z = fitted.transform(new)
    assert z.shape == (50, 3)
    assert z.dtype == np.float32
    others = table[["hired", "sex", "city", "age"]].iloc[:50]
    np.testing.assert_array_equal(fitted.transform(others), z)


def test_an_array_is_read_by_position_with_a_warning(fitted, table, new):
    array = table[["age", "city", "sex", "hired"]].iloc[:50].to_numpy(object)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(fitted.transform(array), fitted.transform(new))


def test_arrays_and_lists_have_names_of_their_own(table):
    X = table[["age", "pay"]].to_numpy()
    encoder = small(task_kinds={"y": "regression"}, sensitive_names="sex")
    encoder.fit(X, table["hired"].eq("yes").astype(float).tolist(), sensitive_features=table.sex)
    assert encoder.encoder_.schema.names == ("x0", "x1")
    assert [(task.name, task.kind) for task in encoder.encoder_.tasks] == [("y", "regression")]
    assert not hasattr(encoder, "feature_names_in_")
    several = np.column_stack([table["sex"], np.where(table["pay"] > 30, "rich", "poor")])
    y = np.column_stack([table["grade"], table["hired"]])
    encoder.set_params(task_kinds=None, sensitive_names=None)
    encoder.fit(X, y, sensitive_features=several)
    assert encoder.tasks_ == ["y0", "y1"]
    assert encoder.groups_ == ["f & poor", "f & rich", "m & poor", "m & rich"]


def test_labels_without_a_name_do_not_take_that_of_a_feature(table):
    X = pd.DataFrame({"y": table["age"], "s": table["pay"]})
    encoder = small().fit(X, table["grade"].to_numpy(), sensitive_features=table.sex.to_numpy())
    assert encoder.encoder_.schema.names == ("y", "s")
    assert encoder.tasks_ == ["y_"]


def test_categories_of_numbers_stay_categories(table):
    X = pd.DataFrame({"code": table["pay"].round(-1).astype("category"), "age": table["age"]})
    encoder = small().fit(X, table["grade"], sensitive_features=table["sex"])
    assert [column["kind"] for column in encoder.encoder_.schema.to_json()] == [
        "categorical",
        "numeric",
    ]


def test_chosen_validation_rows_select_and_the_others_train(table):
    X, y, s = table[FEATURES], table["grade"], table["sex"]
    mask = np.arange(len(X)) % 4 == 1
    chosen = small().fit(X, y, sensitive_features=s, validation_rows=mask)
    assert chosen.validation_rows_.tolist() == np.flatnonzero(mask).tolist()
    mean = chosen.encoder_.schema.columns[1].mean
    assert mean == pytest.approx(X["pay"][~mask].mean())
    by_position = small().fit(X, y, sensitive_features=s, validation_rows=np.flatnonzero(mask))
    assert_same_weights(weights(chosen), weights(by_position))


def test_the_row_index_of_a_frame_does_not_matter(table):
    """As after a split, whose rows keep their labels."""
    X, y, s = table[FEATURES], table["grade"], table["sex"]
    order = np.random.default_rng(0).permutation(1000)[: len(X)]
    moved = small().fit(X.set_axis(order), y.set_axis(order[::-1]), sensitive_features=s)
    assert_same_weights(weights(small().fit(X, y, sensitive_features=s)), weights(moved))


# ---- manners


def test_it_is_pickled_cloned_and_saved_with_the_same_outputs(fitted, new, tmp_path):
    z = fitted.transform(new)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(new), z)
    assert not hasattr(clone(fitted), "encoder_")
    fitted.save(tmp_path / "kept")
    assert {"encoder.json", "encoder.safetensors"} <= {
        f.name for f in (tmp_path / "kept").iterdir()
    }
    loaded = fairrep.load_encoder(tmp_path / "kept")
    np.testing.assert_array_equal(loaded.transform(new), z)
    assert loaded.groups == ("f", "m")


def test_frames_come_out_where_they_are_asked_for(fitted, new):
    names = ["fairencoder0", "fairencoder1", "fairencoder2"]
    assert fitted.get_feature_names_out().tolist() == names
    frame = clone(fitted).set_output(transform="pandas")
    frame.__dict__ |= {key: value for key, value in vars(fitted).items() if key.endswith("_")}
    found = frame.transform(new)
    assert found.columns.tolist() == names
    assert found.index.equals(new.index)


def test_fitting_leaves_files_random_numbers_and_the_rows_alone(table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, stream = table.copy(), torch.random.get_rng_state()
    small(encoder="mlp").fit(table[FEATURES], table["grade"], sensitive_features=table["sex"])
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.random.get_rng_state(), stream)
    pd.testing.assert_frame_equal(table, before)


def test_a_pipeline_hands_groups_on(table):
    labelled = table[table["hired"].notna()]
    X, y, s = labelled[FEATURES], labelled["hired"], labelled["sex"]
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(small(), LogisticRegression())
        predicted = pipeline.fit(X, y, sensitive_features=s).predict(X)
    assert set(predicted) <= {"no", "yes"}
    other = make_pipeline(small(), LogisticRegression())
    other.fit(X, y, fairencoder__sensitive_features=s)
    assert (other.predict(X) == predicted).all()


@pytest.mark.slow
@pytest.mark.parametrize("routing", [True, False])
def test_cross_validation_splits_the_groups_with_the_rows(routing, table):
    labelled = table[table["hired"].notna()]
    name = "sensitive_features" if routing else "fairencoder__sensitive_features"
    with config_context(enable_metadata_routing=routing):
        scores = cross_val_score(
            make_pipeline(small(max_epochs=20), LogisticRegression()),
            labelled[FEATURES],
            labelled["hired"],
            params={name: labelled["sex"]},
            cv=3,
        )
    assert scores.shape == (3,)
    assert scores.mean() > 0.6


class Supplied(fairrep.FairEncoder):
    """Its fits get balanced groups."""

    def fit(self, X, y=None):
        return super().fit(X, y, sensitive_features=balanced_groups(X, y))


@pytest.mark.slow
@parametrize_with_checks(
    [Supplied(encoder="linear", max_epochs=1, overrides=("data.min_rows=1",))],
    expected_failed_checks={},
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_checks(estimator, check):
    check(estimator)
