"""The MLflow mirror, against real servers on loopback."""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from benchmarks.errors import UserError
from benchmarks.records import mlflow_store
from benchmarks.records import store as storage
from benchmarks.records.mlflow_mirror import mirror
from benchmarks.records.mlflow_server import serve
from benchmarks.records.mlflow_store import EXPERIMENT, TRIES
from leaderboard.load import load_records
from tests.benchmarks.records.conftest import runs
from tests.kept_records import rewrite

STARTING = 90


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(command, port, cwd):
    """A process that serves MLflow on a port, from its first healthy answer on."""
    log = tempfile.TemporaryFile()  # noqa: SIM115  (a pipe that nobody reads would fill up)
    process = subprocess.Popen([*command, "--port", str(port)], cwd=cwd, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + STARTING
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=2):
                    break
            except OSError:
                assert process.poll() is None, log.seek(0) or log.read()
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


@pytest.fixture(scope="module")
def tracking_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/store.db", "--artifacts-destination", str(folder / "kept")]
    with server(command, free_port(), folder) as address:
        yield address


def test_a_server_gets_the_run_with_its_numbers_curves_files_and_data(run, tracking_server, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server)
    assert run("toy_colours.shift=0.1", "toy_colours.steps=1000") == 0
    client = MlflowClient(tracking_server)
    (parent,), (child,) = runs(client)
    (record,) = load_records(tmp_path / "runs")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    assert child.data.params.items() >= {"method": "toy_colours", "config.shift": "0.1", "num_keypoints": "3"}.items()
    assert child.data.metrics["sk/side"] == record.scores[0].value
    assert child.data.metrics["seconds/fit"] == record.seconds["fit"]
    curve = client.get_metric_history(child.info.run_id, "fit/loss")
    assert [(point.step, point.value) for point in curve[:2]] == [(1, 1.0), (4, 0.25)]
    assert 300 <= len(curve) <= 400
    digests = {each.dataset.name: each.dataset.digest for each in child.inputs.dataset_inputs}
    assert digests["toy_squares"] in {digest[:36] for digest in record.dataset_digests.values()}
    assert child.data.tags["digest.test"] == record.dataset_digests["test"]
    folder = tmp_path / "runs" / "cells" / record.cell_id
    kept = {item.path for item in client.list_artifacts(child.info.run_id)}
    assert kept == {path.name for path in folder.iterdir()}
    downloaded = client.download_artifacts(child.info.run_id, "result.json", str(tmp_path))
    assert Path(downloaded).read_bytes() == (folder / "result.json").read_bytes()


def test_a_failed_cell_is_a_failed_run(run, tracking_server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server)
    assert run("toy_colours.crash=true") == 1
    _, children = runs(MlflowClient(tracking_server))
    (failed,) = [child for child in children if child.data.params["config.crash"] == "true"]
    assert failed.info.status == "FAILED"


def test_the_store_is_rebuilt_from_the_records_and_served(run, tmp_path, repository, capsys):
    output = tmp_path / "runs"
    assert run(floors=True, mlflow=False) == 0
    assert not (output / "mlflow.db").exists()
    with pytest.raises(UserError, match="mirror --output"):
        serve(output, 5000)
    assert mirror(output) == (4, 0)
    assert mirror(output) == (0, 0)
    assert run("toy_colours.shift=0.2", mlflow=False) == 0
    assert run("toy_colours.shift=0.2", seeds=2) == 0  # seed 0 is finished, but was not logged
    assert f"python -m benchmarks ui --output {output}" in capsys.readouterr().out
    command = [sys.executable, "-m", "benchmarks", "ui", "--output", str(output)]
    with server(command, free_port(), repository) as address:
        parents, children = runs(MlflowClient(address))
        assert len(parents) == 2
        assert {child.data.tags["cell_id"] for child in children} == {record.cell_id for record in load_records(output)}
        with urllib.request.urlopen(address, timeout=10) as page:
            assert b"<title>MLflow</title>" in page.read()


def test_ctrl_c_while_a_record_is_logged_leaves_the_cell_and_no_half_run(
    run, tracking_server, monkeypatch, tmp_path, capsys
):
    pressed: list[bool] = []

    def press(*arguments):
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", press)
        assert run("toy_colours.shift=0.3") == 130
    assert "interrupted: 1 finished cells are kept" in capsys.readouterr().out
    (record,) = load_records(tmp_path / "runs")

    def children():
        found = runs(MlflowClient(tracking_server))[1]
        return [child.info.status for child in found if child.data.tags["cell_id"] == record.cell_id]

    assert children() == []
    assert mirror(tmp_path / "runs") == (1, 0)
    assert children() == ["FINISHED"]


def test_infinite_and_missing_numbers_stay_out(run, tracking_server, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server)
    assert run(mlflow=False) == 0
    (record,) = load_records(tmp_path / "runs")
    curve = {"step": [1.0, 2.0, 3.0], "loss": [1.0, float("nan"), float("inf")]}
    storage.write_table(tmp_path / "runs" / "cells" / record.cell_id / "history.parquet", curve)
    rewrite(tmp_path / "runs" / "cells" / record.cell_id)
    assert mirror(tmp_path / "runs") == (1, 0)
    client = MlflowClient(tracking_server)
    (child,) = [child for child in runs(client)[1] if child.data.tags["cell_id"] == record.cell_id]
    points = client.get_metric_history(child.info.run_id, "fit/loss")
    assert [(point.step, point.value) for point in points] == [(1, 1.0)]


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("sqlite:////dev/null/store.db", "unset MLFLOW_TRACKING_URI"),
        ("mlruns", "unset MLFLOW_TRACKING_URI"),
        ("file:mlruns", "unset MLFLOW_TRACKING_URI"),
        ("http://127.0.0.1:9", "once the server takes records"),
    ],
)
def test_a_store_that_cannot_be_used_does_not_fail_the_run_and_names_a_cure_that_works(
    address, advice, run, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert run() == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "MLflow is not updated" in said
    assert advice in said and f"python -m benchmarks mirror --output {tmp_path / 'runs'}" in said
    with pytest.raises(UserError, match=advice):
        mirror(tmp_path / "runs")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert mirror(tmp_path / "runs") == (1, 0)


def test_a_broken_store_is_cured_as_the_message_says(run, capsys, tmp_path, repository):
    database = tmp_path / "runs" / "mlflow.db"
    database.parent.mkdir()
    database.write_text("no database")
    assert run() == 0
    said = " ".join(capsys.readouterr().out.split())
    command = f"python -m benchmarks mirror --output {database.parent}"
    assert f"delete {database} and {database.parent}/mlartifacts, then {command} makes them anew" in said
    database.unlink()
    done = subprocess.run([sys.executable, *command.split()[1:]], cwd=repository, capture_output=True, timeout=200)
    assert done.stdout.startswith(b"1 records written"), done.stderr


def test_a_deleted_experiment_is_restored_without_its_half_runs(run, tmp_path, capsys):
    assert run() == 0
    store = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    half = client.create_run(experiment, tags={"cell_id": "broken off"}).info.run_id
    client.delete_run(half)
    client.delete_experiment(experiment)
    assert run("toy_colours.shift=0.2") == 0
    printed = capsys.readouterr()
    assert "not updated" not in printed.out and "was deleted; it is restored" in printed.err
    parents, children = runs(client)
    assert (len(parents), len(children)) == (2, 2)
    assert half not in {child.info.run_id for child in children}
    client.delete_experiment(experiment)
    assert mirror(tmp_path / "runs") == (0, 0)
    assert client.get_experiment(experiment).lifecycle_stage == "active"


def test_a_silent_server_is_tried_for_ten_seconds_at_most_and_waited_for_aloud(run, monkeypatch, capsys):
    assert int(TRIES["MLFLOW_HTTP_REQUEST_TIMEOUT"]) * (1 + int(TRIES["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])) <= 10
    for name in TRIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(TRIES, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(mlflow_store, "PATIENCE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert run() == 0
        printed = capsys.readouterr()
        assert "MLflow is not updated" in printed.out
        assert "waiting for MLflow's answer" in printed.err
        silent.setblocking(False)
        for _ in range(2):
            silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # there was no third try
            silent.accept()
    for name in TRIES:
        monkeypatch.delenv(name)


def test_no_password_of_the_servers_address_is_printed(run, tracking_server, monkeypatch, capfd, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server.replace("://", "://bob:URLSECRET@"))
    assert run() == 0
    said = "".join(capfd.readouterr())
    assert "://***@" in said and "URLSECRET" not in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://bob:URLSECRET@127.0.0.1:9")
    with pytest.raises(UserError, match=r"store http://\*\*\*@127.0.0.1:9 cannot be used") as error:
        mirror(tmp_path / "runs")
    assert "URLSECRET" not in str(error.value)
