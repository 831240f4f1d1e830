"""The encode command: files of any length, by pieces, resumed, with scores; and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score

import fairrep
from fairrep.app import encode as command
from fairrep.app.encode import encode, in_order
from fairrep.app.encode_pieces import Pieces
from fairrep.app.transfer import transfer
from fairrep.data.streams import open_table
from fairrep.encoders import load_heads, task_predictions
from fairrep.errors import ConfigError, DataError, RunError, SchemaError
from tests.app.conftest import newcomers, small_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """700 people as CSV, as compressed CSV, and as parquet with row groups of 90."""
    folder = tmp_path_factory.mktemp("newcomers")
    table = newcomers(700, 1)
    table.to_csv(folder / "new.csv", index=False)
    table.to_csv(folder / "new.csv.gz", index=False)
    table.to_parquet(folder / "new.parquet", index=False, row_group_size=90)
    return folder


@pytest.fixture(scope="module")
def z(run_of_people):
    return fairrep.load_encoder(run_of_people).transform(newcomers(700, 1))


@pytest.mark.parametrize("source", ["new.csv", "new.csv.gz", "new.parquet"])
@pytest.mark.parametrize(("size", "skip"), [(128, 0), (128, 256), (90, 180), (5000, 0)])
def test_pieces_are_encoded_as_the_whole_table_is(folder, run_of_people, source, size, skip):
    schema, table = fairrep.load_encoder(run_of_people).schema, newcomers(700, 1)
    keep = ["id", "age", "city", "code"]
    pieces = list(open_table(folder / source, schema, keep).pieces(size, skip=skip))
    x = np.concatenate([schema.encode(piece.features) for piece in pieces])
    assert np.array_equal(x, schema.encode(table)[skip:])
    assert {len(piece.features) for piece in pieces[:-1]} <= {size}
    kept = pa.concat_tables([piece.kept for piece in pieces])
    assert kept["id"].to_pylist() == table["id"].tolist()[skip:]
    assert kept["age"].null_count == table["age"][skip:].isna().sum()


def test_texts_stay_texts_and_codes_stay_codes_whatever_a_chunk_holds(run_of_people, tmp_path):
    """Read alone, 01 would be the number 1; read beside text, 2.0 would be another name than 2."""
    schema = fairrep.load_encoder(run_of_people).schema
    table = newcomers(40, 2).assign(city="01", code=2.0)
    table.to_csv(tmp_path / "a.csv", index=False)
    (piece,) = open_table(tmp_path / "a.csv", schema, []).pieces(100, skip=0)
    assert np.array_equal(schema.encode(piece.features), schema.encode(table))


@pytest.mark.parametrize("types", [pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_parquet_columns_of_other_types_mean_the_same(run_of_people, tmp_path, types):
    schema, table = fairrep.load_encoder(run_of_people).schema, newcomers(200, 3)
    columns = pa.Table.from_pandas(table, preserve_index=False)
    for name, kind in (("city", types), ("wealth", pa.decimal128(21, 2)), ("age", pa.float32())):
        place = columns.schema.get_field_index(name)
        columns = columns.set_column(place, name, columns[name].cast(kind))
    pq.write_table(columns, tmp_path / "a.parquet", row_group_size=70)
    pieces = open_table(tmp_path / "a.parquet", schema, []).pieces(64, skip=0)
    x = np.concatenate([schema.encode(piece.features) for piece in pieces])
    assert np.allclose(x, schema.encode(table), atol=1e-5)


@pytest.mark.parametrize("source", ["new.csv.gz", "new.parquet"])
@pytest.mark.parametrize("target", ["z.csv", "z.csv.gz", "z.parquet"])
def test_z_and_kept_columns_are_written(folder, run_of_people, z, tmp_path, source, target):
    output = tmp_path / target
    settings = ("keep=[id]", "rows=150", "threads=2")
    assert encode(f"run={run_of_people}", f"input={folder / source}", f"output={output}", *settings)
    read = pd.read_parquet if target == "z.parquet" else pd.read_csv
    found = read(output)
    assert list(found) == ["id", "z0", "z1", "z2", "z3"]
    assert np.allclose(found.iloc[:, 1:], z, atol=1e-6)
    assert found["id"].astype(str).str.zfill(5).is_monotonic_increasing
    assert [file.name for file in tmp_path.iterdir()] == [target]


def test_joint_heads_write_their_scores(folder, run_of_people, z, tmp_path):
    """Of a task with classes probabilities, of a regression values in the label's own unit."""
    output, joint = tmp_path / "z.parquet", run_of_people / "heads" / "joint"
    paths = (f"run={run_of_people}", f"input={folder / 'new.parquet'}", f"output={output}")
    encode(*paths, "head=joint", "z=false")
    found = pd.read_parquet(output)
    fields = ["field/arts", "field/law", "field/physics"]
    assert list(found) == ["hired", *fields, "score"]
    heads = load_heads(joint)
    with torch.no_grad():
        hired, field, score = task_predictions(heads.network(torch.from_numpy(z)), heads.tasks)
    for name, expected in (("hired", hired), (fields, field), ("score", score)):
        assert np.allclose(found[name], expected, rtol=1e-5, atol=1e-6)
    assert 20 < found["score"].mean() < 60


def test_joint_heads_give_the_run_s_own_predictions(run_of_people, tmp_path):
    predicted = pd.read_parquet(run_of_people / "predictions.parquet").set_index("row")
    people = run_of_people.parent / "people.csv"
    encode(f"run={run_of_people}", f"input={people}", f"output={tmp_path / 'z.csv'}", "head=joint")
    scores = pd.read_csv(tmp_path / "z.csv").loc[predicted.index, "hired"]
    assert np.allclose(scores, predicted["hired/joint"], atol=1e-5)


def test_what_is_done_is_not_done_again_and_the_file_is_the_same(
    folder, run_of_people, tmp_path, monkeypatch
):
    """Killed after two pieces, or while they are joined."""
    paths = (f"run={run_of_people}", f"input={folder / 'new.parquet'}", "rows=100", "keep=[city]")
    encode(*paths, f"output={tmp_path / 'whole.parquet'}")
    output = tmp_path / "z.parquet"

    class Killed(BaseException):
        pass

    def killed_after(number, *, joining):
        write = Pieces.write

        def written(self, k, rows):
            if k == number:
                raise Killed
            write(self, k, rows)

        def joined(self, *_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Pieces, *(("join", joined) if joining else ("write", written)))
            with pytest.raises(Killed):
                encode(*paths, f"output={output}")
        assert not output.exists()
        return sorted(file.name for file in (tmp_path / "z.parquet.part").glob("*.arrow"))

    assert killed_after(2, joining=False) == ["000000.arrow", "000001.arrow"]
    assert killed_after(0, joining=True)[-1] == "000006.arrow"
    read = []
    monkeypatch.setattr(command, "in_order", lambda work, items, threads: read.extend(items) or [])
    encode(*paths, f"output={output}")
    assert not read
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["whole.parquet", "z.parquet"]


def test_pieces_of_other_settings_are_never_joined(folder, run_of_people, tmp_path):
    output = tmp_path / "z.csv"
    paths = (f"run={run_of_people}", f"input={folder / 'new.csv'}", f"output={output}")
    other = Pieces(output, {"rows": 7}, overwrite=False)
    other.start()
    other.write(0, pa.table({"z0": [1.0]}))
    with pytest.raises(RunError, match="holds pieces of other settings"):
        encode(*paths)
    encode(*paths, "overwrite=true")
    assert len(pd.read_csv(output)) == 700
    with pytest.raises(RunError, match="is there already; choose another, or give overwrite=true"):
        encode(*paths)
    assert encode(*paths, "overwrite=true") == 700


def test_results_come_in_order_and_few_items_are_at_hand():
    at_hand = []

    def items():
        for k in range(20):
            at_hand.append(k)
            yield k

    def work(k):
        time.sleep(0.01 if k % 2 else 0.0)
        return k

    found = []
    for result in in_order(work, items(), threads=3):
        found.append(result)
        assert len(at_hand) - len(found) <= 4
    assert found == list(range(20))


@pytest.mark.parametrize(
    ("change", "overrides", "kind", "words"),
    [
        ({"drop": "age"}, [], SchemaError, r"needs the columns age, .*people.*lacks age"),
        ({}, ["keep=[name]"], DataError, "keep must name columns of .*, which lacks name"),
        ({}, ["keep=[z0]"], DataError, "which lacks z0"),
        ({"age": "old"}, [], SchemaError, "column 'age' must hold numbers, but row 601 holds"),
        ({"age": np.inf}, [], SchemaError, "column 'age' must be finite"),
        ({"rows": 0}, [], DataError, "but no rows; there is nothing to encode"),
        ({"z0": 1}, ["keep=[z0]"], ConfigError, "give z0 twice"),
        ({"ending": "txt"}, [], DataError, "input must end with .parquet, .pq, .csv"),
        (
            {},
            ["output=z.feather"],
            ConfigError,
            "output must end with .parquet, .pq, .csv, .csv.gz",
        ),
        ({}, ["output=nowhere/z.csv"], RunError, "output's folder 'nowhere' does not exist"),
        ({}, ["input=z.csv", "output=./z.csv"], ConfigError, "must be another file than input"),
        ({}, ["output=null"], ConfigError, "output is needed: output=FILE"),
        ({}, ["run=null"], ConfigError, "run=RUN_DIR"),
        ({}, ["input=nowhere.csv"], DataError, "'nowhere.csv' does not exist; check input"),
        ({}, ["z=false"], ConfigError, "z=false leaves nothing to write"),
        ({}, ["z=maybe"], ConfigError, "z must be true or false, got 'maybe'"),
        (
            {},
            ["head=nowhere"],
            RunError,
            "saved heads are needed, but 'nowhere' holds no heads.json",
        ),
        ({}, ["head=joint", "keep=[hired]"], ConfigError, "give hired twice"),
        ({}, ["rows=0"], ConfigError, "rows must be an integer >= 1, got '0'"),
        ({}, ["threads=1.5"], ConfigError, "threads must be an integer >= 1, got '1.5'"),
        ({}, ["keep=id"], ConfigError, r"keep must be a list of columns, such as \[id\]"),
    ],
)
def test_what_cannot_be_encoded_is_refused_and_leaves_nothing(
    run_of_people, tmp_path, change, overrides, kind, words
):
    table = newcomers(700, 1).head(change.pop("rows", 700))
    file = tmp_path / f"people.{change.pop('ending', 'csv')}"
    table = table.drop(columns=change.pop("drop", []))
    for name, value in change.items():  # in the last piece
        table[name] = table.get(name, pd.Series(0, table.index)).astype(object)
        table.loc[600, name] = value
    table.to_csv(file, index=False)
    paths = (f"run={run_of_people}", f"input={file}", f"output={tmp_path / 'z.csv'}", "rows=200")
    with pytest.raises(kind, match=words):
        encode(*paths, *overrides)
    assert list(tmp_path.iterdir()) == [file]


def test_parquet_columns_that_are_no_numbers_are_refused(run_of_people, tmp_path):
    table = newcomers(20, 1)
    file = tmp_path / "people.parquet"
    for bad, words in (
        (
            table.assign(age=pd.Timestamp("2020-01-01")),
            "column 'age' must hold numbers, .* timestamp",
        ),
        (table.assign(age=[[1.0]] * 20), "are lists or records"),
    ):
        bad.to_parquet(file)
        with pytest.raises(DataError, match=words):
            encode(f"run={run_of_people}", f"input={file}", f"output={tmp_path / 'z.csv'}")
    file.write_bytes(b"PAR1 cut off")
    with pytest.raises(DataError, match="could not be read as a table"):
        encode(f"run={run_of_people}", f"input={file}", f"output={tmp_path / 'z.csv'}")
    assert list(tmp_path.iterdir()) == [file]


def test_a_run_without_joint_heads_says_what_to_do(folder, run_of_people, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "metrics.json", "encoder"):
        (tmp_path / "run" / name).symlink_to(run_of_people / name)
    paths = (
        f"run={tmp_path / 'run'}",
        f"input={folder / 'new.csv'}",
        f"output={tmp_path / 'z.csv'}",
    )
    with pytest.raises(RunError, match="train again, or give head=FOLDER"):
        encode(*paths, "head=joint")
    joint = run_of_people / "heads" / "joint"
    assert encode(*paths, f"head={joint}", "z=false") == 700


@pytest.mark.slow
@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_fresh_heads_of_the_transfer_protocol_score_as_they_were_tested(
    run_of_people, tmp_path, head
):
    transfer(f"run={run_of_people}", f"out={tmp_path / 'transfer'}", f"head={head}")
    content = json.loads((tmp_path / "transfer" / "transfer.json").read_text())
    figures = content["figures"]["hired"]["trained"][head]
    heads, people = tmp_path / "transfer" / "heads" / head, run_of_people.parent / "people.csv"
    paths = (f"run={run_of_people}", f"input={people}", f"output={tmp_path / 'z.parquet'}")
    encode(*paths, f"head={heads}", "z=false")
    tested = pd.read_parquet(run_of_people / "predictions.parquet").set_index("row")
    scores = pd.read_parquet(tmp_path / "z.parquet").loc[tested.index, "hired"]
    assert roc_auc_score(tested["hired/label"], scores) == pytest.approx(figures["auc"], abs=1e-3)
    assert {task.name for task in load_heads(heads).tasks} == {"hired", "field", "score"}


@pytest.mark.slow
def test_an_encoder_with_cells_writes_the_cell(folder, tmp_path):
    run = small_run(tmp_path / "run", "encoder=cells", "encoder.cells=3", "penalty=none")
    encode(f"run={run}", f"input={folder / 'new.csv'}", f"output={tmp_path / 'z.parquet'}")
    found = pd.read_parquet(tmp_path / "z.parquet")
    expected = fairrep.load_encoder(run).transform(newcomers(700, 1)).argmax(1)
    assert list(found) == ["cell"]
    assert np.array_equal(found["cell"], expected)


@pytest.mark.slow
def test_the_command_killed_and_run_again_gives_the_same_file(
    start, finish, folder, run_of_people, tmp_path
):
    table = pd.read_parquet(folder / "new.parquet")
    pd.concat([table] * 500, ignore_index=True).to_parquet(tmp_path / "big.parquet")
    settings = (f"run={run_of_people}", "input=big.parquet", "keep=[id]", "rows=2000")
    process = start("encode.py", *settings, "output=z.parquet")
    while len(list(tmp_path.glob("z.parquet.part/*.arrow"))) < 3:
        assert process.poll() is None
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "z.parquet").exists()
    code, out, err = finish("encode.py", *settings, "output=z.parquet")
    assert (code, err) == (0, "")
    assert "350,000 rows in z.parquet" in out
    assert "of them from before" in out
    finish("encode.py", *settings, "output=whole.parquet")
    assert (tmp_path / "z.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    code, out, err = finish("encode.py", *settings, "output=z.parquet")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "overwrite=true" in err
