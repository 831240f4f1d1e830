"""Shared storages: two processes, a killed worker, locked and corrupt files."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairrep.errors import SearchError
from fairrep.tuning import FairBO

ROOT = Path(__file__).resolve().parents[2]
SPACE = {"x": {"type": "float", "low": 0, "high": 1}}
WORKER = """
import os, sys, time
from pathlib import Path
from fairrep.tuning import FairBO

folder, trials, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])

def objective(params):
    (folder / f"started-{os.getpid()}").touch()
    time.sleep(pause)
    return {"accuracy": params["x"], "process": os.getpid()}

space = {"x": {"type": "float", "low": 0, "high": 1}}
search = FairBO(objective, space, utility="accuracy", sampler="random", storage=folder)
search.run(trials)
"""


def worker(folder, *, trials, pause):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(trials), str(pause)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def search(storage, **settings):
    def objective(params):
        return {"accuracy": params["x"], "process": 0}

    options = {"utility": "accuracy", "sampler": "random", "storage": storage} | settings
    return FairBO(objective, SPACE, **options)


def wait_for(condition, *, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_two_processes_share_a_journal_and_a_killed_one_loses_its_trial_only(tmp_path):
    """The killed worker's settings are tried again; every trial asked for is finished."""
    stuck = worker(tmp_path, trials=8, pause=600)
    wait_for(lambda: (tmp_path / f"started-{stuck.pid}").exists())
    others = [worker(tmp_path, trials=8, pause=0.3) for _ in range(2)]
    for other in others:
        wait_for(lambda: (tmp_path / f"started-{other.pid}").exists())  # noqa: B023
    stuck.kill()
    stuck.wait()
    for other in others:
        assert other.wait(timeout=120) == 0, other.stderr.read()
    own = search(tmp_path)
    table = own.result().trials
    assert (table["state"] == "complete").sum() == len(table) == 8
    assert set(table["process"]) == {other.pid for other in others}
    trials = own.study.get_trials()
    given_up = [trial for trial in trials if trial.state.name == "FAIL"]
    (lost,) = [t for t in given_up if t.user_attrs.get("worker", {}).get("pid") == stuck.pid]
    (again,) = [t for t in trials if t.user_attrs.get("retry_of") == lost.number]
    assert again.params == lost.params
    assert len({trial.params["x"] for trial in trials if trial not in given_up}) == len(table)


def test_a_line_that_a_killed_worker_left_half_written_is_cut_off(tmp_path):
    search(tmp_path).run(3)
    with (tmp_path / "trials.journal").open("a") as file:
        file.write('{"op_code":5,"wor')
    assert len(search(tmp_path).run(5).trials) == 5


def test_an_interrupted_trial_is_tried_again(tmp_path):
    def interrupted(params):
        raise KeyboardInterrupt

    stopped = search(tmp_path)
    stopped.objective = interrupted
    with pytest.raises(KeyboardInterrupt):
        stopped.run(2)
    found = search(tmp_path).run(2)
    assert len(found.trials) == 2
    first = stopped.study.get_trials()[0]
    assert first.params["x"] in found.trials["param_x"].tolist()


def test_sqlite_resumes_as_a_journal_does(tmp_path):
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    search(url).run(2)
    assert len(search(url).run(4).trials) == 4


@pytest.mark.parametrize("content", [b"not a journal", b'{"op_code":0}\nnonsense\n{}\n', b"\xff\n"])
def test_a_corrupt_journal_is_one_line_and_stays_as_it_is(tmp_path, content):
    file = tmp_path / "trials.journal"
    file.write_bytes(content)
    with pytest.raises(SearchError, match=r"storage must be .*trials.journal") as mistake:
        search(file).run(1)
    assert "\n" not in str(mistake.value)
    assert file.read_bytes() == content


def test_a_corrupt_or_locked_database_is_one_line(tmp_path):
    corrupt = tmp_path / "corrupt.db"
    corrupt.write_bytes(b"no database" * 100)
    with pytest.raises(SearchError, match="file is not a database"):
        search(f"sqlite:///{corrupt}").run(1)
    url = f"sqlite:///{tmp_path / 'locked.db'}?timeout=0.1"
    search(url).run(1)
    with sqlite3.connect(tmp_path / "locked.db", isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SearchError, match=r"database is locked.*end what locks it"):
            search(url).run(2)
    holder.close()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SearchError, match="storage must be"):
        search(tmp_path / "file" / "trials.journal").run(1)


def test_another_search_of_the_same_name_is_refused(tmp_path):
    search(tmp_path).run(1)
    with pytest.raises(SearchError, match="already holds a search 'search' with another constr"):
        search(tmp_path, constraints="process<=1").run(1)
    assert len(search(tmp_path, name="other", constraints="process<=1").run(1).trials) == 1


def test_journals_are_plain_lines_of_json(tmp_path):
    search(tmp_path / "runs" / "own.journal").run(1)
    lines = (tmp_path / "runs" / "own.journal").read_text().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
