"""What the driver and its workers tell each other, as plain data that travels as JSON; and the pool of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from benchmarks.run.units.plan_file import PlanFile
from benchmarks.run.units.unit import Unit
from leaderboard.records import ResultRecord

Status = Literal["done", "kept", "claimed", "waiting", "failed", "memory", "refused", "stopped", "unrecorded"]


class Message(BaseModel):
    """Plain data that does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Setup(Message):
    """What a worker needs to begin.

    ``plan`` has all cells of the run. ``output`` is the run directory, in which the file ``mark`` has the text ``key``.
    ``environment`` has the variables that set numbers of threads, None for one that is not set, and ``threads`` is
    torch's number, None if the driver has not loaded torch. ``path`` has the folders from which the driver imports
    modules, besides those of Python's installation. ``refit`` and ``began`` are as for ``Worker``.
    """

    plan: PlanFile
    output: Path
    mark: str
    key: str
    refit: bool
    began: float
    environment: dict[str, str | None]
    threads: int | None = None
    path: tuple[str, ...] = ()


class About(Message):
    """A worker: ``process`` is a name of ``leaderboard.process``, and ``refusal`` says why it cannot work, or is ''."""

    host: str = ""
    pid: int = 0
    process: str = ""
    device: str = ""
    refusal: str = ""


class Job(Message):
    """A unit to do. ``halved`` takes half the images at once; ``last`` records an out of memory error as a failure."""

    unit: Unit
    halved: bool = False
    last: bool = False


class Answer(Message):
    """What became of a job.

    ``status`` is that of ``perform``, or "memory" if there was too little of it, "refused" if the worker has other code
    or data than the plan, "stopped" after ``stop``, or "unrecorded" if a failure cannot be recorded. ``record`` is that
    of the cell after "score", or of the failure. ``said`` has lines for the terminal with their styles.
    """

    status: Status
    reason: str = ""
    record: ResultRecord | None = None
    said: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


class Look(Message):
    """How far a worker is with its unit: ``done`` of ``total`` steps of a phase, after ``seconds``.

    ``images`` have been predicted or learned from in that time, and ``scalar`` is such as 'loss 0.1'.
    """

    phase: str = ""
    done: int = 0
    total: int = 0
    images: int = 0
    seconds: float = 0.0
    scalar: str = ""


@dataclass(frozen=True)
class Ready:
    """A worker has begun."""

    worker: str
    about: About


@dataclass(frozen=True)
class Ended:
    """A worker has ended its unit."""

    worker: str
    answer: Answer


@dataclass(frozen=True)
class Lost:
    """A worker has ended, for a reason in words."""

    worker: str
    reason: str


Event = Ready | Ended | Lost


class Pool(Protocol):
    """The workers of a cluster. A worker is there from its ``Ready`` to its ``Lost``, or until it is ended."""

    def give(self, worker: str, job: Job) -> None:
        """Let a worker that has no unit do one."""
        ...

    def events(self, seconds: float) -> Sequence[Event]:
        """What has happened since the last call; waits up to some seconds for the first event."""
        ...

    def end(self, worker: str) -> None:
        """End a worker without a unit."""
        ...

    def add(self) -> None:
        """Start another worker."""
        ...

    def places(self) -> int:
        """The number of workers that the cluster can hold now."""
        ...

    def looks(self) -> Mapping[str, Look]:
        """How far the workers are with their units, as far as they have told it."""
        ...

    def stop(self) -> None:
        """Let all units end as after Ctrl-C."""
        ...
