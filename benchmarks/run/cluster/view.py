"""One view of all units: how many are done, how fast, how long it will take, and which worker does what."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.text import Text

from benchmarks.progress import BAR_WIDTH, Progress, duration, rate_text, shortened
from benchmarks.run.cluster.messages import About, Look
from benchmarks.run.units.unit import Unit
from leaderboard.text import printable

INTERVAL = 1.0  # seconds between two looks at the workers
PLAIN_INTERVAL = 10.0  # seconds between two lines where there is no live one
PLAIN_WORKERS = 4  # workers that such a line names
ROWS_BESIDE = 4  # rows of a terminal that are left for other lines


@dataclass
class Running:
    """A unit that a worker does since ``started``, with the title of its cell."""

    unit: Unit
    title: str
    started: float


@dataclass
class Tally:
    """Counts of units, and the seconds that a unit, or an image of a prediction, took by method and stage."""

    total: int = 0
    done: int = 0
    failed: int = 0
    waiting: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    took: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    ended: set[Unit] = field(default_factory=set)

    def add(self, unit: Unit) -> None:
        """A unit is to be done."""
        self.total += 1
        self.waiting[kind(unit)] += size(unit)

    def end(self, unit: Unit, seconds: float | None = None) -> None:
        """A unit is done, in this time if it was done in this run."""
        if self._close(unit):
            self.done += 1
        if seconds is not None:
            before, count = self.took.get(kind(unit), (0.0, 0))
            self.took[kind(unit)] = (before + seconds, count + size(unit))

    def fail(self, units: Iterable[Unit]) -> None:
        """The units of a cell that failed will not be done, but for those that are."""
        self.failed += sum(map(self._close, units))

    def _close(self, unit: Unit) -> bool:
        if unit in self.ended:
            return False
        self.ended.add(unit)
        self.waiting[kind(unit)] -= size(unit)
        return True

    def left(self, running: Mapping[str, Running], looks: Mapping[str, Look], workers: int) -> float | None:
        """The seconds until all is done; None while the time of some kind of unit cannot be known."""
        rates = {each: seconds / count for each, (seconds, count) in self.took.items() if count}
        for worker, now in running.items():
            look = looks.get(worker)
            if kind(now.unit) not in rates and look and look.images and look.done and look.total:
                whole = size(now.unit) / look.images if now.unit.stage == "predict" else look.total / look.done
                rates[kind(now.unit)] = look.seconds * whole / size(now.unit)
        waiting = {each: count for each, count in self.waiting.items() if count > 0}
        if not workers or not waiting.keys() <= rates.keys():
            return None
        return sum(count * rates[each] for each, count in waiting.items()) / workers


class View(Progress):
    """Shows the units of all workers: a live block on a terminal, lines elsewhere."""

    def __init__(self, console: Console, cells: int) -> None:
        super().__init__(console, cells)
        self.tally = Tally()
        self.running_units: dict[str, Running] = {}
        self.workers: dict[str, About] = {}
        self._looks: Mapping[str, Look] = {}
        self._said = time.monotonic()

    def start(self, title: str, number: int | None = None) -> None:
        """The next line to print is about this cell."""
        self._title = f"[{number}/{self._cells}] {printable(title)}"

    def phase(self, text: str) -> None:
        """The run enters a phase that is not of one cell, such as 'starting Ray'."""
        self._title = ""
        super().phase(text)

    def is_due_to_look(self) -> bool:
        """Whether the workers should be asked again."""
        return time.monotonic() - self._drawn >= INTERVAL

    def update(self, looks: Mapping[str, Look]) -> None:
        """Show what the workers do now."""
        self._looks = looks
        self._drawn = now = time.monotonic()
        if self._live is not None:
            lines = [self.summary(bar=True), *self.rows(self.console.height - ROWS_BESIDE)]
            cut = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
            self._live.update(Group(*cut), refresh=True)
        elif now - self._said >= PLAIN_INTERVAL and self.tally.total:
            self._said = now
            self.say("; ".join([self.summary(), *(row.strip() for row in self.rows(PLAIN_WORKERS))]))

    def summary(self, bar: bool = False) -> str:
        """Units done, running and failed, images a second, and the time left."""
        tally = self.tally
        rates = [look.images / look.seconds for look in self._looks.values() if look.images and look.seconds]
        left = tally.left(self.running_units, self._looks, len(self.workers))
        full = BAR_WIDTH * tally.done // max(1, tally.total)
        parts = [
            f"{'━' * full}{'─' * (BAR_WIDTH - full)}" if bar else "",
            f"{tally.done}/{tally.total} units done",
            f"{len(self.running_units)} running",
            f"{tally.failed} failed" if tally.failed else "",
            rate_text(sum(rates), "images") if rates else "",
            f"ETA {duration(left)}" if left else "",
        ]
        return "  ".join(filter(None, parts))

    def rows(self, at_most: int) -> list[str]:
        """A line for each worker with its host and unit; the workers beyond the number are counted."""
        busy = sorted(self.running_units, key=int)
        shown = busy if len(busy) <= at_most else busy[: max(0, at_most - 1)]
        lines = [self._row(worker) for worker in shown]
        return lines if len(shown) == len(busy) else [*lines, f"  and {len(busy) - len(shown)} more workers"]

    def _row(self, worker: str) -> str:
        now, look = self.running_units[worker], self._looks.get(worker) or Look()
        steps = f" {look.done}/{look.total}" if look.total else ""
        about = self.workers.get(worker) or About()
        where = f"worker {worker} on {shortened(about.host, 20)} ({about.device})"
        return printable(f"  {where}: {now.title}  {look.phase or now.unit.stage}{steps}  {look.scalar}".rstrip())


def kind(unit: Unit) -> tuple[str, str]:
    """Method and stage of a unit, which tell how long it takes."""
    return unit.cell_id.partition("--")[0], unit.stage


def size(unit: Unit) -> int:
    """The images of a prediction; 1 for another unit."""
    return max(1, unit.last - unit.first)
