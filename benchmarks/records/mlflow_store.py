"""MLflow's store of a run directory: where it is, how it is opened, how long it is waited for, and what cures it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "keypoint-benchmarks"
SERVER = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
CELL, RECORD = "cell_id", "record_sha256"  # tags of a run: the second is set when all of the record is there
PATIENCE = 2.0  # seconds of waiting for a server or database before it is said
# By default MLflow waits for minutes: 8 tries of 120 s for a server, 10 tries in 100 s for a database.
TRIES = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
DATABASE_TRIES = 5


def store_uri(output: Path) -> str:
    """The address in MLFLOW_TRACKING_URI, else the sqlite store of the run directory."""
    return os.environ.get(SERVER) or f"sqlite:///{(output / DATABASE).resolve()}"


@contextmanager
def patience() -> Iterator[None]:
    """Say on stderr that the store named by MLFLOW_TRACKING_URI is waited for, where the block lasts a while."""
    if not os.environ.get(SERVER):
        yield
        return
    text = f"waiting for MLflow's answer; {SERVER} names its server\n"
    timer = Timer(PATIENCE, lambda: sys.stderr.write(text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def cure(output: Path) -> str:
    """What to do about a store that cannot be used: ``mirror`` alone helps only where the store works again."""
    remedy = f"python -m benchmarks mirror --output {output}"
    server = os.environ.get(SERVER, "")
    if server.startswith(("http://", "https://")):
        return f"once the server takes records, {remedy} makes up for it"
    if server:
        return (
            f"unset {SERVER}, or set it to an http address or sqlite:////FOLDER/FILE.db, then {remedy} makes up for it"
        )
    database = output / DATABASE
    works = f"once {database} can be read and written, {remedy} makes up for it"
    return f"{works}; a broken one can be deleted, since it is made from the records"


def open_store(output: Path) -> tuple[MlflowClient, str]:
    """A client and the id of the experiment, which is made, or restored where it was deleted."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # its lines have the server's password
    for name, value in TRIES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = DATABASE_TRIES
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = store_uri(output)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        location = artifacts(output) if uri.startswith("sqlite:///") else None
        return client, str(client.create_experiment(EXPERIMENT, artifact_location=location))
    found = str(experiment.experiment_id)
    if experiment.lifecycle_stage == "deleted":
        _restore(client, found)
    return client, found


def _restore(client: MlflowClient, experiment: str) -> None:
    """Restore a deleted experiment, but not the half runs among its runs, which MLflow restores too."""
    client.restore_experiment(experiment)
    sys.stderr.write(f"MLflow's experiment {EXPERIMENT} was deleted; it is restored, with its runs\n")
    for run in all_runs(client, experiment):
        if CELL in run.data.tags and RECORD not in run.data.tags:
            client.delete_run(run.info.run_id)


def all_runs(client: MlflowClient, experiment: str) -> list[Run]:
    """Every run of an experiment that is not deleted."""
    found: list[Run] = []
    token: str | None = None
    while token != "":
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        found += page
        token = page.token or ""
    return found


def artifacts(output: Path) -> str:
    """Address of the folder for files beside a store of the run directory's own."""
    return (output / "mlartifacts").resolve().as_uri()
