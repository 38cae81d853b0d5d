"""Claims on units of work, so that several processes and machines share a run directory without doing a unit twice.

A claim is a file in ``claims/``, made in one step that fails if the file is there. While its process works, the file's
time is renewed. A claim is stale once its process has ended or, where this cannot be known, as on another machine, once
its time has not been renewed for some minutes. A stale claim is taken over by a file with the next number, which only
one process can make. A process first makes its file and then looks at the others: it holds the claim if all of them are
stale, and removes its own file otherwise. A rename of the stale file would not do: between the look at the file and its
rename another process can take the claim over, and the rename would then take it from that process.

Two processes have one claim only if the first of them was suspended, or cut off from the file system, until its claim
was stale. Both then do the same work, and whole files of the one replace whole files of the other. All times are those
that the file system of the run directory gives, so that the clocks of machines may differ.
"""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from pydantic import ValidationError

from benchmarks.errors import UserError
from benchmarks.run.units.claim_files import Claim, Held, claim_files, file_name, names, new_claim
from leaderboard.files import is_abandoned
from leaderboard.process import has_ended, this_process

HEARTBEAT = 30.0  # seconds between two renewals
STALE_AFTER = 300.0  # seconds
STALE_VARIABLE = "KEYPOINTS_STALE_AFTER"  # changes STALE_AFTER
PAUSE = 0.01  # seconds at most between two attempts to take a claim


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
    text = os.environ.get(STALE_VARIABLE, "").strip()
    try:
        seconds = float(text) if text else STALE_AFTER
    except ValueError:
        seconds = -1.0
    if not 1 <= seconds < float("inf"):
        raise UserError(f"{STALE_VARIABLE} is {text!r}, expected at least 1 second, such as {STALE_AFTER:.0f}")
    return seconds


class Claims:
    """The claims of a run directory; this process can take some of them."""

    def __init__(self, output: Path, seconds: float | None = None) -> None:
        self.folder = output / "claims"
        self._stale_after = stale_after() if seconds is None else seconds
        self._held: set[Held] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def taken(self, unit: str, force: bool = False, fits: Sequence[str] = ()) -> Iterator[bool]:
        """Hold the claim on a unit in the block; yields False if another process holds it, and then does nothing.

        ``force`` yields True in any case. Whoever gets a claim must look again whether the unit is done: another
        process may have done it in the meantime. ``fits`` are written into the claim. Raises UserError if the folder
        cannot be read or written.
        """
        held = self._take(unit, fits)
        if held is None:
            yield force
            return
        try:
            self._renew_from_now(held)
            yield True
        finally:
            with self._lock:
                self._held.discard(held)
            self._release(held)

    def find(self, unit: str) -> Found | None:
        """The claim on a unit, None without one. Raises UserError if the folder cannot be read."""
        return self._newest(file_name(unit))

    def all(self) -> dict[str, Found]:
        """The claims by the name of their unit in file names. Raises UserError if the folder cannot be read."""
        found = {name: self._newest(name) for name in sorted({name for name, _, _ in claim_files(self.folder)})}
        return {name: each for name, each in found.items() if each is not None}

    def release(self, unit: str, process: str) -> None:
        """Remove the claim of a process that is known to have ended."""
        for found in self._all_of(file_name(unit)):
            if found.claim.process == process:
                with suppress(OSError, ValueError):
                    Held(found.path, found.path.read_text("utf-8")).remove()

    def sweep(self) -> list[str]:
        """Remove the stale claims; returns the units that they were on. Raises UserError if that is impossible."""
        stale = [unit for unit, found in self.all().items() if found.stale]
        for unit in stale:
            with self.taken(unit):  # a claim that was renewed or taken over in the meantime stays
                pass
        for name in names(self.folder):
            if name.startswith(".") and is_abandoned(self.folder / name, name.split(".")[1]):
                with suppress(OSError):
                    (self.folder / name).unlink(missing_ok=True)
        return stale

    def fits_of_others(self) -> set[str] | None:
        """The fits that runs of other processes need; None if a process works here that does not say what it needs."""
        others = [found.claim for found in self.all().values() if not found.stale]
        others = [claim for claim in others if claim.process != this_process()]
        runs = {claim.process for claim in others if claim.fits}
        if any(claim.process not in runs for claim in others):
            return None
        return {fit for claim in others for fit in claim.fits}

    def _take(self, unit: str, fits: Sequence[str]) -> Held | None:
        """Make the claim file of a unit; None if another process holds the unit."""
        name = file_name(unit)
        while True:
            before = self._all_of(name)
            if not all(found.stale for found in before):
                return None
            number = 1 + max((found.number for found in before), default=-1)
            held = new_claim(unit, self.folder / f"{name}.{number}", fits)
            try:
                if held.make() and self._is_alone(name, held):
                    return held
            except BaseException:
                held.remove()
                raise
            held.remove()
            time.sleep(random.uniform(0, PAUSE))  # noqa: S311 - so that two processes do not go on in step

    def _is_alone(self, name: str, held: Held) -> bool:
        """Whether a claim of this process is there and all others on the unit are stale."""
        others = [found for found in self._all_of(name) if found.path != held.path]
        return all(found.stale for found in others) and held.is_there()

    def _release(self, held: Held) -> None:
        """Remove a claim after those that it has taken over.

        Nothing is removed if another process has taken the claim over and ended it.
        """
        if held.is_there():
            name = held.path.name.rpartition(".")[0]
            with suppress(OSError, UserError):
                for found in self._all_of(name):
                    if found.stale and found.path != held.path:
                        found.path.unlink(missing_ok=True)
            held.remove()

    def _renew_from_now(self, held: Held) -> None:
        with self._lock:
            self._held.add(held)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._renew, daemon=True)
                self._thread.start()

    def _renew(self) -> None:
        """Renew the claims of this process until it holds none."""
        while True:
            time.sleep(min(HEARTBEAT, self._stale_after / 4))
            with self._lock:
                held = list(self._held)
                if not held:
                    self._thread = None
                    return
            for each in held:
                if each.is_there():
                    with suppress(OSError):
                        os.utime(each.path)

    def _all_of(self, name: str) -> list[Found]:
        """The claims on a unit by their numbers; more than one only while one of them is taken over."""
        files = sorted(found for found in claim_files(self.folder) if found[0] == name)
        return [found for _, number, path in files if (found := self._read(path, number)) is not None]

    def _newest(self, name: str) -> Found | None:
        """The claim that counts: the one with the highest number that is not stale, else the highest."""
        return max(self._all_of(name), key=lambda found: (not found.stale, found.number), default=None)

    def _read(self, path: Path, number: int) -> Found | None:
        """A claim file; None if it is gone. One that cannot be read is of an unknown process."""
        claim = Claim()
        try:
            with suppress(FileNotFoundError, PermissionError, IsADirectoryError, ValidationError):
                claim = Claim.model_validate_json(path.read_bytes())
            age = self._now() - path.lstat().st_mtime
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):
                return None
            raise UserError(f"cannot read {path}: {error.strerror or error}; make it readable") from error
        too_old = abs(age) > self._stale_after  # a time to come is of a clock that was set back since
        return Found(claim, path, number, max(0.0, age), has_ended(claim.process) is True or too_old)

    def _now(self) -> float:
        """The time of the file system. Falls back to this machine's clock if nothing can be written."""
        try:
            with TemporaryFile(dir=self.folder, prefix=f".{this_process()}.") as probe:
                return os.fstat(probe.fileno()).st_mtime
        except OSError:
            return time.time()
