"""What is running, how far it is and how long it will take: one live line on a terminal, plain lines elsewhere.

A line names the phase (fit, predict, score ...) and has its steps, the first scalar (the loss), images or steps a
second, the peak memory of the cell so far and the time left. In a narrow terminal it loses memory and speed first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

from rich.console import Console
from rich.live import Live
from rich.text import Text

from leaderboard.text import printable

BAR_WIDTH, SHORTEST_BAR = 24, 4
SHORTEST_ID = 9  # characters of the task's id that a narrow terminal shows
PLAIN_INTERVAL = 5.0
SAME_INTERVAL = 60.0  # before a line is repeated as it was, such as that of a run that waits
PLAIN_DELAY = 1.0  # what ends sooner needs no line on its way
LIVE_INTERVAL = 0.1


@dataclass(frozen=True)
class Figures:
    """What a line says after its title: the phase with its steps, and figures that are '' where there are none."""

    phase: str
    scalar: str = ""
    speed: str = ""
    memory: str = ""
    left: str = ""

    def text(self, *without: str) -> str:
        """The figures on one line, but for the named ones."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return "  ".join(value for name, value in values.items() if value and name not in without)


class Stage:
    """One stage of a cell (fit, predict): a Report that counts, keeps the curves and shows both.

    ``images`` tells how many images the stage has been given, where its steps are not images themselves.
    """

    def __init__(self, progress: Progress, name: str, unit: str, images: Callable[[], int] | None = None) -> None:
        self._progress = progress
        self._name = name
        self._unit = unit
        self._images = images
        self._first: tuple[float, int, int] | None = None
        self._seen = False
        self.history: list[dict[str, float]] = []

    def __call__(self, done: int, total: int, **scalars: float) -> None:
        """Steps done, steps in all, and scalars worth a curve."""
        now = time.monotonic()
        if scalars:
            self.history.append({"step": done, **scalars})
        images = self._images() if self._images else None
        if self._first is None or images == 0:  # steps that needed no image were done in an earlier run
            self._first = (now, done, images or 0)
        is_last = done >= total and (self._seen or self._progress.is_live)
        if not (is_last or self._progress.is_due()):
            return
        self._seen = True
        scalar = next((f"{name} {value:.4g}" for name, value in scalars.items()), "")
        speed = memory = left = ""
        started, before, seen = self._first
        if now > started and done > before:
            seconds, steps, given = now - started, done - before, (images or 0) - seen
            speed = rate_text(given / seconds, "images") if given else rate_text(steps / seconds, self._unit)
            memory = self._progress.memory()
            left = f"ETA {duration((total - done) * seconds / steps)}" if done < total else ""
        figures = Figures(f"{self._name} {done}/{total}", scalar, speed, memory, left)
        self._progress.show(figures, done / total if total else 1.0, is_last)


class Progress:
    """Shows a run of ``cells`` cells; use as ``with progress.running(): ...``.

    The title of a cell is that of ``start``, '<task> · <method and seed>', after the cell's number.
    ``peak_memory_mb`` tells the peak memory of the running cell in MB.
    """

    def __init__(self, console: Console, cells: int, peak_memory_mb: Callable[[], float] | None = None) -> None:
        self.console = console
        self._cells = cells
        self._peak_memory_mb = peak_memory_mb
        self._index = 0
        self._title = ""
        self._live: Live | None = None
        self._shown = 0.0
        self._line = ""
        self._drawn = 0.0

    @contextmanager
    def running(self) -> Iterator[Progress]:
        """Keep the live line while the block runs (terminals only)."""
        if not self.console.is_terminal or self.console.is_dumb_terminal:
            yield self
            return
        with Live(console=self.console, refresh_per_second=8, transient=True) as self._live:
            try:
                yield self
            finally:
                self._live = None

    def start(self, title: str, number: int | None = None) -> None:
        """The cell with this number begins, by default the next one."""
        self._index = self._index + 1 if number is None else number
        self._title = f"[{self._index}/{self._cells}] {printable(title)}"
        self._shown = time.monotonic() - PLAIN_INTERVAL + PLAIN_DELAY
        self.phase("starting")

    def phase(self, text: str) -> None:
        """The running cell, or the run, enters a phase that counts no steps, such as 'score' or 'MLflow: ...'."""
        self.show(Figures(printable(text)))
        self._drawn = 0.0  # a count that follows is shown at once

    def stage(self, name: str, unit: str, images: Callable[[], int] | None = None) -> Stage:
        """A Report for a stage of the running cell."""
        return Stage(self, name, unit, images)

    @property
    def is_live(self) -> bool:
        """Whether there is a live line now."""
        return self._live is not None

    def memory(self) -> str:
        """The peak memory of the running cell in words, '' where it is not measured."""
        return f"{self._peak_memory_mb() / 1e3:.3g} GB" if self._peak_memory_mb else ""

    def is_due(self) -> bool:
        """Whether what is shown now would be seen."""
        now = time.monotonic()
        if self._live is not None:
            return now - self._drawn >= LIVE_INTERVAL
        return now - self._shown >= PLAIN_INTERVAL

    def show(self, figures: Figures, fraction: float | None = None, is_last: bool = False) -> None:
        """Put the state of the running cell on the live line, or on a line of its own every few seconds.

        ``fraction`` of the phase is done; without it there is no bar. ``is_last`` prints a plain line at any time.
        """
        now = time.monotonic()
        if self._live is not None:
            self._drawn = now
            title, text = one_line(self._title, figures, self.console.width - 1)
            room = min(BAR_WIDTH, self.console.width - len(title) - len(text) - 5)
            width = room if fraction is not None and room >= SHORTEST_BAR else 0
            full = min(width, int((fraction or 0.0) * width))
            bar = Text("━" * full, style="cyan") + Text("━" * (width - full), style="bright_black")
            before, after = f"{title}  " if title else "", f"{'  ' * bool(width)}{text}"
            line = Text.assemble(before, bar, after, no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=fraction is None or is_last)  # what follows may keep the process busy
            return
        text = f"{self._title}  {figures.text()}".lstrip()
        if is_last or now - self._shown >= (SAME_INTERVAL if text == self._line else PLAIN_INTERVAL):
            self._shown, self._line = now, text
            self.say(text)

    def finish(self, text: str, style: str = "") -> None:
        """The running cell ended: leave a line that stays."""
        self.say(f"{self._title}  {text}", style)

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the live one."""
        self.console.print(Text(printable(text), style=style), soft_wrap=True)


def one_line(title: str, figures: Figures, width: int) -> tuple[str, str]:
    """The title and the text of the figures in at most ``width`` columns with two spaces between them, if possible.

    Memory is left out first, then the speed; then the task's id, the title's part before ' · ', is shortened in its
    middle, the scalar is left out, and at last the title is cut. Steps and time left always stay.
    """
    text = ""
    for without in ((), ("memory",), ("memory", "speed")):
        text = figures.text(*without)
        if len(title) + 2 + len(text) <= width:
            return title, text
    number, _, rest = title.partition(" ")
    task, dot, method = rest.partition(" · ")
    room = width - 2 - len(text) - (len(title) - len(task))
    title = f"{number} {shortened(task, max(room, SHORTEST_ID))}{dot}{method}"
    if len(title) + 2 + len(text) > width:
        text = figures.text("memory", "speed", "scalar")
    return shortened(title, max(width - 2 - len(text), len(number) + SHORTEST_ID)), text


def shortened(text: str, width: int) -> str:
    """The text in at most ``width`` columns, at least 3, with an ellipsis in place of its middle."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[-end:]}"


def rate_text(rate: float, unit: str) -> str:
    """A speed in at least three digits, such as '0.31 steps/s' or '14,210 images/s'."""
    return f"{rate:,.0f} {unit}/s" if rate >= 99.95 else f"{rate:.3g} {unit}/s"


def duration(seconds: float) -> str:
    """Seconds as 42 s, 3:07 min or 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
