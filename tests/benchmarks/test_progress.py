"""Progress: a live line on a terminal, plain lines elsewhere, durations that can be read."""

import io

import pytest
from rich.console import Console

from benchmarks.progress import Progress, duration


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (187, "3:07 min"), (3599.6, "1:00 h"), (7500, "2:05 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_plain_lines_come_every_few_seconds_with_speed_and_time_left(clock):
    text = io.StringIO()
    console = Console(file=text, width=40)
    progress = Progress(console, 3)
    with progress.running():
        progress.start("taichi · grid")
        stage = progress.stage("fit", "steps")
        for step in range(1, 13):
            clock[0] += 1
            stage(step, 21, loss=0.5 / step)
        progress.finish("done")
    lines = text.getvalue().splitlines()
    assert lines == [
        "[1/3] taichi · grid  fit 1/21  loss 0.5",
        "[1/3] taichi · grid  fit 6/21  loss 0.08333  1 steps/s  ETA 15 s",
        "[1/3] taichi · grid  fit 11/21  loss 0.04545  1 steps/s  ETA 10 s",
        "[1/3] taichi · grid  done",
    ]
    assert len(stage.history) == 12


def test_a_terminal_gets_one_live_line():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    progress = Progress(console, 1)
    with progress.running():
        progress.start("taichi · grid")
        progress.stage("predict test", "images")(3, 12)
    assert "predict test 3/12" in text.getvalue()
