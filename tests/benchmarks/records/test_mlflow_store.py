"""A store that is broken, locked or new, and addresses with passwords."""

import os
import sqlite3
import subprocess
import sys

import pytest

from benchmarks.errors import UserError
from benchmarks.records import mlflow_store
from benchmarks.records.mlflow_server import how_to_open
from benchmarks.records.mlflow_store import check_database, is_damaged, without_secrets, writing

BROKEN = {
    "text": lambda content: b"no database",
    "noise": lambda content: bytes(index * 7 % 251 for index in range(len(content))),
    "half": lambda content: content[: len(content) // 2],
    "one page": lambda content: content[:4096],
    "a header": lambda content: content[:100],
    "pages of zeros": lambda content: content[:8192] + bytes(len(content) - 8192),
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_broken_store_is_noticed_by_a_run_that_has_nothing_to_do(spoil, run, tmp_path, empty_store, capsys):
    output = tmp_path / "runs"
    assert run(mlflow=False) == 0
    (output / "mlflow.db").write_bytes(spoil(empty_store.read_bytes()))
    capsys.readouterr()
    assert run() == 0
    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if "MLflow" in line]
    assert line.startswith(f"MLflow is not updated: {output / 'mlflow.db'} is damaged (")
    assert line.endswith(
        f"delete {output / 'mlflow.db'} and {output / 'mlartifacts'}, then python -m benchmarks mirror --output "
        f"{output} makes them anew from the records"
    )


def test_an_empty_store_is_made_anew_and_a_run_says_that_it_makes_one(run, tmp_path, capsys):
    output = tmp_path / "runs"
    assert run() == 0
    assert f"MLflow: creating {output / 'mlflow.db'}\n" in capsys.readouterr().out
    assert run("toy_colours.shift=0.1") == 0
    assert "creating" not in capsys.readouterr().out
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlflow.db").touch()
    assert run(output=other) == 0
    assert "not updated" not in capsys.readouterr().out


def test_a_whole_store_passes_and_a_locked_one_is_not_called_damaged(empty_store, tmp_path):
    check_database(empty_store)
    with pytest.raises(sqlite3.OperationalError) as error:
        check_database(tmp_path / "absent.db")
    assert not is_damaged(error.value)
    assert not (tmp_path / "absent.db").exists()


def test_a_process_that_is_killed_while_it_makes_a_store_leaves_none(tmp_path, repository, empty_store):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from alembic import command\n"
        "from benchmarks.records import mlflow_store\n"
        "command.upgrade = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)\n"
        "mlflow_store._configure()\n"
        "mlflow_store._make(Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "mlflow.db")], cwd=repository, check=False)
    assert done.returncode < 0
    assert list(tmp_path.glob(".mlflow.db*")) and not (tmp_path / "mlflow.db").exists()


def test_the_lock_is_waited_for_aloud_and_not_for_ever(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mlflow_store, "PATIENCE", 0.01)
    monkeypatch.setattr(mlflow_store, "LOCKED", 0.2)
    with writing(tmp_path), pytest.raises(UserError, match="another process"), writing(tmp_path):
        pass
    assert "waiting for another process" in capsys.readouterr().err
    with writing(tmp_path):  # free again
        pass


@pytest.mark.parametrize(
    "userinfo", ["bob:SECRET77", "bob:SEC/RET@77", "bob:SEC'RET 77", "SECRETTOKEN", "bob:SEC%2FRET77", 'b:"SECRET"']
)
def test_no_form_of_a_password_is_printed(userinfo, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{userinfo}@127.0.0.1:9/path")
    password = userinfo.partition(":")[2] or userinfo
    for text in (
        os.environ["MLFLOW_TRACKING_URI"],
        f"API request to http://{userinfo}@127.0.0.1:9/path/api failed",
        f"{password} is wrong",
        mlflow_store.problem(tmp_path, OSError(f"no '{userinfo}'")),
        how_to_open(tmp_path, "1", "2"),
    ):
        assert password not in without_secrets(text)
        assert "SEC" not in without_secrets(text)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("", "python -m benchmarks ui --output {}  then  http://127.0.0.1:5000/#/experiments/1/runs/2?"),
        ("http://host:80/", "http://host:80/#/experiments/1/runs/2?"),
        ("sqlite:////x.db", 'python -m mlflow server --backend-store-uri "$MLFLOW_TRACKING_URI"  then  http://127'),
    ],
)
def test_how_to_open_the_pages_of_each_kind_of_store(server, expected, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    (tmp_path / "mlflow.db").touch()
    assert how_to_open(tmp_path, "1", "2").startswith(expected.format(tmp_path))
