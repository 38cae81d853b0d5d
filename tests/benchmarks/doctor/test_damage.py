"""Every kind of kept file, damaged in every way: doctor and the command that it names give back the whole folder."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.benchmarks.importing.toys import write
from tests.benchmarks.records.damaging import (
    EVERY,
    FINISHED,
    IMPORTED,
    copy_of_finished,
    damage_one,
    delete,
    flip,
    truncate,
)

OF_RUN = ("seconds", "peak_memory_mb", "provenance", "machine", "digest")  # differ from run to run


@pytest.fixture
def runs(toys, call, tmp_path, tmp_path_factory, monkeypatch):
    """A copy of a finished run: a method with two settings, and two imports."""
    return copy_of_finished(toys, call, tmp_path, tmp_path_factory, monkeypatch)


@pytest.fixture
def damaged(runs, request):
    """The run with one file damaged; gives its cell's folder and the file."""
    return damage_one(runs, *request.param)


def content(runs: Path) -> dict[str, object]:
    """Every kept file by its path; JSON without what differs from run to run."""
    found: dict[str, object] = {}
    for path in sorted(runs.rglob("*")):
        if path.is_file() and path.parent.name != "claims":
            found[path.relative_to(runs).as_posix()] = path.read_bytes()
            if path.name in ("result.json", "fit.json"):
                plain = json.loads(path.read_text())
                found[path.relative_to(runs).as_posix()] = {name: plain[name] for name in plain.keys() - {*OF_RUN}}
            elif path.suffix == ".md":  # its last column has seconds
                lines = path.read_text("utf-8").splitlines()
                found[path.relative_to(runs).as_posix()] = [re.sub(r"[ \d.]+\|$", "", line) for line in lines]
    return found


def bytes_of(runs: Path) -> dict[str, bytes]:
    return {path.relative_to(runs).as_posix(): path.read_bytes() for path in runs.rglob("*") if path.is_file()}


def named_commands(out):
    """The arguments of the commands that doctor names."""
    lines = [line.strip() for line in out.splitlines()]
    return [shlex.split(line)[3:] for line in lines if line.startswith("python -m benchmarks")]


@EVERY
def test_doctor_and_the_command_that_it_names_give_back_the_folder(damaged, runs, call, tmp_path, toys):
    cell, file = damaged
    whole = bytes_of(FINISHED["runs"])
    before = bytes_of(runs)
    status, out, _ = call("doctor", runs, "--dry-run")
    assert status == 1 and bytes_of(runs) == before
    status, out, _ = call("doctor", runs)
    place = file.parent.name if file.name in IMPORTED else cell.name
    assert any(place in line and file.name in line for line in out.splitlines()) or file.parent.parent.name == "imports"
    if file.name == "errors.parquet":
        assert status == 0 and "scored again" in out and bytes_of(runs) == whole
        return
    assert status == 1
    for path, text in bytes_of(runs).items():  # a broken file is kept until it is made again
        assert before[path] == text or path.startswith("leaderboard/"), path
    commands = named_commands(out)
    assert commands
    for name, scale in (("mine", 1.0), ("theirs", 0.9)) if file.name in IMPORTED else ():
        path = write(tmp_path / f"{name}.parquet", toys, change=lambda points, scale=scale: points * scale)
        for part in (runs / "imports" / name).iterdir():
            part.unlink()
        done = call("import", "neutral", path, "--task", "toy", "--method", name, "--output", runs)
        assert done[0] == 0, done
    for command in commands:
        if "import" not in command:
            assert command[0] == "run" and call(*command, "--no-mlflow")[0] == 0
    status, out, _ = call("doctor", runs)
    assert status == 0, out
    assert content(runs) == content(FINISHED["runs"])


def test_a_whole_folder_stays_as_it_is(runs, call):
    status, out, err = call("doctor", runs)
    assert (status, out, err) == (0, "4 cells checked: everything is whole\n", "")
    assert bytes_of(runs) == bytes_of(FINISHED["runs"])


@pytest.mark.parametrize("damage", [flip, truncate, delete])
def test_a_leaderboard_is_written_again(damage, runs, call):
    (path,) = runs.glob("leaderboard/*.md")
    damage(path, path)
    status, out, _ = call("doctor", runs)
    assert status == 0 and f"leaderboard/{path.name} is" in out and "written again" in out
    assert bytes_of(runs) == bytes_of(FINISHED["runs"])


def test_errors_are_scored_only_where_the_dataset_is(runs, call, toys, monkeypatch):
    (cell, *_) = sorted(runs.glob("cells/toy_colours--*"))
    (cell / "errors.parquet").unlink()
    monkeypatch.setattr(toys.Squares, "annotated", lambda self: (False, "nothing is there"))
    status, out, _ = call("doctor", runs)
    assert status == 1
    assert f"cells/{cell.name} errors.parquet is missing: left as it is, as toy_squares is not at hand" in out
    assert len(named_commands(out)) == 1


def test_predictions_that_give_other_scores_are_left(runs, call, toys, monkeypatch):
    (cell, *_) = sorted(runs.glob("cells/toy_colours--*"))
    (cell / "errors.parquet").unlink()
    corners = toys.Squares.corners
    monkeypatch.setattr(toys.Squares, "corners", lambda self, name: corners(self, name)[::-1] + 1)
    status, out, _ = call("doctor", runs)
    assert status == 1 and "but its predictions give" in out
    assert not (cell / "errors.parquet").exists()


def test_a_cell_that_another_process_scores_is_left_alone(runs, call):
    from benchmarks.run.units.claims import Claims

    (cell, *_) = sorted(runs.glob("cells/toy_colours--*"))
    (cell / "errors.parquet").unlink()
    with Claims(runs).taken(f"score--{cell.name}"):
        status, out, _ = call("doctor", runs)
        assert status == 0 and cell.name not in out and "left alone: what other processes work on (1 claim)" in out
    assert not (cell / "errors.parquet").exists()
    assert call("doctor", runs)[0] == 0 and (cell / "errors.parquet").exists()


def test_faults_are_counted_apart_from_cells_and_a_broken_plan_may_go(runs, call):
    (runs / "plan.json").write_text("{")
    (runs / "fits" / "nothing").mkdir()
    status, out, _ = call("doctor", runs)
    assert status == 1 and "4 cells checked; 2 faults: 1 repaired, 1 left\n" in out
    assert "left as it is; remove it, or write it again with `run --emit plan`" in out
    assert "the cell's folder" not in out
    (runs / "plan.json").unlink()
    assert call("doctor", runs)[0] == 0


def test_a_folder_that_has_only_a_leaderboard_is_no_run_directory(tmp_path, call):
    (tmp_path / "leaderboard").mkdir()
    for command in ("status", "doctor"):
        status, out, err = call(command, tmp_path)
        assert (status, out) == (2, "") and "is no run directory" in err


def test_what_has_no_digests_and_what_failed_is_counted(runs, call):
    (path,) = runs.glob("cells/imported_mine--*/result.json")
    plain = json.loads(path.read_text()) | {"schema_version": 4}
    path.write_text(json.dumps({key: plain[key] for key in plain.keys() - {"digest", "digests"}}))
    for fit in runs.glob("fits/*"):
        (fit / "fit.json").write_text('{"seconds": 1.0}')
    call(
        "run",
        "--method",
        "toy_colours",
        "--set",
        "toy_colours.crash=true",
        "--task",
        "toy",
        "--no-floors",
        "--no-mlflow",
        "--output",
        runs,
    )
    _, out, _ = call("doctor", runs)
    assert "failed cells: 1; `run` repeats them" in out and "records of an older version, without digests: 1;" in out
    assert f"fits of an older version, without digests: {len(list(runs.glob('fits/*')))};" in out
