"""A short run of the fuzzer; ``python -m tests.fuzz --inputs 100000`` is the long one."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz import data, lists, weights  # noqa: F401 - they register their targets
from tests.fuzz.measure import run, statements
from tests.fuzz.targets import TARGETS, Target

INPUTS = {name: 30 if "checkpoint" in name else 80 for name in TARGETS}
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_is_read_or_refused_in_one_line(name: str) -> None:
    found = run(TARGETS[name], seed=20, start=0, count=INPUTS[name], note=lambda number: None)
    assert found.findings == []
    assert found.accepted + found.refused == INPUTS[name]
    assert found.accepted >= 3, "few valid files: the inner code is not reached"
    assert {os.path.realpath(file) for file, _ in found.lines} >= {os.path.realpath(TARGETS[name].files()[-1])}


@pytest.mark.parametrize("name", ["score npz", "coco"])
def test_an_input_is_the_same_each_time(name: str, tmp_path: Path) -> None:
    for copy in ("a", "b"):
        (tmp_path / copy).mkdir()
        TARGETS[name].make(random.Random(5), tmp_path / copy)
    files = {file.relative_to(tmp_path / "a"): file for file in (tmp_path / "a").rglob("*") if file.is_file()}
    for name_, file in files.items():
        assert file.suffix in (".npz", ".png") or file.read_bytes() == (tmp_path / "b" / name_).read_bytes()


def ends(kind: str) -> Target:
    """A reader with a fault."""

    def read() -> None:
        if kind == "raises":
            raise KeyError("a")
        os._exit(11)

    return Target(kind, lambda rng, folder: read, ("datasets.text",))


def test_an_exception_of_another_kind_is_a_finding() -> None:
    found = run(ends("raises"), 0, 0, 3, lambda number: None)
    assert [number for number, _ in found.findings] == [0, 1, 2]
    assert "KeyError at test_fuzz.py" in found.findings[0][1]


def test_the_death_of_a_process_is_a_finding_and_the_rest_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    died = []

    def child(words: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        start, count, path = int(words[5]), int(words[6]), Path(words[7])
        if start <= 4 < start + count:
            died.append(start)
            path.write_bytes(b"%12d" % 4)
            return subprocess.CompletedProcess(words, -11, b"", b"gone")
        path.write_text(json.dumps({"accepted": count}))
        return subprocess.CompletedProcess(words, 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", child)
    found = command.batch("coco", 0, 0, 10)
    assert died == [0]
    assert (found.accepted, found.findings) == (9, [(4, "the process ended with -11 'gone'")])


def test_statements_are_those_in_functions_without_docstrings(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        'X = 1\ndef f(x):\n    """Text."""\n    if x:\n        return (\n            1)\n    return 2\n'
    )
    assert statements(str(tmp_path / "a.py")) == {4, 5, 7}


def test_the_command_reports_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--inputs", "4", "--target", "cub"])
    assert command.main() == 0
    heading, line, *_ = capsys.readouterr().out.splitlines()
    assert heading.split()[:5] == ["target", "inputs", "accepted", "refused", "findings"]
    assert line.split()[:2] == ["cub", "4"]


def test_the_program_of_one_target_knows_all_targets():
    """The process that feeds a target imports less than the one that lists the targets."""
    code = "import json; from tests.fuzz.measure import TARGETS; print(json.dumps(sorted(TARGETS)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert json.loads(found) == sorted(TARGETS) and {"tokens", "store", "photo"} <= TARGETS.keys()
