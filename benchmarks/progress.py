"""What is running, how far it is and how long it will take: one live line on a terminal, plain lines elsewhere.

A line has the first scalar (the loss), images or steps a second, the peak memory of the cell so far and the time left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from leaderboard.text import printable

BAR_WIDTH = 24
PLAIN_INTERVAL = 5.0
PLAIN_DELAY = 1.0  # what ends sooner needs no line on its way
LIVE_INTERVAL = 0.1


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
        self.history: list[dict[str, float]] = []

    def __call__(self, done: int, total: int, **scalars: float) -> None:
        """Steps done, steps in all, and scalars worth a curve."""
        now = time.monotonic()
        if scalars:
            self.history.append({"step": done, **scalars})
        images = self._images() if self._images else None
        if self._first is None or images == 0:  # steps that needed no image were done in an earlier run
            self._first = (now, done, images or 0)
        if self._progress.is_due():
            parts = [f"{self._name} {done}/{total}", *(f"{name} {value:.4g}" for name, value in [*scalars.items()][:1])]
            started, before, seen = self._first
            if now > started and done > before:
                seconds, steps, given = now - started, done - before, (images or 0) - seen
                speed = f"{given / seconds:.3g} images/s" if given else f"{steps / seconds:.3g} {self._unit}/s"
                parts += [speed, *self._progress.memory(), f"ETA {duration((total - done) * seconds / steps)}"]
            self._progress.show("  ".join(parts), done / total if total else 1.0)


class Progress:
    """Shows a run of ``cells`` cells; use as ``with progress.running(): ...``.

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
        self._drawn = 0.0

    @contextmanager
    def running(self) -> Iterator[Progress]:
        """Keep the live line while the block runs (terminals only)."""
        if not self.console.is_terminal:
            yield self
            return
        with Live(console=self.console, refresh_per_second=8, transient=True) as self._live:
            yield self
        self._live = None

    def start(self, title: str) -> None:
        """The next cell begins."""
        self._index += 1
        self._title = f"[{self._index}/{self._cells}] {title}"
        self._shown = time.monotonic() - PLAIN_INTERVAL + PLAIN_DELAY
        self.show("starting", 0.0)
        self._drawn = 0.0

    def stage(self, name: str, unit: str, images: Callable[[], int] | None = None) -> Stage:
        """A Report for a stage of the running cell."""
        return Stage(self, name, unit, images)

    def memory(self) -> list[str]:
        """The peak memory of the running cell in words, where it is measured."""
        return [f"{self._peak_memory_mb() / 1e3:.3g} GB"] if self._peak_memory_mb else []

    def is_due(self) -> bool:
        """Whether what is shown now would be seen."""
        now = time.monotonic()
        if self._live is not None:
            return now - self._drawn >= LIVE_INTERVAL
        return now - self._shown >= PLAIN_INTERVAL

    def show(self, text: str, fraction: float) -> None:
        """Put the state of the running cell on the live line, or on a line of its own every few seconds.

        In a narrow terminal the bar gives way to the text.
        """
        now = time.monotonic()
        if self._live is not None:
            self._drawn = now
            width = max(0, min(BAR_WIDTH, self.console.width - len(self._title) - len(text) - 4))
            full = min(width, int(fraction * width))
            bar = Text("━" * full, style="cyan") + Text("━" * (width - full), style="bright_black")
            self._live.update(Text.assemble(f"{self._title}  ", bar, f"  {text}", no_wrap=True, overflow="ellipsis"))
        elif now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            self.say(f"{self._title}  {text}")

    def finish(self, text: str, style: str = "") -> None:
        """The running cell ended: leave a line that stays."""
        self.say(f"{self._title}  {text}", style)

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the live one."""
        self.console.print(Text(printable(text), style=style), soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds as 42 s, 3:07 min or 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
