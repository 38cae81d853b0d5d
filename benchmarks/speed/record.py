"""The findings of all parts as one JSON file, rewritten after each part, so that nothing is lost where one ends all."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed.bars import judged
from leaderboard.files import write_atomically

DONE = "done"


@dataclass(frozen=True)
class Part:
    """A piece of the measurements: its name, its likely seconds, and its work, which is given the seconds left."""

    name: str
    estimate: float
    work: Callable[[float], Mapping[str, Any]]

    @property
    def limit(self) -> float:
        """Seconds after which the part is stopped."""
        return 60 + 3 * self.estimate


@dataclass
class Record:
    """A JSON file with facts about the run, the outcome of every part, the part that is running, and the bars.

    ``until`` is the time, in seconds since 1970, at which the last part should end. The outcome of a part has a
    ``status`` (done, failed, stopped, crashed, or no time), ``seconds``, and its ``result`` or its ``error``.
    """

    path: Path
    until: float
    facts: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    running: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> Record:
        """The record in a file that ``write`` wrote."""
        found = json.loads(path.read_text("utf-8"))
        return cls(path, found["until"], found["facts"], found["parts"], found["running"])

    def write(self) -> None:
        """Write the file, whole or not at all."""
        found = {
            "facts": self.facts,
            "until": self.until,
            "running": self.running,
            "parts": self.parts,
            "bars": judged(self.results()),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps(found, indent=2, default=str) + "\n")

    def results(self) -> dict[str, Any]:
        """The results of the parts that are done."""
        return {name: part["result"] for name, part in self.parts.items() if part["status"] == DONE}

    def begin(self, part: Part, now: float) -> None:
        """Note the part that is running, with the time at which it has to be stopped."""
        self.running = {"name": part.name, "began": now, "stop_at": min(now + part.limit, self.until)}
        self.write()

    def end(self, name: str, status: str, now: float, **outcome: Any) -> None:
        """Note the outcome of a part."""
        began = self.running["began"] if self.running else now
        self.running = None
        self.parts[name] = {"status": status, "seconds": now - began, **outcome}
        self.write()


def run_parts(
    parts: Iterable[Part],
    record: Record,
    after: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Run the parts that have no outcome yet, in order, each only if the time left allows its estimate.

    An exception becomes the outcome of its part, and the others go on; ``after`` is called after each part, and what
    it raises ends everything.
    """
    import traceback

    for part in parts:
        if part.name in record.parts:
            continue
        left = record.until - clock()
        if left < part.estimate:
            record.end(part.name, "no time", clock(), estimate=part.estimate, left=left)
            continue
        record.begin(part, clock())
        outcome: dict[str, Any] = {"estimate": part.estimate}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                status, outcome["result"] = DONE, part.work(left)
            except Exception as error:
                status, outcome["error"] = "failed", "".join(traceback.format_exception(error))
        outcome["warnings"] = sorted({str(each.message) for each in caught})
        record.end(part.name, status, clock(), **outcome)
        after()
