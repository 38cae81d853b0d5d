"""What every test needs: threads that share the cores, no telemetry, and the toys of tests/plugins."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Tests that run side by side (``-n``) share the cores: more threads than cores slow every one down.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 0)):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // workers)))

import benchmarks  # noqa: F401 - sets OMP_WAIT_POLICY before any test loads torch

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["TRITON_INTERPRET"] = "1"  # kernels run on the CPU; Triton reads this when it is imported, by diffusers too
os.environ.pop("MLFLOW_TRACKING_URI", None)

# How long an example takes says nothing: machines are busy.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "tests" / "plugins"


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take Ctrl-C and a hangup as in a terminal, in this process and its children, even where these are ignored.

    A shell without job control starts ``pytest &`` with SIGINT ignored, nohup a program with SIGHUP ignored, and every
    child inherits that.
    """
    usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Make the package of toy plugins as good as installed, and its tasks known."""
    from benchmarks.registry import DATASETS, METHODS
    from benchmarks.tasks import SUITES, TASKS
    from leaderboard.suites import Suite

    monkeypatch.syspath_prepend(str(PLUGINS))
    import keypoint_toys

    for registry in (METHODS, DATASETS):
        registry.__dict__.pop("entries", None)
    for task in keypoint_toys.tasks():
        monkeypatch.setitem(TASKS, task.id, task)
    monkeypatch.setitem(SUITES, "toys", Suite(name="toys", tasks=("toy", "toy_transfer")))
    keypoint_toys.CALLS.clear()
    yield keypoint_toys
    for registry in (METHODS, DATASETS):
        registry.__dict__.pop("entries", None)
