"""A client of MLflow whose calls to a server are waited for briefly and, where that lasts, aloud."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVER = "MLFLOW_TRACKING_URI"
PATIENCE = 2.0  # seconds of waiting for a server before it is said
LIMIT = 10.0  # seconds of a call, whatever the server sends meanwhile
SLOWEST = 50e3  # bytes of a file a second
AGAIN = 1.0  # seconds until the call is interrupted again, should a library have swallowed the exception


class NoAnswerError(Exception):
    """A call took too long. It is no TimeoutError, because that makes the HTTP library try again."""


class _Patient:
    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._said = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            with self._limited(LIMIT):
                return getattr(self._client, name)(*arguments, **named)

        return call

    def log_artifact(self, run: str, path: str) -> None:
        with self._limited(LIMIT + Path(path).stat().st_size / SLOWEST):
            self._client.log_artifact(run, path)

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """Raise NoAnswerError after ``seconds``; only the main thread can be interrupted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ended = False

        def stop(number: int, frame: FrameType | None) -> None:
            if not ended:
                raise NoAnswerError(f"no answer within {seconds:.0f} s")

        def say(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, seconds - PATIENCE, AGAIN)
            if not self._said:
                self._said = True
                sys.stderr.write(f"waiting for MLflow's answer; {SERVER} names its server\n")

        before = signal.signal(signal.SIGALRM, say)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            yield
        finally:
            try:
                ended = True
            finally:  # also if the alarm rings right here
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)


def patient(client: MlflowClient) -> MlflowClient:
    """If MLFLOW_TRACKING_URI is set, a client that says on stderr once that it waits, after PATIENCE seconds of a call.

    Its calls raise NoAnswerError after LIMIT seconds; those that send a file have more time. Otherwise ``client``.
    """
    return cast("MlflowClient", _Patient(client)) if os.environ.get(SERVER) else client
