"""What is running, how far it is and how long it will take: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

BAR_WIDTH = 24
PLAIN_INTERVAL = 5.0
PLAIN_DELAY = 1.0  # what ends sooner needs no line on its way


class Stage:
    """One stage of a cell (fit, predict): a Report that counts, keeps the curves and shows both."""

    def __init__(self, progress: Progress, name: str, unit: str) -> None:
        self._progress = progress
        self._name = name
        self._unit = unit
        self._first: tuple[float, int] | None = None
        self.history: list[dict[str, float]] = []

    def __call__(self, done: int, total: int, **scalars: float) -> None:
        """Steps done, steps in all, and scalars worth a curve."""
        now = time.monotonic()
        if scalars:
            self.history.append({"step": done, **scalars})
        if self._first is None:
            self._first = (now, done)
        started, before = self._first
        speed = (done - before) / (now - started) if now > started else 0.0
        parts = [f"{self._name} {done}/{total}"]
        parts += [f"{name} {value:.4g}" for name, value in scalars.items()]
        if speed > 0:
            parts += [f"{speed:.3g} {self._unit}/s", f"ETA {duration((total - done) / speed)}"]
        self._progress.show("  ".join(parts), done / total if total else 1.0)


class Progress:
    """Shows a run of ``cells`` cells; use as ``with progress.running(): ...``."""

    def __init__(self, console: Console, cells: int) -> None:
        self.console = console
        self._cells = cells
        self._index = 0
        self._title = ""
        self._live: Live | None = None
        self._shown = 0.0

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

    def stage(self, name: str, unit: str) -> Stage:
        """A Report for a stage of the running cell."""
        return Stage(self, name, unit)

    def show(self, text: str, fraction: float) -> None:
        """Put the state of the running cell on the live line, or on a line of its own every few seconds."""
        now = time.monotonic()
        if self._live is not None:
            full = min(BAR_WIDTH, int(fraction * BAR_WIDTH))
            bar = Text("━" * full, style="cyan") + Text("━" * (BAR_WIDTH - full), style="bright_black")
            self._live.update(Text.assemble(f"{self._title}  ", bar, f"  {text}", no_wrap=True, overflow="ellipsis"))
        elif now - self._shown >= PLAIN_INTERVAL:
            self._shown = now
            self.say(f"{self._title}  {text}")

    def finish(self, text: str, style: str = "") -> None:
        """The running cell ended: leave a line that stays."""
        self.say(f"{self._title}  {text}", style)

    def say(self, text: str, style: str = "") -> None:
        """Print a line above the live one."""
        self.console.print(Text(text, style=style), soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds as 42 s, 3:07 min or 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
