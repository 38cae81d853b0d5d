"""The command that does one unit: what it prints, its exit status, and what it leaves to others."""

import json
import os

import pytest

from benchmarks.run.units.claims import Claims
from tests.benchmarks.run.toy_process import records


@pytest.fixture
def work(tmp_path, run_toy, command):
    """Emit a plan of a toy and return a function that does units of it: exit status, JSON lines, stderr."""

    def start(*options, **names):
        assert run_toy(tmp_path, "--no-floors", "--emit", "plan", *options, **names).status == 0
        return call

    def call(number, *options):
        plan, runs = tmp_path / "runs" / "plan.json", tmp_path / "runs"
        status, out, err = command("work", str(plan), "--unit", str(number), "--output", str(runs), *options)
        return status, [json.loads(line) for line in out.splitlines()], err

    return start


def test_a_unit_says_what_it_does_at_its_start_and_its_end(work):
    do = work()
    status, (start, end), _ = do(0)
    assert status == 0 and start["event"] == "start" and end["event"] == "end" and end["status"] == "done"
    assert start["stage"] == "fit" and start["unit"] == 0 and start["pid"] == os.getpid() and end["seconds"] >= 0
    _, (start, end), _ = do(1)
    assert (start["split"], start["last"], end["status"]) == ("regress", 12, "done")


def test_a_unit_that_is_done_is_not_done_again_unless_it_is_forced(work, toys):
    do = work()
    do(0)
    toys.CALLS.clear()
    assert do(0)[1][1]["status"] == "kept" and not any(call.startswith("fit") for call in toys.CALLS)
    assert do(0, "--force")[1][1]["status"] == "done" and any(call.startswith("fit") for call in toys.CALLS)


def test_a_unit_of_a_finished_cell_is_not_done_again(work, run_toy, tmp_path, toys):
    do = work()
    assert run_toy(tmp_path, "--no-floors").status == 0
    assert not (tmp_path / "runs" / "partial").exists()
    toys.CALLS.clear()
    assert [do(number)[1][1]["status"] for number in range(4)] == ["kept"] * 4
    assert not any(call.startswith(("fit", "predict")) for call in toys.CALLS)
    assert not (tmp_path / "runs" / "partial").exists()


def test_a_unit_is_done_by_one_process(work, monkeypatch):
    do = work()
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    status, lines, err = do(0)
    assert (status, lines) == (2, []) and "start it without torchrun" in err


def test_a_unit_that_another_process_works_on_is_left_to_it(work, tmp_path, toys):
    do = work()
    plan = json.loads((tmp_path / "runs" / "plan.json").read_text())
    do(0)
    (fit,) = (tmp_path / "runs" / "fits").iterdir()
    fit.rename(tmp_path / "fit")
    with Claims(tmp_path / "runs").taken(f"fit--{fit.name}") as held:
        assert held
        toys.CALLS.clear()
        status, (_, end), _ = do(0)
        assert (status, end["status"]) == (0, "claimed") and f"process {os.getpid()}" in end["reason"]
        assert not toys.CALLS and plan["units"][0]["stage"] == "fit"


@pytest.mark.parametrize(("number", "first"), [(1, "first do unit 0"), (3, "first do units 0 to 2")])
def test_a_unit_whose_needs_are_missing_ends_at_once_and_names_them(work, tmp_path, number, first):
    do = work()
    status, (_, end), _ = do(number)
    assert (status, end["status"]) == (2, "waiting")
    assert end["reason"].startswith(f"its fit {tmp_path / 'runs' / 'fits'}") and end["reason"].endswith(f"; {first}")
    do(0)
    status, (_, end), _ = do(3)
    assert (status, end["status"]) == (2, "waiting")
    assert end["reason"] == "images of split regress are not all predicted; first do units 0 to 2"
    assert not records(tmp_path)


def test_a_fit_that_fails_fails_all_cells_that_need_it_and_no_other(work, tmp_path, run_toy):
    do = work("--task", "toy_transfer", "--set", "toy_colours.crash=true")
    status, (_, end), _ = do(0)
    assert (status, end["status"]) == (1, "failed") and end["reason"] == "the toy crashed"
    found = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("cells/*/result.json")]
    assert [each["status"] for each in found] == ["failed"] * 2
    assert do(1)[0] == 2


def test_a_shared_fit_is_named_by_its_unit_whichever_cell_that_is_of(work, tmp_path):
    do = work("--task", "toy_transfer")
    units = json.loads((tmp_path / "runs" / "plan.json").read_text())["units"]
    score = len(units) - 1
    assert [unit["stage"] for unit in units].count("fit") == 1 and units[score]["cell_id"] != units[0]["cell_id"]
    mine = [number for number, unit in enumerate(units) if unit["cell_id"] == units[score]["cell_id"]][:-1]
    assert mine == [3, 4]
    assert do(score)[1][1]["reason"].endswith("; first do units 0, 3 to 4")


def test_the_plan_says_how_its_units_are_done_and_the_tables_made(tmp_path, run_toy):
    done = run_toy(tmp_path, "--no-floors", "--emit", "plan")
    path = tmp_path / "runs" / "plan.json"
    assert done.out.splitlines()[-3:] == [
        f"{path}: 4 units of 1 cell",
        f"work    python -m benchmarks work {path} --unit N --output {path.parent}  for N from 0 to 3",
        "tables  the same command without --emit",
    ]


def test_an_image_that_cannot_be_read_fails_its_cell_with_status_2(work, tmp_path):
    do = work(task="toy_truncated")
    assert [do(number)[0] for number in range(3)] == [0, 0, 2]
    (record,) = records(tmp_path).values()
    assert record["failure"]["message"].startswith("toy_truncated: cannot read image test/3")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--unit", "9"], "--unit 9: the plan has units 0 to 3"),
        (["--unit", "0", "--device", "cuda:77"], "--device cuda:77"),
    ],
)
def test_bad_input_is_one_line(work, tmp_path, command, options, line):
    work()
    status, out, err = command(
        "work", str(tmp_path / "runs" / "plan.json"), *options, "--output", str(tmp_path / "runs")
    )
    assert status == 2 and line in err and not out


def test_a_plan_of_everything_anew_is_not_emitted(run_toy, tmp_path):
    done = run_toy(tmp_path, "--emit", "plan", "--overwrite", "all")
    assert done.status == 2 and "--emit goes with --overwrite failed or never" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_plan_has_the_cells_that_are_not_finished(run_toy, tmp_path):
    assert run_toy(tmp_path, "--no-floors").status == 0
    assert run_toy(tmp_path, "--no-floors", "--task", "toy_many", "--emit", "plan").status == 0
    plan = json.loads((tmp_path / "runs" / "plan.json").read_text())
    assert [cell["task"]["id"] for cell in plan["cells"]] == ["toy_many"]
