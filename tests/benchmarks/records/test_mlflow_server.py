"""The server of MLflow's pages: how it is stopped, and why it does not start."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest


@pytest.fixture
def ui(interruptible, repository, tmp_path, empty_store):
    """Start ``ui`` in a session of its own; gives the process once it has said its address."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "benchmarks", "ui", "--output", str(tmp_path), "--port", port]
    process = subprocess.Popen(
        command, cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    assert process.stdout.readline().startswith(f"opening http://127.0.0.1:{port}/")
    yield process
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=60)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_while_the_server_starts_ends_it_cleanly(ui, number, status):
    os.killpg(ui.pid, number)  # as a terminal does
    _, err = ui.communicate(timeout=60)
    assert ui.returncode == status
    assert "Traceback" not in err


def test_a_port_in_use_is_named(command, tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, err = command("ui", "--output", tmp_path, "--port", port)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: port {port} of 127.0.0.1 cannot be used: Address already in use; name another")


def test_a_broken_store_and_a_missing_one_are_named_with_their_cures(command, tmp_path, monkeypatch):
    mirror = f"python -m benchmarks mirror --output {tmp_path}"
    status, _, err = command("ui", "--output", tmp_path)
    assert status == 2 and mirror in err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    status, _, err = command("ui", "--output", tmp_path)
    assert status == 2 and "unset MLFLOW_TRACKING_URI" in err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / "mlflow.db").write_text("no database")
    status, _, err = command("ui", "--output", tmp_path)
    assert status == 2 and f"delete {tmp_path / 'mlflow.db'}" in err and len(err.splitlines()) == 1
