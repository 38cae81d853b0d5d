"""The files of claims: their content, their names, and making and removing one in one step."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from benchmarks.errors import UserError
from leaderboard.files import cannot_write
from leaderboard.process import this_process

LONGEST = 200  # bytes of a unit's name in a file name; file systems allow 255 for the whole file name


class Claim(BaseModel):
    """The content of a claim file: who works on which unit. ``process`` is a name of ``leaderboard.process``.

    ``since`` is the time when the claim was taken, in seconds by the clock of its machine; 0 in older claims. ``token``
    is a new one each time that a claim is taken. ``fits`` are those that a ``run`` needs until it ends.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    unit: str = ""
    host: str = ""
    pid: int = 0
    process: str = ""
    job: str = ""
    since: float = 0.0
    token: str = ""
    fits: tuple[str, ...] = ()

    @property
    def holder(self) -> str:
        """The host and process in words, such as 'node7, process 4711, job 12_3'."""
        job = f", job {self.job}" if self.job else ""
        return f"{self.host or 'an unknown host'}, process {self.pid}{job}"


@dataclass(frozen=True)
class Held:
    """A claim of this process: its file, and the text that is in it unless another process has replaced the file."""

    path: Path
    text: str

    def is_there(self) -> bool:
        """Whether the file is still the one that this process made."""
        try:
            return self.path.read_text("utf-8") == self.text
        except (OSError, ValueError):
            return False

    def make(self) -> bool:
        """Make the file whole and in one step; False if the path is there. Raises UserError if that is impossible."""
        beside = self.path.with_name(f".{this_process()}.{uuid4().hex[:8]}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_text(self.text, encoding="utf-8")
                self._link(beside)
            finally:
                with suppress(OSError):
                    beside.unlink(missing_ok=True)
        except FileExistsError:
            return self.is_there()  # NFS says so too if it makes a link and is asked for it again
        except OSError as error:
            raise UserError(cannot_write(self.path, error)) from error
        return True

    def remove(self) -> None:
        """Remove the file if it is still there, as far as that is possible."""
        if self.is_there():
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _link(self, beside: Path) -> None:
        """Give the file ``beside`` the path as a second name. Without hard links, write the path as a new file.

        Raises FileExistsError if the path is there, and OSError.
        """
        try:
            os.link(beside, self.path)
        except FileExistsError:
            raise
        except OSError:
            file = self.path.open("x", encoding="utf-8")
            try:
                with file:
                    file.write(self.text)
            except OSError:  # a part of a claim would keep other processes away
                self.path.unlink(missing_ok=True)
                raise


def new_claim(unit: str, path: Path, fits: Sequence[str] = ()) -> Held:
    """A claim of this process on a unit, whose file is not made yet."""
    own = {"host": platform.node(), "pid": os.getpid(), "process": this_process(), "job": _job()}
    claim = Claim.model_validate({"unit": unit, "since": time.time(), "token": uuid4().hex, "fits": fits, **own})
    return Held(path, claim.model_dump_json(exclude_defaults=True) + "\n")


def file_name(unit: str) -> str:
    """The name of a unit in file names; the end of a long one is replaced by a hash of all of it."""
    encoded = unit.encode()
    if len(encoded) <= LONGEST:
        return unit
    digits = sha256(encoded).hexdigest()[:16]
    return f"{encoded[: LONGEST - len(digits) - 1].decode(errors='ignore')}-{digits}"


def claim_files(folder: Path) -> list[tuple[str, int, Path]]:
    """The claim files of a folder, each with the name of its unit and its number. Raises UserError as ``names``."""
    parts = [name.rpartition(".") for name in names(folder) if not name.startswith(".")]
    return [(on, int(number), folder / f"{on}.{number}") for on, _, number in parts if on and number.isdecimal()]


def names(folder: Path) -> list[str]:
    """The names in a folder, none without the folder. Raises UserError if it cannot be read."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"cannot read folder {folder}: {error.strerror or error}; make it readable") from error


def _job() -> str:
    """The id of this process's batch job, such as '12_3' for a task of a SLURM array; '' outside one."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")
