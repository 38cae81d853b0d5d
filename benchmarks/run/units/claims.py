"""Claims on units of work, so that several processes and machines share a run directory without doing a unit twice.

A claim is a file in ``claims/``, made in one step that fails if the file is there. While its process works, the file's
time is renewed. A claim is stale once its process has ended or, where this cannot be known, as on another machine, once
its time has not been renewed for some minutes. A stale claim is taken over by a file with the next number, which only
one process can make; the claim with the highest number counts. All times are those that the file system of the run
directory gives, so that the clocks of machines may differ.
"""

from __future__ import annotations

import errno
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.errors import UserError
from leaderboard.files import cannot_write
from leaderboard.process import has_ended, this_process

HEARTBEAT = 30.0  # seconds between two renewals
STALE_AFTER = 300.0  # seconds
NO_LINKS = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # no hard links here
STALE_VARIABLE = "KEYPOINTS_STALE_AFTER"  # changes STALE_AFTER


class Claim(BaseModel):
    """The content of a claim file: who works on which unit. ``process`` is a name of ``leaderboard.process``.

    ``since`` is the time when the claim was taken, in seconds by the clock of its machine; 0 in older claims.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    unit: str = ""
    host: str = ""
    pid: int = 0
    process: str = ""
    job: str = ""
    since: float = 0.0

    @property
    def holder(self) -> str:
        """The host and process in words, such as 'node7, process 4711, job 12_3'."""
        job = f", job {self.job}" if self.job else ""
        return f"{self.host or 'an unknown host'}, process {self.pid}{job}"


@dataclass(frozen=True)
class Found:
    """A claim that is there: its file, its number, and the seconds ``age`` since its last renewal."""

    claim: Claim
    path: Path
    number: int
    age: float
    stale: bool


def stale_after() -> float:
    """The seconds without renewal after which a claim is stale. Raises UserError for a bad KEYPOINTS_STALE_AFTER."""
    text = os.environ.get(STALE_VARIABLE, "")
    try:
        seconds = float(text) if text else STALE_AFTER
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{STALE_VARIABLE} is {text!r}, expected seconds above 0, such as {STALE_AFTER:.0f}")
    return seconds


class Claims:
    """The claims of a run directory; this process can take some of them."""

    def __init__(self, output: Path, seconds: float | None = None) -> None:
        self.folder = output / "claims"
        self._stale_after = stale_after() if seconds is None else seconds
        self._mine: set[Path] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def taken(self, unit: str, force: bool = False) -> Iterator[bool]:
        """Hold the claim on a unit in the block; yields False if another process holds it, and then does nothing.

        ``force`` yields True in any case. Whoever gets a claim must look again whether the unit is done: another
        process may have done it in the meantime. Raises UserError if the folder cannot be written.
        """
        path = self._take(unit)
        if path is None:
            yield force
            return
        self._mine.add(path)
        self._start_heartbeat()
        try:
            yield True
        finally:
            self._mine.discard(path)
            self._remove(unit, path)

    def find(self, unit: str) -> Found | None:
        """The claim on a unit, None without one."""
        return self.all(unit).get(unit)

    def all(self, unit: str | None = None) -> dict[str, Found]:
        """The claims by the name of their unit; those on one ``unit`` alone if it is given."""
        newest: dict[str, tuple[int, Path]] = {}
        for name in _names(self.folder):
            on, dot, number = name.rpartition(".")
            if dot and on and number.isdecimal() and unit in (None, on) and not on.startswith("."):
                newest[on] = max(newest.get(on, (-1, self.folder)), (int(number), self.folder / name))
        now = self._now() if newest else 0.0
        read = {on: self._read(path, number, now) for on, (number, path) in newest.items()}
        return {on: found for on, found in read.items() if found is not None}

    def release(self, unit: str, process: str) -> None:
        """Remove the claim of a process that is known to have ended, unless another process holds the unit by now."""
        found = self.find(unit)
        if found is not None and found.claim.process == process:
            self._remove(unit, found.path)

    def sweep(self) -> list[str]:
        """Remove the stale claims; returns the units that they were on."""
        stale = {unit: found for unit, found in self.all().items() if found.stale}
        for unit, found in stale.items():
            self._remove(unit, found.path)
        return sorted(stale)

    def _take(self, unit: str) -> Path | None:
        """Make the claim file of a unit; None if another process holds the unit."""
        while True:
            before = self.find(unit)
            if before is not None and not before.stale:
                return None
            path = self.folder / f"{unit}.{before.number + 1 if before else 0}"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._create(path, unit)
            except FileExistsError:
                continue  # another process was faster
            except OSError as error:
                raise UserError(cannot_write(path, error)) from error
            after = self.find(unit)
            overtaken = after is not None and after.path != path
            if not overtaken and (before is None or not self._is_renewed(before)):
                return path
            path.unlink(missing_ok=True)  # what was found before has changed in the meantime

    def _is_renewed(self, before: Found) -> bool:
        """Whether the place of a stale claim has a claim that is not stale."""
        now = self._read(before.path, before.number, self._now())
        return now is not None and not now.stale

    def _create(self, path: Path, unit: str) -> None:
        """Write a claim file; it appears whole, or not at all if the path is there. Raises OSError."""
        who = {"host": platform.node(), "pid": os.getpid(), "process": this_process(), "job": _job()}
        claim = Claim.model_validate({"unit": unit, "since": time.time(), **who})
        text = claim.model_dump_json() + "\n"
        beside = self.folder / f".{this_process()}.{uuid4().hex[:8]}"
        try:
            beside.write_text(text, encoding="utf-8")
            os.link(beside, path)
        except FileExistsError:
            if beside.stat().st_nlink < 2:  # else NFS made the link, and told of it twice
                raise
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        finally:
            beside.unlink(missing_ok=True)

    def _remove(self, unit: str, path: Path) -> None:
        """Remove a claim file after those with lower numbers, so that none of these counts in the meantime."""
        for name in sorted(_names(self.folder)):
            on, _, number = name.rpartition(".")
            if on == unit and number.isdecimal() and int(number) < int(path.name.rpartition(".")[2]):
                (self.folder / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def _start_heartbeat(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew, daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        while True:
            time.sleep(min(HEARTBEAT, self._stale_after / 4))
            for path in list(self._mine):
                with suppress(OSError):
                    os.utime(path)

    def _now(self) -> float:
        """The time of the file system. Falls back to this machine's clock if nothing can be written."""
        probe = self.folder / ".now"
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError:
            return time.time()

    def _read(self, path: Path, number: int, now: float) -> Found | None:
        """A claim file; None if it is gone. One that cannot be read is of an unknown process."""
        try:
            age = max(0.0, now - path.stat().st_mtime)
            claim = Claim.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            claim = Claim()
        ended = has_ended(claim.process) is True
        return Found(claim, path, number, age, ended or age > self._stale_after)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone
    except FileNotFoundError:
        return []


def _job() -> str:
    """The id of this process's batch job, such as '12_3' for a task of a SLURM array; '' outside one."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
