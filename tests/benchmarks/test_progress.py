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


def test_a_line_has_loss_images_a_second_memory_and_time_left(clock):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=40), 1, lambda: 2134.5)
    given = [0]
    with progress.running():
        progress.start("wild · sk")
        stage = progress.stage("fit", "steps", lambda: given[0])
        for step in range(1, 8):
            clock[0] += 2
            given[0] += 16
            stage(step, 100, loss=0.25, sharpening=0.1)
    assert text.getvalue().splitlines() == [
        "[1/1] wild · sk  fit 1/100  loss 0.25",
        "[1/1] wild · sk  fit 4/100  loss 0.25  8 images/s  2.13 GB  ETA 3:12 min",
        "[1/1] wild · sk  fit 7/100  loss 0.25  8 images/s  2.13 GB  ETA 3:06 min",
    ]
    assert stage.history[-1] == {"step": 7, "loss": 0.25, "sharpening": 0.1}


def test_steps_that_an_earlier_run_did_do_not_count_as_speed(clock):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=40), 1)
    given = [0]
    with progress.running():
        progress.start("wild · sk")
        stage = progress.stage("fit", "steps", lambda: given[0])
        for step in range(1, 5001):  # what a checkpoint holds is told at once
            clock[0] += 1e-6
            stage(step, 10_000, loss=0.5)
        for step in range(5001, 5013):
            clock[0] += 1
            given[0] += 1
            stage(step, 10_000, loss=0.5)
    assert text.getvalue().splitlines()[-1] == "[1/1] wild · sk  fit 5011/10000  loss 0.5  1 images/s  ETA 1:23 h"
    assert len(stage.history) == 5012


@pytest.mark.parametrize(("width", "bar"), [(120, 24), (60, 7), (50, 0)])
def test_in_a_narrow_terminal_the_bar_gives_way_to_the_text(width, bar):
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=width), 1)
    with progress.running():
        progress.start("wild · sk")
        progress.show("predict test 1000/1000  loss 0.123", 0.5)
    drawn = text.getvalue().split("wild · sk")[-1]
    assert drawn.count("━") == bar
    assert ("loss 0.123" in drawn) == (width >= 60)  # where even that is too long, it is cut


def test_a_terminal_gets_one_live_line():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    progress = Progress(console, 1)
    with progress.running():
        progress.start("taichi · grid")
        progress.stage("predict test", "images")(3, 12)
    assert "predict test 3/12" in text.getvalue()
