"""Threads that act as processes and take turns at every use of a file, in an order that a test chooses."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.run.units import claim_files, claims

PATIENCE = 60.0  # seconds until a step counts as stuck


class Death(BaseException):
    """Ends a thread that acts as a process that was killed; no use of a file comes after it."""


class Actor:
    """A thread that stops before each use of a file, until ``go`` lets it make one step."""

    def __init__(self, name: str, act: Callable[[Actor], None]) -> None:
        self.name = name
        self.killed = self.suspended = self.ended = False
        self.suspected = False  # was suspended at some time
        self.error: BaseException | None = None
        self._act = act
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)

    def go(self) -> None:
        """Let the thread make one step."""
        if self.thread.ident is None:
            self.thread.start()
        else:
            self._go.release()
        assert self._stopped.acquire(timeout=PATIENCE), f"{self.name} is stuck"

    def step(self) -> None:
        """Stop until the next ``go``; called by the thread itself."""
        self._stopped.release()
        self._go.acquire()
        if self.killed:
            raise Death

    def _run(self) -> None:
        try:
            self._act(self)
        except Death:
            pass
        except BaseException as error:
            self.error = error
        self.ended = True
        self._stopped.release()


class Stage:
    """The actors of a test. ``patch`` makes each use of a file by an actor a step of its own."""

    def __init__(self) -> None:
        self.actors: list[Actor] = []

    def current(self) -> Actor | None:
        """The actor whose thread this is."""
        return next((each for each in self.actors if each.thread is threading.current_thread()), None)

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the functions that claims use; other threads find them as they were."""
        for owner, name in [
            (os, "listdir"),
            (os, "link"),
            (Path, "unlink"),
            (Path, "read_text"),
            (Path, "read_bytes"),
            (Path, "lstat"),
        ]:
            monkeypatch.setattr(owner, name, self._stepping(getattr(owner, name)))
        sleep = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: sleep(0 if self.current() else seconds))
        for module in (claim_files, claims):
            monkeypatch.setattr(module, "this_process", lambda: getattr(self.current(), "name", "none"))
        monkeypatch.setattr(claims, "has_ended", self._has_ended)
        monkeypatch.setattr(claims.Claims, "_renew_from_now", lambda self, held: None)

    def _stepping(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **named: Any) -> Any:
            if actor := self.current():
                actor.step()
            return original(*arguments, **named)

        return stepping

    def _has_ended(self, process: str) -> bool | None:
        found = next((each for each in self.actors if each.name == process), None)
        return None if found is None else found.killed or found.suspended
