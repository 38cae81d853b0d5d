"""MLflow's pages: where they are, and the server that shows those of a run directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

from benchmarks.errors import UserError
from benchmarks.options import UI_PORT
from benchmarks.records.mlflow_store import (
    DATABASE,
    artifacts,
    check_database,
    problem,
    without_secrets,
)
from benchmarks.records.patience import SERVER
from benchmarks.signals import exit_status, signals_deferred, terminable

HOST = "127.0.0.1"
VIEW = "?workflowType=machine_learning"  # MLflow 3 opens every experiment as one of an agent otherwise
ENDING = 5.0  # seconds for the server to end before it is killed
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def how_to_open(output: Path, experiment: str, run: str) -> str:
    """The command that serves the pages, and the address of a run's page, else that of all runs; '' without a store."""
    page = f"/#/experiments/{experiment}/runs{'/' if run else ''}{run}{VIEW}" if experiment else ""
    server, local = os.environ.get(SERVER, ""), f"http://{HOST}:{UI_PORT}{page}"
    if server.startswith(("http://", "https://")):
        return without_secrets(server).rstrip("/") + page
    if server:
        return f'python -m mlflow server --backend-store-uri "${SERVER}"  then  {local}'
    if not (output / DATABASE).exists():
        return ""
    return f"python -m benchmarks ui --output {output}  then  {local}"


def serve(output: Path, port: int) -> int:
    """Run MLflow's server, on this machine alone, until it ends or is stopped; returns the exit status.

    Raises UserError if there is no store, if it is damaged, and if the port cannot be used.
    """
    database = output / DATABASE
    _check(output, port)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database.resolve()}"]
    command += ["--default-artifact-root", artifacts(output)]
    environment = {name: value for name, value in os.environ.items() if name != SERVER} | QUIET
    with terminable():
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
            signal.signal(signal.SIGHUP, _hung_up)
        server = None
        try:
            print(f"opening http://{HOST}:{port}/#/experiments{VIEW}  (Ctrl-C ends it)", flush=True)
            with signals_deferred():
                # A session of its own keeps Ctrl-C from it: its imports would print a traceback.
                server = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
            status = server.wait()
            return status if status >= 0 else 128 - status
        except KeyboardInterrupt as stop:
            return exit_status(stop)
        finally:
            if server is not None:
                _end(server)


def _check(output: Path, port: int) -> None:
    database, server = output / DATABASE, os.environ.get(SERVER, "")
    if not database.exists():
        remedy = f"python -m benchmarks mirror --output {output} makes it from the records"
        if server:
            remedy = f"{SERVER} names another store: open its pages, or unset {SERVER}, then {remedy}"
        raise UserError(f"no {database} to show; {remedy}")
    try:
        check_database(database)
    except Exception as error:
        raise UserError(f"{database} cannot be shown: {problem(output, error)}") from error
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except OSError as error:
        raise UserError(
            f"port {port} of {HOST} cannot be used: {error.strerror}; name another with --port, such as {port + 1}"
        ) from error


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and what it started; this process ends after it, whatever is pressed meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(ENDING)
            return


def _hung_up(number: int, frame: FrameType | None) -> None:
    """Stop as after SIGTERM when the terminal is closed."""
    signal.raise_signal(signal.SIGTERM)
