"""Progress: a live line on a terminal, plain lines elsewhere, durations that can be read."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.progress import Figures, Progress, duration, one_line, rate_text


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


@pytest.mark.parametrize(("width", "bar"), [(120, 24), (60, 6), (53, 0)])
def test_in_a_narrow_terminal_the_bar_gives_way_to_the_text(width, bar):
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=width), 1)
    with progress.running():
        progress.start("wild · sk")
        progress.show(Figures("predict test 1000/1000", "loss 0.123"), 0.5)
    drawn = text.getvalue().split("[1/1]")[-1]
    assert drawn.count("━") == bar
    assert "predict test 1000/1000  loss 0.123" in drawn


LONG = "[12/120] dlc_openfield_Pranav_2018_10_30_be42ad_k4 · stable_keypoints seed 1"
FIGURES = Figures("predict regress 116/1000", "loss 0.1234", "3.21 images/s", "12.3 GB", "ETA 59:07 min")


@pytest.mark.parametrize(
    ("width", "title", "text"),
    [
        (154, LONG, FIGURES.text()),
        (153, LONG, FIGURES.text("memory")),
        (143, LONG, FIGURES.text("memory", "speed")),
        (
            110,
            "[12/120] dlc_openf…a_k4 · stable_keypoints seed 1"[:0],
            FIGURES.text("memory", "speed"),
        ),
        (79, "", "predict regress 116/1000  ETA 59:07 min"),
    ],
)
def test_memory_is_left_out_first_then_speed_then_the_id_is_shortened(width, title, text):
    found = one_line(LONG, FIGURES, width)
    assert found[1] == text
    assert len("  ".join(found)) <= width
    assert not title or found[0] == title
    if width == 110:
        assert re.fullmatch(r"\[12/120\] dlc_\w*…\w*k4 · stable_keypoints seed 1", found[0])
        assert len("  ".join(found)) == width  # no more is cut than must be


@given(
    task=st.text("abc_1", min_size=1, max_size=80),
    method=st.text("abc_1", min_size=1, max_size=40),
    cells=st.integers(1, 9999),
    steps=st.integers(1, 99_999),
    scalar=st.sampled_from(["", "loss 0.5", "sharpening 1.234e-05"]),
    speed=st.sampled_from(["", "14,210 images/s"]),
    memory=st.sampled_from(["", "123 GB"]),
)
def test_a_line_fits_80_columns_and_keeps_steps_and_time_left(task, method, cells, steps, scalar, speed, memory):
    figures = Figures(f"predict regress {steps}/{steps}", scalar, speed, memory, "ETA 59:59 min")
    title, text = one_line(f"[{cells}/{cells}] {task} · {method} seed 12", figures, 79)
    assert len(title) + 2 + len(text) <= 79
    assert text.startswith(f"predict regress {steps}/{steps}") and text.endswith("ETA 59:59 min")
    assert title.startswith(f"[{cells}/{cells}] ")


def test_a_line_of_a_run_that_waits_is_repeated_once_a_minute_elsewhere_than_on_a_terminal(clock):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=80), 1)
    progress.start("cub_001 · grid")
    for _ in range(130):
        clock[0] += 1
        progress.phase("waiting for another process: fit by node7, process 4711")
    progress.phase("score")
    clock[0] += 5
    progress.phase("picture")
    lines = text.getvalue().splitlines()
    assert [line.partition("grid  ")[2].partition(" ")[0] for line in lines] == ["waiting"] * 3 + ["score", "picture"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0123, "0.0123"), (8, "8"), (99.94, "99.9"), (99.96, "100"), (254.6, "255"), (14210.4, "14,210")],
)
def test_speeds_have_no_exponent(rate, text):
    assert rate_text(rate, "images") == f"{text} images/s"


def test_a_phase_without_a_count_is_named_on_the_live_line_and_has_no_bar():
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=80), 1)
    with progress.running():
        progress.phase("MLflow: creating runs/mlflow.db")
        progress.start("cub_001 · grid")
        progress.stage("predict test", "images")(100, 100)
        progress.phase("score")
    shown = text.getvalue()
    assert "MLflow: creating runs/mlflow.db" in shown
    assert "━" not in shown.split("\r")[-2]


def test_the_last_count_is_shown(clock):
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    progress = Progress(console, 1)
    with progress.running():
        progress.start("taichi · grid")
        stage = progress.stage("predict test", "images")
        for done in (96, 100):  # at the same moment
            stage(done, 100)
    assert "predict test 100/100" in text.getvalue()
    assert "ETA" not in text.getvalue().split("100/100")[-1]


def test_the_last_count_closes_plain_lines_that_were_begun(clock):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=80), 1)
    progress.start("taichi · grid")
    stage = progress.stage("predict test", "images")
    clock[0] += 2
    stage(96, 100)
    stage(100, 100)
    progress.stage("predict regress", "images")(50, 50)  # was over before anything had to be said
    assert text.getvalue().splitlines() == [
        "[1/1] taichi · grid  predict test 96/100",
        "[1/1] taichi · grid  predict test 100/100",
    ]


@pytest.mark.parametrize("variable", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(variable, clock, monkeypatch):
    monkeypatch.setenv("TERM", variable)
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=80), 1)
    with progress.running():
        progress.start("taichi · grid")
        clock[0] += 2
        progress.stage("predict test", "images")(3, 12)
        assert "predict test 3/12" in text.getvalue()
        progress.finish("done")
    assert "\x1b[" not in re.sub(r"\x1b\[\d*m", "", text.getvalue())


def test_a_terminal_gets_one_live_line():
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100)
    progress = Progress(console, 1)
    with progress.running():
        progress.start("taichi · grid")
        progress.stage("predict test", "images")(3, 12)
    assert "predict test 3/12" in text.getvalue()
