"""The MLflow mirror of the records: only the main process writes it, and it can be rebuilt from the records.

The store is ``mlflow.db`` in the run directory, or the server that MLFLOW_TRACKING_URI names. Each command has a parent
run with the table of its results, and each record a child run of the command that mirrored it. A cell is known by the
name of its folder; a cell at fault is named and left out, and the others are mirrored.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, first_line
from benchmarks.records.mlflow_runs import (
    NOTE,
    PICTURES,
    TABLE,
    Cell,
    Content,
    content,
    note,
    origin,
    pictures,
    pictures_sha256,
    read_cell,
    table,
)
from benchmarks.records.mlflow_server import how_to_open
from benchmarks.records.mlflow_store import (
    CELL,
    RECORD,
    all_runs,
    has_store,
    open_store,
    problem,
    store_uri,
    without_secrets,
    writing,
)
from benchmarks.records.provenance import git_state
from leaderboard.errors import LeaderboardError
from leaderboard.process import has_ended, this_process
from leaderboard.records import ResultRecord
from leaderboard.text import printable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PROCESS = "process"  # tag of a parent run
NAME_LENGTH = 100
BATCH = 900  # MLflow takes 1000 entries a call
WEEK = 7 * 24 * 3600.0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


class Tracker:
    """Mirrors the records of one command; ``warn`` gets a line for each cell that is left out.

    Everything but the cells' own faults is raised, such as what MLflow raises if its store cannot be used.
    """

    def __init__(self, output: Path, argv: list[str], warn: Callable[[str], None] = _to_stderr) -> None:
        self._output = output
        self._argv = argv
        self._warn = warn
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._parent = ""
        self._records: dict[str, ResultRecord] = {}
        self.left_out: set[str] = set()

    def add(self, names: Iterable[str]) -> int:
        """Mirror those cells that the store lacks, or has in another version; returns how many were added."""
        cells = [cell for name in names if (cell := self._read(name))]
        if not cells:
            return 0
        with writing(self._output):
            known = {run.data.tags.get(RECORD, "") for run in all_runs(self._connect(), self._experiment)}
        return sum(self._add(cell) for cell in cells if cell.sha256 not in known)

    def log(self, name: str) -> None:
        """Mirror a cell that was just recorded."""
        if cell := self._read(name):
            self._add(cell)

    def log_pictures(self, names: Iterable[str]) -> list[str]:
        """Log pictures that were made after their record was mirrored; returns the names of their cells."""
        cells = {cell.sha256: cell for name in names if (cell := self._read(name))}
        found = []
        with writing(self._output):
            client = self._connect()
            for run in all_runs(client, self._experiment):
                cell = cells.get(run.data.tags.get(RECORD, ""))
                if cell and self._log_pictures(client, run, cell):
                    found.append(cell.folder.name)
        return found

    def finish(self, status: str, names: Collection[str] = ()) -> None:
        """Mirror those cells that an earlier command did not; then close the parent run, if there is one.

        ``status`` is FINISHED, FAILED or KILLED. Without cells no store is made.
        """
        if not names and not has_store(self._output):
            return
        self.add(names)
        with writing(self._output):
            client = self._connect()
            if self._parent:
                self._log_table(client)
                client.set_terminated(self._parent, status)

    def how_to_open(self) -> str:
        """The command that serves the pages, and the address of the parent run's page, else that of all runs.

        It is '' if there is no store.
        """
        return how_to_open(self._output, self._experiment, self._parent)

    def _log_table(self, client: MlflowClient) -> None:
        if text := table(list(self._records.values())):
            client.set_tag(self._parent, NOTE, note(text))
            client.log_text(self._parent, text, TABLE)

    def _read(self, name: str) -> Cell | None:
        try:
            cell = read_cell(self._output / "cells" / name)
        except UserError as error:
            self._leave_out(name, error)
            return None
        self._records[name] = cell.record
        return cell

    def _leave_out(self, name: str, error: BaseException) -> None:
        if name not in self.left_out:
            self.left_out.add(name)
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            text = f"{self._output / 'cells' / name} is not mirrored: {kind}{first_line(error)}"
            self._warn(printable(without_secrets(text)))

    def _add(self, cell: Cell) -> bool:
        """Mirror a cell unless another process did meanwhile; returns whether it was added."""
        try:
            found = content(cell)
        except Exception as error:  # whatever a file from elsewhere holds
            self._leave_out(cell.folder.name, error)
            return False
        with writing(self._output):
            client = self._connect()
            if client.search_runs([self._experiment], f"tags.{RECORD} = '{cell.sha256}'", max_results=1):
                return False
            return self._write(client, cell, found)

    def _write(self, client: MlflowClient, cell: Cell, found: Content) -> bool:
        tags = found.tags | {"mlflow.parentRunId": self._start(client)}
        run = client.create_run(self._experiment, found.start, tags, found.name).info.run_id
        try:
            _fill(client, run, found)
            client.set_tag(run, RECORD, cell.sha256)
            client.set_terminated(run, "FAILED" if cell.record.failure else "FINISHED", end_time=found.end)
        except Exception as error:
            try:
                _remove(client, run)
            except Exception:  # the store is at fault, and not the cell
                raise error from None
            self._leave_out(cell.folder.name, error)
            return False
        except BaseException:  # Ctrl-C
            with suppress(Exception):
                _remove(client, run)
            raise
        return True

    def _log_pictures(self, client: MlflowClient, run: Run, cell: Cell) -> bool:
        try:
            digest = pictures_sha256(cell.folder)
        except OSError as error:
            self._leave_out(cell.folder.name, error)
            return False
        if run.data.tags.get(PICTURES, "") == digest:
            return False
        for path in pictures(cell.folder):
            client.log_artifact(run.info.run_id, str(path))
        client.set_tag(run.info.run_id, PICTURES, digest)
        return True

    def _connect(self) -> MlflowClient:
        """The client; the first call makes the store, and removes what killed processes left in it."""
        if self._client is None:
            client, self._experiment = open_store(self._output)
            _clean(client, self._experiment)
            self._client = client
        return self._client

    def _start(self, client: MlflowClient) -> str:
        """The parent run; the first call makes it."""
        if not self._parent:
            state = git_state()
            tags = origin(self._argv, state["git_sha"], state["git_dirty"]) | {PROCESS: this_process()}
            name = shorten(tags.get("command", ""), NAME_LENGTH, placeholder=" ...")
            self._parent = client.create_run(self._experiment, tags=tags, run_name=name or None).info.run_id
        return self._parent


def mirror(output: Path, warn: Callable[[str], None] = _to_stderr) -> tuple[int, int]:
    """Bring the store up to date with the records and pictures of a run directory.

    Returns the number of runs written and the number of cells left out, each of which ``warn`` got a line about. Raises
    UserError if the store cannot be used, LeaderboardError if there are no cells.
    """
    cells = output / "cells"
    if not cells.is_dir():
        raise LeaderboardError(f"no folder {cells}; run a suite first (python -m benchmarks run)")
    names = sorted(path.name for path in cells.iterdir() if path.is_dir() and not path.name.startswith("."))
    tracker = Tracker(output, sys.argv[1:], warn)
    try:
        added = tracker.add(names)
        pictured = tracker.log_pictures(set(names) - tracker.left_out)
        tracker.finish("FINISHED")
    except KeyboardInterrupt:
        with suppress(Exception):
            tracker.finish("KILLED")
        raise
    except Exception as error:  # MLflow raises many kinds
        text = f"MLflow's store {without_secrets(store_uri(output))} cannot be used: {problem(output, error)}"
        raise UserError(text) from error
    return added + len(pictured), len(tracker.left_out)


def _fill(client: MlflowClient, run: str, found: Content) -> None:
    from mlflow.entities import Param

    client.log_batch(run, params=[Param(name, value) for name, value in found.params.items()])
    for start in range(0, len(found.metrics), BATCH):
        client.log_batch(run, metrics=found.metrics[start : start + BATCH])
    client.log_inputs(run, datasets=found.inputs)
    for path in found.files:
        client.log_artifact(run, str(path))


def _clean(client: MlflowClient, experiment: str) -> None:
    """End the runs that killed commands, or commands that lost their server, have left as RUNNING.

    A parent run is tagged with the process that made it. It is ended as KILLED once that process has ended. A process
    of another machine or container cannot be asked; its runs are ended a week after their start. A child run without
    its whole record is deleted if its parent does not run any more, and is then mirrored again. A child run with its
    whole record gets the status of its record. Runs that are not of this benchmark are left alone.
    """
    running = {run.info.run_id: run for run in all_runs(client, experiment, "attributes.status = 'RUNNING'")}
    live = {name for name, run in running.items() if CELL not in run.data.tags and _may_live(run)}
    for name, run in running.items():
        tags = run.data.tags
        if RECORD in tags:
            client.set_terminated(name, "FAILED" if tags.get("status") == "failed" else "FINISHED", _end(run))
        elif CELL in tags and tags.get("mlflow.parentRunId") not in live:
            _remove(client, name)
        elif CELL not in tags and tags.keys() & {PROCESS, "command"} and name not in live:
            client.set_terminated(name, "KILLED")


def _may_live(run: Run) -> bool:
    ended = has_ended(run.data.tags.get(PROCESS, ""))
    return time.time() - run.info.start_time / 1000 < WEEK if ended is None else not ended


def _end(run: Run) -> int:
    """The end of a run by its measured seconds, in milliseconds."""
    seconds = [value for name, value in run.data.metrics.items() if name.startswith("seconds/")]
    return int(run.info.start_time + round(1000 * sum(seconds)))


def _remove(client: MlflowClient, run: str) -> None:
    client.set_terminated(run, "KILLED")
    client.delete_run(run)
