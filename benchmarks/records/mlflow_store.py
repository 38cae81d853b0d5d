"""MLflow's store of a run directory: where it is, how it is opened, how long it is waited for, and what cures it."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from benchmarks.errors import UserError, first_line
from benchmarks.records.patience import PATIENCE, SERVER, patient
from leaderboard.files import replacing
from leaderboard.text import without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "keypoint-benchmarks"
HEADLINE = "headline"  # the metric that every cell has
ABOUT = {  # tags of the experiment: its pages show runs, not the traces of an agent, and this metric first
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.experiment.primaryMetric.name": HEADLINE,
}
DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
CELL, RECORD = "cell_id", "record_sha256"  # tags of a run: the second is set when all of the record is there
LOCKED = 60.0  # seconds of waiting for another process; making a store takes some ten, adding a record one
# By default MLflow waits for minutes: 8 tries of 120 s for a server, 10 tries in 100 s for a database, and as long as
# a busy server asks for.
TRIES = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}
DATABASE_TRIES = 5


def store_uri(output: Path) -> str:
    """The address in MLFLOW_TRACKING_URI, else the sqlite store of the run directory."""
    return os.environ.get(SERVER) or _sqlite(output / DATABASE)


def has_store(output: Path) -> bool:
    """Whether a run directory has a mirror, on a server or in its own store."""
    return bool(os.environ.get(SERVER)) or (output / DATABASE).exists()


def next_step(output: Path) -> str:
    """What adding a record does first, for the line that shows the progress."""
    return "MLflow: adding the record" if has_store(output) else f"MLflow: creating {output / DATABASE}"


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Keep other processes from writing records of this run directory to MLflow while the block runs.

    They wait for a lock on the run directory, which ends with the process that holds it. Raises UserError after
    ``LOCKED`` seconds. Where the filesystem has no locks, nobody waits.
    """
    _configure()  # imports MLflow before others wait
    folder = os.open(output, os.O_RDONLY)
    try:
        _lock(folder, output)
        yield
    finally:
        os.close(folder)


def _lock(folder: int, output: Path) -> None:
    started, said = time.monotonic(), False
    while True:
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
        except OSError:
            return None  # no locks here
        if waited > LOCKED:
            raise UserError(f"another process has been writing records of {output} to MLflow for {LOCKED:.0f} s")
        if waited > PATIENCE and not said:
            sys.stderr.write(f"waiting for another process that writes records of {output} to MLflow\n")
            said = True
        time.sleep(0.05)


def problem(output: Path, error: BaseException) -> str:
    """One line that says why the store cannot be used, and what to do, without passwords."""
    return f"{without_secrets(first_line(error))}; {_cure(output, error)}"


def without_secrets(text: str) -> str:
    """The text with *** for the password of MLFLOW_TRACKING_URI wherever it stands, and for those in addresses."""
    found = re.match(r"[\w+.-]+://(.+)@", os.environ.get(SERVER, ""))
    user = found[1] if found else ""
    password = user.partition(":")[2]
    for secret in (user, unquote(user), password, unquote(password)):
        text = text.replace(secret, "***") if len(secret) > 2 else text
    return without_passwords(text)


def _cure(output: Path, error: BaseException) -> str:
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
    if is_damaged(error):
        return f"delete {database} and {output / ARTIFACTS}, then {remedy} makes them anew from the records"
    return f"once {database} can be read and written, {remedy} makes up for it"


def is_damaged(error: BaseException) -> bool:
    """Whether sqlite says that a database is broken, rather than locked or not to be opened."""
    return type(error) is sqlite3.DatabaseError


def check_database(database: Path) -> None:
    """Raise sqlite3.DatabaseError if a database is damaged, and OperationalError if it cannot be opened."""
    address = f"{database.resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=LOCKED / 6)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise sqlite3.DatabaseError(f"{database} is damaged ({found.splitlines()[-1]})")


def open_store(output: Path) -> tuple[MlflowClient, str]:
    """A client and the id of the experiment; the store and the experiment are made, or restored if it was deleted.

    Raises sqlite3.DatabaseError if the run directory's own store is damaged, and what MLflow raises.
    """
    _configure()
    from mlflow import MlflowClient

    database = output / DATABASE
    if not os.environ.get(SERVER):
        if not database.exists() or database.stat().st_size == 0:
            _make(database)
        check_database(database)
    uri = store_uri(output)
    client = patient(MlflowClient(tracking_uri=uri))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return client, _new_experiment(client, artifacts(output) if uri.startswith("sqlite:") else None)
    found = str(experiment.experiment_id)
    if experiment.lifecycle_stage == "deleted":
        _restore(client, found)
    for name, value in ABOUT.items():
        if name not in experiment.tags:
            client.set_experiment_tag(found, name, value)
    return client, found


def _new_experiment(client: MlflowClient, location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(EXPERIMENT, artifact_location=location, tags=ABOUT))
    except MlflowException:
        made = client.get_experiment_by_name(EXPERIMENT)  # by another machine meanwhile
        if made is None:
            raise
        return str(made.experiment_id)


def _configure() -> None:
    """Settings of MLflow: it is not waited for long, and prints nothing, since its lines have the server's password."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    for name, value in TRIES.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = DATABASE_TRIES
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)


def _make(database: Path) -> None:
    """Make a store beside its place and move it there, so that no half store stands there if this process is killed."""
    from mlflow import MlflowClient

    for left in database.parent.glob(f".{database.name}.*"):  # by a process that was killed here
        left.unlink()
    with replacing(database) as partial:
        MlflowClient(tracking_uri=_sqlite(partial)).get_experiment_by_name(EXPERIMENT)


def _sqlite(database: Path) -> str:
    return f"sqlite:///{database.resolve()}"


def _restore(client: MlflowClient, experiment: str) -> None:
    """Restore a deleted experiment, but not the half runs among its runs, which MLflow restores too."""
    client.restore_experiment(experiment)
    sys.stderr.write(f"MLflow's experiment {EXPERIMENT} was deleted; it is restored, with its runs\n")
    for run in all_runs(client, experiment):
        if CELL in run.data.tags and RECORD not in run.data.tags:
            client.delete_run(run.info.run_id)


def all_runs(client: MlflowClient, experiment: str, condition: str = "") -> list[Run]:
    """The runs of an experiment that are not deleted and fulfil a condition in MLflow's search language."""
    found: list[Run] = []
    token: str | None = None
    while token != "":
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        found += page
        token = page.token or ""
    return found


def artifacts(output: Path) -> str:
    """Address of the folder for files beside a store of the run directory's own."""
    return (output / ARTIFACTS).resolve().as_uri()
