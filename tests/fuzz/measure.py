"""Runs inputs of one target in this process and writes what it measured; a child of ``python -m tests.fuzz``."""

from __future__ import annotations

import ast
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.errors import correctable, first_line
from tests.fuzz import data, lists, weights  # noqa: F401 - they register their targets
from tests.fuzz.targets import TARGETS, Target

SECONDS = 10
MEMORY = 2 << 30
TRACED = 8  # every so many inputs is traced, which is slow

Lines = set[tuple[str, int]]


@dataclass
class Measured:
    """Counts of inputs, the findings, and the worst costs; ``lines`` are those reached in the target's modules."""

    accepted: int = 0
    refused: int = 0
    findings: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0
    memory: int = 0
    lines: list[tuple[str, int]] = field(default_factory=list)


class TooSlow(BaseException):
    """An input took longer than SECONDS."""


def allowed() -> tuple[type[Exception], ...]:
    """The errors that a reader may raise."""
    from methods.adapters.base import OutputError

    return (*correctable(), OutputError)


def run(target: Target, seed: int, start: int, count: int, note: Callable[[int], None]) -> Measured:
    """Feed inputs ``start`` to ``start + count`` of a seed; ``note`` is told the number of each before it starts."""
    errors, found, reached = allowed(), Measured(), set[tuple[str, int]]()
    files = {os.path.realpath(name) for name in target.files()}
    for number in range(start, start + count):
        note(number)
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
            read = target.make(random.Random(f"{target.name}:{seed}:{number}"), Path(folder))
            began = time.perf_counter()
            try:
                with _traced(files if number % TRACED == 0 else set(), reached), _limited():
                    read()
                found.accepted += 1
            except errors as error:
                found.refused += 1
                if not 10 < len(first_line(error)) < 3000:
                    found.findings.append((number, f"no line to read: {str(error)[:200]!a}"))
            except (Exception, TooSlow) as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                own = [f for f in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in f.filename]
                place = f"{Path(own[-1].filename).name}:{own[-1].lineno} ({Path(where.filename).name}:{where.lineno})"
                found.findings.append((number, f"{type(error).__name__} at {place}: {str(error)[:160]!a}"))
            found.seconds = max(found.seconds, time.perf_counter() - began)
    found.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found.lines = sorted(reached)
    return found


@contextmanager
def _limited() -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _traced(files: set[str], reached: Lines) -> Iterator[None]:
    """Add the lines of these files that are run to ``reached``."""

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename in files else None

    before = sys.gettrace()
    if files:
        sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


def statements(path: str) -> set[int]:
    """The first lines of the statements in functions of a file; docstrings and other bare constants are left out."""
    found: set[int] = set()
    for function in ast.walk(ast.parse(Path(path).read_text("utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                bare = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if isinstance(node, ast.stmt) and node is not function and not bare:
                    found.add(node.lineno)
    return found


def main() -> None:
    """``measure TARGET SEED START COUNT FILE``: FILE gets the number of the input at hand, at the end the results."""
    name, seed, start, count, path = sys.argv[1:]
    target = TARGETS[name]
    target.prepare()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))
    with Path(path).open("r+b", buffering=0) as file:

        def note(number: int) -> None:
            os.pwrite(file.fileno(), b"%12d" % number, 0)

        found = run(target, int(seed), int(start), int(count), note)
    Path(path).write_text(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
