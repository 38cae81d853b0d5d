"""Signals: SIGTERM stops a run like Ctrl-C, and neither interrupts the import of torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 128 + signal.SIGINT  # exit statuses, as a shell gives them
TERMINATED = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """Raised for SIGTERM; a KeyboardInterrupt, so that the cleanup after Ctrl-C runs after SIGTERM too."""


def exit_status(stop: KeyboardInterrupt) -> int:
    """130 for Ctrl-C, 143 for SIGTERM."""
    return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


def again(stop: KeyboardInterrupt) -> KeyboardInterrupt:
    """The exception to raise in place of one that a library made of a signal: Terminated if SIGTERM has come.

    The signal is told by its handler, which ``terminable`` changes when it comes.
    """
    return Terminated() if signal.getsignal(signal.SIGTERM) == signal.SIG_IGN else stop


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated in the main thread on the first SIGTERM; ignore later ones, so that cleanup can finish."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of the block: interrupting an extension module's import aborts Python."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
