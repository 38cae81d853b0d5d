"""All parts run within their time, in order of worth, and nothing that one of them does loses the others' findings."""

from __future__ import annotations

import json
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.errors import UserError
from benchmarks.run.images import DatasetImages
from benchmarks.speed import everything, tables
from benchmarks.speed.__main__ import app
from benchmarks.speed.bars import BARS, judged
from benchmarks.speed.compare import Options
from benchmarks.speed.record import Part, Record, run_parts
from benchmarks.speed.studies.photographs import photographs


class Clock:
    """A clock that moves when a part works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def part(self, name: str, estimate: float, taken: float, error: Exception | None = None) -> Part:
        def work(left: float) -> dict[str, Any]:
            self.now += taken
            if error is not None:
                raise error
            return {"left": left}

        return Part(name, estimate, work)


def statuses(record: Record) -> dict[str, str]:
    return {name: part["status"] for name, part in Record.read(record.path).parts.items()}


def test_a_part_starts_only_if_the_time_left_allows_it(tmp_path: Path):
    clock = Clock()
    record = Record(tmp_path / "new" / "speed.json", until=1100.0)
    parts = [clock.part("a", 50, 60), clock.part("b", 50, 60), clock.part("c", 30, 30), clock.part("d", 30, 1)]
    run_parts(parts, record, clock=clock)
    assert statuses(record) == {"a": "done", "b": "no time", "c": "done", "d": "no time"}
    assert clock.now <= record.until
    assert record.results() == {"a": {"left": 100.0}, "c": {"left": 40.0}}
    assert [record.parts[name]["seconds"] for name in "abcd"] == [60, 0, 30, 0]


def test_a_part_that_raises_is_recorded_and_the_others_go_on(tmp_path: Path):
    clock = Clock()
    record = Record(tmp_path / "speed.json", until=1100.0)
    run_parts([clock.part("a", 1, 1, ValueError("no kernel image")), clock.part("b", 1, 1)], record, clock=clock)
    assert statuses(record) == {"a": "failed", "b": "done"}
    assert "ValueError: no kernel image" in record.parts["a"]["error"]
    assert "test_everything.py" in record.parts["a"]["error"], "the error has its traceback"


def test_warnings_of_a_part_are_recorded(tmp_path: Path):
    def warned(left: float) -> dict[str, float]:
        for _ in range(2):
            warnings.warn("the kernels are off", stacklevel=1)
        return {}

    record = Record(tmp_path / "speed.json", until=1100.0)
    run_parts([Part("a", 1, warned)], record, clock=Clock())
    assert record.parts["a"]["warnings"] == ["the kernels are off"]


def test_what_was_done_before_is_not_done_again(tmp_path: Path):
    clock = Clock()
    record = Record(tmp_path / "speed.json", until=1100.0, parts={"a": {"status": "crashed", "seconds": 3}})
    run_parts([clock.part("a", 1, 1), clock.part("b", 1, 1)], record, clock=clock)
    assert statuses(record) == {"a": "crashed", "b": "done"}


def test_a_device_that_no_longer_answers_ends_the_worker_after_its_part_is_recorded(tmp_path: Path):
    clock = Clock()
    record = Record(tmp_path / "speed.json", until=1100.0)

    def dead() -> None:
        raise RuntimeError("an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        run_parts([clock.part("a", 1, 1, RuntimeError("x")), clock.part("b", 1, 1)], record, dead, clock)
    assert statuses(record) == {"a": "failed"}


WORKER = """
    import os, sys, time
    from pathlib import Path
    from benchmarks.speed.record import Part, Record, run_parts

    parts = [
        Part("good", 1, lambda left: {"value": 1}),
        Part("crash", 1, lambda left: os._exit(3)),
        Part("better", 1, lambda left: {"value": sys.argv[2:]}),
    ]
    run_parts(parts, Record.read(Path(sys.argv[1])))
"""


def test_a_crash_costs_only_the_part_that_crashed(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(repository))
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(WORKER))
    record = Record(tmp_path / "speed.json", until=time.time() + 500)
    said: list[str] = []
    command = [sys.executable, str(script), str(record.path)]
    everything.supervise(command, record, said.append, after_crash=["--without", "norms"])
    assert record.parts["better"]["result"]["value"] == ["--without", "norms"]
    assert statuses(record) == {"good": "done", "crash": "crashed", "better": "done"}
    assert said == ["crash: its process ended with exit status 3"]
    assert Record.read(record.path).running is None


def test_a_worker_that_never_begins_is_ended(tmp_path: Path):
    """By a clock that moves 100 s with each look."""
    script = tmp_path / "worker.py"
    script.write_text("import time; time.sleep(600)")
    record = Record(tmp_path / "speed.json", until=1e9)
    times = iter(range(0, 10**9, 100))
    everything.supervise([sys.executable, str(script)], record, print, lambda: float(next(times)))
    assert statuses(record) == {}


HANGS_ONCE = """
    import json, sys, time
    from pathlib import Path

    path = Path(sys.argv[1])
    found = json.loads(path.read_text())
    if "a" not in found["parts"]:
        found["running"] = {"name": "a", "began": 0, "stop_at": 0}
        path.write_text(json.dumps(found))
        time.sleep(600)
"""


def test_a_part_that_takes_too_long_is_stopped(tmp_path: Path):
    script = tmp_path / "worker.py"
    script.write_text(textwrap.dedent(HANGS_ONCE))
    record = Record(tmp_path / "speed.json", until=time.time() + 1000)
    everything.supervise([sys.executable, str(script), str(record.path)], record, print)
    assert statuses(record) == {"a": "stopped"}


def test_all_parts_are_known_and_the_largest_models_belong_to_one_size():
    options = Options(size="tiny", views=1)
    names = [part.name for part in everything.parts(options, print)]
    assert names[:2] == ["batch 4", "batch 1"]
    larger = [part.name for part in everything.parts(Options(size="sd15"), print)]
    assert set(larger) - set(names) == {"sd21", "sdxl"}


def test_the_record_of_a_whole_run_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every part but that of half precision, which takes a processor too long, on the tiny model."""

    def here(command: list[str], record: Record, say: Callable[[str], object], after_crash: Sequence[str]) -> None:
        record.write()
        options = Options(size="tiny", views=1)
        chosen = [part for part in everything.parts(options, say) if part.name != "half precision"]
        everything.work(options, record.path, say, chosen)

    monkeypatch.setattr(everything, "supervise", here)
    output, text = tmp_path / "speed.json", tmp_path / "speed.md"
    arguments = ["--size", "tiny", "--device", "cpu", "--views", "1", "--all", "--minutes", "60"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(output), "--markdown", str(text)])
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text())
    assert {part["status"] for part in found["parts"].values()} == {"done"}, found["parts"]
    assert found["parts"]["float32"]["result"]["agreement"]["fit"]["within"]
    assert found["parts"]["memory low"]["result"]["options"]["memory"] == "low"
    assert {name: each["failed"] for name, each in found["facts"]["kernels"].items()} == {
        "the diffusion model's blocks": False,
        "the attention maps": False,
    }
    assert len(found["bars"]) == len(BARS)
    assert all(
        (bar["measured"] is None) == ("float16" in bar["name"]) for bar in found["bars"] if "bf" not in bar["name"]
    )
    for name in found["parts"]:
        assert f"**{name}**" in text.read_text()
    again = CliRunner().invoke(app, ["--show", str(output)])
    assert again.output == text.read_text()
    with pytest.raises(UserError, match="expected a JSON file that --all wrote"):
        CliRunner().invoke(app, ["--show", str(text)], catch_exceptions=False)


def test_a_worker_gets_the_options_that_parts_share(tmp_path: Path):
    options = Options(size="tiny", device="cpu", steps=3, views=2, without=("maps",), compile=True, predict=False)
    command = everything.worker_command(options, tmp_path / "speed.json")
    assert command[1:3] == ["-m", "benchmarks.speed"]
    words = " ".join(command)
    for each in ("--steps 3", "--views 2", "--without maps", "--compile", "--no-predict", "--worker"):
        assert each in words


def test_bars_are_judged_in_their_own_direction():
    timing = {"ours": {"median_seconds": 0.06, "peak_bytes": 2**32}}
    tasks = {"fit": timing, "predict": timing}
    part = {"options": {"batch": 4}, "tasks": tasks, "speed_up": {"fit": {"ours": 11.9}, "predict": {"ours": 8.0}}}
    half = {"float16, both": {"moved_far": 0.0}, "bfloat16, unet": {"moved_far": 0.03}}
    found = judged({"batch 4": part, "memory low": part, "half precision": {"half": half}})
    measured = {each["name"]: (each["measured"], each["met"]) for each in found}
    assert measured["fit, batch 4"] == (pytest.approx(15), True)
    assert measured["predict, ten views"] == (pytest.approx(1 / 0.015), True)
    assert measured["fit beside the released code"] == (11.9, False)
    assert measured["predict beside the released code"] == (8.0, True)
    assert measured["peak memory, memory=low"] == (4.0, True)
    assert measured["keypoints moved in float16"] == (0.0, True)
    assert measured["keypoints moved in bfloat16"] == (pytest.approx(3), False)
    assert measured["fit, batch 1"] == (None, None)
    assert "not measured" in tables.bars(found)


def test_waiting_for_image_files_is_counted(monkeypatch: pytest.MonkeyPatch):
    """Decoding takes a quarter of a second more for each batch."""
    load = DatasetImages.load

    def slow(images: DatasetImages, rows: list[int]) -> Any:
        time.sleep(0.25)
        return load(images, rows)

    monkeypatch.setattr(DatasetImages, "load", slow)
    found = photographs(Options(size="tiny", views=0, batch=4), 8)
    assert found["files"] == 8
    for task in ("fit", "predict"):  # the first batch of each is waited for from its beginning
        assert 0.2 < found[task]["seconds_waiting_for_images"] <= found[task]["seconds"]
        assert found[task]["share_waiting"] <= 1
