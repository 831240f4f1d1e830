"""From a file of embeddings to a trained encoder, its transfer and its check, as a user runs it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import fairrep
from fairrep.app.data_command import main
from fairrep.app.train import train
from fairrep.app.transfer import transfer
from fairrep.errors import ConfigError, DataError
from tests.app.conftest import QUICK

CHOICES = ("data.sensitive=[sex]", "data.tasks.seen=[hired]", "data.tasks.novel=[promoted]")
TRAINING = ("penalty=mmd", "batch_size=128", "epochs=2", *QUICK)
FEW = ("evaluation.heads=[logistic]", "representations=[trained,twin]")
WIDTH = 60


def write_people(folder, rows: int = 500, seed: int = 0, width: int = WIDTH) -> tuple[str, str]:
    """A table, and embeddings that the labels depend on; returns their paths."""
    draws = np.random.default_rng(seed)
    vectors = draws.normal(size=(rows, width)).astype(np.float32)
    woman = draws.random(rows) < 0.5
    table = pd.DataFrame(
        {
            "person_id": np.arange(rows) + 100 * seed,
            "sex": np.where(woman, "f", "m"),
            "hired": (vectors[:, 0] + ~woman > 0.5).astype(int),
            "promoted": (vectors[:, 1] > 0).astype(int),
        }
    )
    table.to_csv(folder / f"people{seed}.csv", index=False)
    np.save(folder / f"people{seed}.npy", vectors)
    return str(folder / f"people{seed}.csv"), str(folder / f"people{seed}.npy")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on embeddings, with a twin."""
    folder = tmp_path_factory.mktemp("embedded")
    path, embeddings = write_people(folder)
    given = ("data=csv", f"data.path={path}", f"data.embeddings={embeddings}")
    train(*given, *CHOICES, *TRAINING, folder=folder / "run")
    return folder / "run"


def test_the_command_trains_on_embeddings_and_prints_a_few_names(command, tmp_path):
    path, embeddings = write_people(tmp_path)
    given = ("data=csv", f"data.path={path}", f"data.embeddings={embeddings}", "hydra.run.dir=run")
    code, out, err = command("train", *given, *CHOICES, *TRAINING)
    assert code == 0, err
    assert f"{WIDTH} features" in out
    assert "embedding_0, embedding_1, …, embedding_59 (60 in all)" in " ".join(out.split())
    assert "embedding_7" not in out
    code, out, err = command("transfer", "run=run", *FEW, "out=there")
    assert code == 0, err
    assert "promoted (novel)" in out
    code, out, err = command("report", "run=run")
    assert code == 0, err
    assert (tmp_path / "run" / "report.html").is_file()


def test_the_command_refuses_embeddings_of_other_rows_in_one_line(command, tmp_path):
    (path, _), (_, other) = write_people(tmp_path), write_people(tmp_path, 400, seed=1)
    given = ("data=csv", f"data.path={path}", f"data.embeddings={other}", "hydra.run.dir=run")
    code, _, err = command("train", *given, *CHOICES, *TRAINING)
    assert code == 2
    assert err.startswith("error: embeddings need one row for each of the table's 500 rows")
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_saved_encoder_takes_an_array_or_a_table_by_name(run):
    array = np.load(run.parent / "people0.npy")
    encoder = fairrep.load_encoder(run)
    z = encoder.transform(array)
    assert z.shape == (500, encoder.dim)
    table = pd.DataFrame(array, columns=list(encoder.schema.names))
    assert np.array_equal(encoder.transform(table[table.columns[::-1]]), z)
    assert np.array_equal(encoder.transform(array.astype(np.float64)), z)


def test_a_novel_domain_brings_its_own_embeddings(run, tmp_path):
    path, embeddings = write_people(tmp_path, 300, seed=1)
    given = (f"data.path={path}", f"data.embeddings={embeddings}", f"out={tmp_path / 'out'}")
    found = transfer(f"run={run}", *given, *FEW)
    assert sum(found["domain"]["rows"].values()) == 300
    assert found["domain"]["own"] is False
    assert found["domain"]["embeddings"] == embeddings


def test_a_novel_domain_may_match_its_embeddings_by_key(run, tmp_path):
    """The same people in another order by key: the very figures of the array."""
    path, embeddings = write_people(tmp_path, 300, seed=1)
    names = fairrep.load_encoder(run).schema.names
    table = pd.DataFrame(np.load(embeddings), columns=list(names))
    table["person_id"] = pd.read_csv(path)["person_id"]
    table.sample(frac=1, random_state=0).to_parquet(tmp_path / "keyed.parquet")
    keyed = (f"data.embeddings={tmp_path / 'keyed.parquet'}", "data.embeddings_key=person_id")
    array, by_key = (
        transfer(f"run={run}", f"data.path={path}", *given, *FEW, f"out={tmp_path / str(k)}")
        for k, given in enumerate(((f"data.embeddings={embeddings}",), keyed))
    )
    assert by_key["figures"] == array["figures"]


def test_other_embeddings_of_the_same_people_are_another_domain(run, tmp_path):
    array = np.load(run.parent / "people0.npy")
    np.save(tmp_path / "noisy.npy", array + 0.1)
    given = (f"data.embeddings={tmp_path / 'noisy.npy'}", f"out={tmp_path / 'out'}")
    assert transfer(f"run={run}", *given, *FEW)["domain"]["own"] is False
    assert json.loads((run / "data.json").read_text())["features"][0] == "embedding_0"


def test_transfer_refuses_rows_or_embeddings_that_are_not_the_runs(run, tmp_path):
    path, _ = write_people(tmp_path, 300, seed=1)
    wide = write_people(tmp_path, 300, seed=1, width=WIDTH + 1)[1]
    out = f"out={tmp_path / 'out'}"
    with pytest.raises(ConfigError, match=r"reads embeddings.*set data\.embeddings=FILE"):
        transfer(f"run={run}", f"data.path={path}", out)
    with pytest.raises(ConfigError, match=r"has embedding_60 besides"):
        transfer(f"run={run}", f"data.path={path}", f"data.embeddings={wide}", out)
    narrow = write_people(tmp_path, 300, seed=1, width=WIDTH - 1)[1]
    with pytest.raises(DataError, match=r"\(60 in all\); the table lacks embedding_59\."):
        transfer(f"run={run}", f"data.path={path}", f"data.embeddings={narrow}", out)
    with pytest.raises(ConfigError, match=r"data\.embeddings is a choice of data=csv, not of adu"):
        transfer(f"run={run}", "data.name=adult", f"data.embeddings={wide}", out)
    assert not (tmp_path / "out").exists()


def test_another_table_leaves_the_runs_test_rows_behind(tmp_path):
    """Test rows in a file of their own are the run's, not those of the novel domain."""
    (path, vectors), (test, test_vectors) = (write_people(tmp_path, seed=k) for k in (2, 3))
    given = (f"data.path={path}", f"data.test_path={test}", f"data.embeddings={vectors}")
    more = (f"data.test_embeddings={test_vectors}", "twin=false", *CHOICES, *TRAINING)
    train("data=csv", *given, *more, folder=tmp_path / "run")
    path, vectors = write_people(tmp_path, 300, seed=4)
    given = (f"data.path={path}", f"data.embeddings={vectors}", f"out={tmp_path / 'out'}")
    found = transfer(f"run={tmp_path / 'run'}", *given, "representations=[trained]", FEW[0])
    assert sum(found["domain"]["rows"].values()) == 300


def test_check_sums_up_hundreds_of_columns_and_hands_the_files_on(tmp_path, capsys):
    path, embeddings = write_people(tmp_path)
    array = np.load(embeddings)
    array[:, 3:30] = 1.0
    array[:, 31] = pd.read_csv(path)["hired"]
    np.save(embeddings, array)
    words = ["check", path, "--embeddings", embeddings, "--sensitive", "sex", "--tasks", "hired"]
    assert main(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "500 rows, 4 columns" in printed
    assert "27 columns of embeddings have one value only: embedding_3, embedding_4, …" in printed
    assert "alone gives task 'hired' away: 'embedding_31' (balanced accuracy 1.000)" in printed
    assert printed.endswith(f"data.embeddings={embeddings}")
    assert "embedding_50" not in printed
    assert "identifier" not in printed  # person_id is not in x


def test_check_ends_at_embeddings_that_cannot_be_x(tmp_path, capsys):
    path, embeddings = write_people(tmp_path)
    np.save(embeddings, np.load(embeddings)[:-1])
    with pytest.raises(SystemExit) as end:
        main(["check", path, "--embeddings", embeddings])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
