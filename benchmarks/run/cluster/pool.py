"""What the driver needs of a cluster: workers by name, to which it gives units, and what becomes of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.run.cluster.messages import About, Answer, Job, Look


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
