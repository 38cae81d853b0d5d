"""The MLflow mirror of the records: only the main process writes it, and it can be rebuilt from the records.

The store is ``mlflow.db`` in the run directory, or the server that MLFLOW_TRACKING_URI names.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from benchmarks.errors import UserError, first_line
from benchmarks.options import UI_PORT
from benchmarks.records.checks import whole_records
from benchmarks.records.mlflow_store import (
    CELL,
    DATABASE,
    RECORD,
    SERVER,
    all_runs,
    artifacts,
    cure,
    open_store,
    patience,
    store_uri,
)
from benchmarks.records.store import HISTORY, OVERLAY, RESULT, read_columns
from leaderboard.records import ResultRecord
from leaderboard.text import without_passwords
from metrics.protocols import significant

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PICTURES = "pictures_sha256"
CURVE_POINTS = 400
BATCH = 900  # MLflow takes 1000 entries a call, 100 of them params
PARAMS, PARAM_LENGTH = 100, 6000
DIGEST_LENGTH = 36


class Tracker:
    """Mirrors the records of one command: a parent run for the command, a child run for each record."""

    def __init__(self, output: Path, command: str) -> None:
        self._output = output
        self._command = command
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._parent = ""

    def log(self, record: ResultRecord) -> None:
        """Mirror one record with its curves and files."""
        client = self._connect()
        folder = self._output / "cells" / record.cell_id
        end = _milliseconds(record)
        start = end - round(1000 * sum(record.seconds.values()))
        tags = {"mlflow.parentRunId": self._parent, CELL: record.cell_id, "status": record.status}
        tags |= {f"digest.{split}": digest for split, digest in record.dataset_digests.items()}
        variant = f", {record.variant.name}" if record.variant else ""
        name = f"{record.method}{variant} {record.task} s{record.seed}"
        run = client.create_run(self._experiment, start_time=start, tags=tags, run_name=name).info.run_id
        try:
            self._log_numbers(client, run, record, folder, end)
            client.log_inputs(run, datasets=_inputs(record))
            client.log_artifacts(run, str(folder))
            client.set_tag(run, PICTURES, _pictures_sha256(folder))
            client.set_tag(run, RECORD, _sha256(folder))
            client.set_terminated(run, "FAILED" if record.failure else "FINISHED", end_time=end)
        except BaseException:  # Ctrl-C too: half a run must not stand beside the whole one that mirror() makes
            client.delete_run(run)
            raise

    def missing(self, records: Sequence[ResultRecord]) -> list[ResultRecord]:
        """The records that the store lacks, or has in another version."""
        known = {run.data.tags.get(RECORD, "") for run in self._runs()}
        return [record for record in records if _sha256(self._output / "cells" / record.cell_id) not in known]

    def log_pictures(self, records: Sequence[ResultRecord]) -> list[str]:
        """Log pictures that were made after their record was mirrored; gives the ids of their cells."""
        folders = {_sha256(folder): folder for folder in (self._output / "cells" / each.cell_id for each in records)}
        client = self._connect(parent=False)
        found = []
        for run in self._runs():
            folder = folders.get(run.data.tags.get(RECORD, ""))
            if folder and run.data.tags.get(PICTURES, "") != _pictures_sha256(folder):
                for path in _pictures(folder):
                    client.log_artifact(run.info.run_id, str(path))
                client.set_tag(run.info.run_id, PICTURES, _pictures_sha256(folder))
                found.append(folder.name)
        return found

    def _runs(self) -> list[Run]:
        """All runs of the store."""
        return all_runs(self._connect(parent=False), self._experiment)

    def finish(self, status: str, records: Sequence[ResultRecord] = ()) -> None:
        """Close the parent run, if anything was logged, as FINISHED, FAILED or KILLED.

        Before that, log those of ``records`` that an earlier command did not (interrupted, or without MLflow).
        """
        if self._client is not None and self._parent:
            for record in self.missing(records):
                self.log(record)
            self._client.set_terminated(self._parent, status)

    def how_to_open(self) -> str:
        """The command that serves the pages, and the address of the parent run's page; '' if there is no store."""
        page = f"/#/experiments/{self._experiment}/runs/{self._parent}" if self._parent else ""
        server = os.environ.get(SERVER)
        if server:
            return without_passwords(server) + page
        if not (self._output / DATABASE).exists():
            return ""
        return f"python -m benchmarks ui --output {self._output}  then  http://127.0.0.1:{UI_PORT}{page}"

    def _connect(self, parent: bool = True) -> MlflowClient:
        """The client; the first call makes the store."""
        if self._client is None:
            self._client, self._experiment = open_store(self._output)
        if parent and not self._parent:
            tags = {"command": self._command}
            self._parent = self._client.create_run(
                self._experiment, tags=tags, run_name=self._command[:100]
            ).info.run_id
        return self._client

    def _log_numbers(self, client: MlflowClient, run: str, record: ResultRecord, folder: Path, time: int) -> None:
        from mlflow.entities import Metric, Param

        params = [Param(key, value[:PARAM_LENGTH]) for key, value in _params(record).items()]
        client.log_batch(run, params=params[:PARAMS])
        metrics = [Metric(key, value, time, 0) for key, value in _metrics(record).items()]
        metrics += [Metric(key, value, time, step) for key, step, value in _curves(folder / HISTORY)]
        for start in range(0, len(metrics), BATCH):
            client.log_batch(run, metrics=metrics[start : start + BATCH])


def mirror(output: Path) -> int:
    """Bring the store up to date with the records and pictures of a run directory; gives the number of runs written.

    Raises UserError if the store cannot be reached, LeaderboardError if there are no records.
    """
    records = whole_records(output)
    tracker = Tracker(output, f"mirror of {output.resolve().name}")
    try:
        with patience():
            missing = tracker.missing(records)
            for record in missing:
                tracker.log(record)
            pictured = tracker.log_pictures(records)
            tracker.finish("FINISHED")
    except Exception as error:  # MLflow raises many kinds
        raise UserError(
            f"MLflow's store {without_passwords(store_uri(output))} cannot be used: {first_line(error)}; {cure(output)}"
        ) from error
    return len(missing) + len(pictured)


def has_store(output: Path) -> bool:
    """Whether a run directory has a mirror, on a server or in its own store."""
    return bool(os.environ.get(SERVER)) or (output / DATABASE).exists()


def serve(output: Path, port: int) -> NoReturn:
    """Replace this process by MLflow's server, on this machine alone. Raises UserError if there is no store."""
    database = output / DATABASE
    if not database.exists():
        raise UserError(
            f"no {database} to show; python -m benchmarks mirror --output {output} makes it from the records"
        )
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{database.resolve()}"]
    command += ["--default-artifact-root", artifacts(output)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.execve(sys.executable, command, os.environ | quiet)  # noqa: S606  (a signal to us must reach the server)


def _params(record: ResultRecord) -> dict[str, str]:
    about = {
        "method": record.method,
        "method_version": record.method_version,
        "task": record.task,
        "profile": record.profile,
        "dataset": record.dataset,
        "fit_dataset": record.fit_dataset,
        "num_keypoints": record.num_keypoints,
        "seed": record.seed,
        "limit": record.n_images_limit,
    }
    config = {f"config.{name}": value for name, value in record.method_config.items()}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in (about | config).items()}


def _metrics(record: ResultRecord) -> dict[str, float]:
    """The finite numbers of a record; MLflow's stores would turn infinity into 1.8e308."""
    found: dict[str, float | None] = {f"seconds/{name}": value for name, value in record.seconds.items()}
    found["peak_memory_mb"] = record.peak_memory_mb
    for score in record.scores:
        found[score.protocol] = significant(score.protocol, score.value)
        found[f"{score.protocol}/ci_low"] = score.ci_low
        found[f"{score.protocol}/ci_high"] = score.ci_high
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _curves(path: Path) -> Iterator[tuple[str, int, float]]:
    """Yield (metric, step, value) of a fit's scalars, about CURVE_POINTS steps of each."""
    if not path.exists():
        return
    columns = read_columns(path)
    steps = columns.pop("step")
    stride = -(-len(steps) // CURVE_POINTS)
    for name, values in columns.items():
        for step, value in list(zip(steps, values, strict=True))[::stride]:
            if math.isfinite(value):
                yield f"fit/{name}", int(step), value


def _inputs(record: ResultRecord) -> list[Any]:
    """The datasets as MLflow's inputs: name and digest, no data."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    inputs = []
    for split, digest in record.dataset_digests.items():
        name = record.fit_dataset if split == "fit" else record.dataset
        entity = MetaDataset(CodeDatasetSource(tags={}), name=name, digest=digest[:DIGEST_LENGTH])._to_mlflow_entity()
        inputs.append(DatasetInput(entity, [InputTag("mlflow.data.context", split)]))
    return inputs


def _milliseconds(record: ResultRecord) -> int:
    return round(datetime.fromisoformat(record.provenance["date"]).timestamp() * 1000)


def _sha256(folder: Path) -> str:
    return hashlib.sha256((folder / RESULT).read_bytes()).hexdigest()


def _pictures(folder: Path) -> list[Path]:
    """The pictures that ``show`` made of a cell, without the one that was made with its record."""
    return sorted(path for path in folder.glob("*.png") if path.name != OVERLAY)


def _pictures_sha256(folder: Path) -> str:
    """sha256 of all pictures; '' if there are none."""
    pictures = _pictures(folder)
    return hashlib.sha256(b"".join(path.read_bytes() for path in pictures)).hexdigest() if pictures else ""
