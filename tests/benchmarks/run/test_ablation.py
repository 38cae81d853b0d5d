"""The suite ablation: which cells it makes, what they are called, and the tables of a run."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console

from benchmarks.cli import main
from benchmarks.errors import UserError
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.summary import print_table
from benchmarks.tables.command import board_text
from benchmarks.tables.sections import Board
from benchmarks.tasks import SUITES, TASKS
from leaderboard.load import load_records
from leaderboard.records import Variant
from leaderboard.suites import Suite
from methods.base import Ablation
from tests.leaderboard.synthetic import record

MOVED = Ablation("moved", {"shift": 0.1})
SLOWER = Ablation("with seven steps", {"steps": 7}, "Seven is more than five")


@pytest.fixture
def ablations(toys, monkeypatch):
    """Set what the toy method names, and make ``toy`` and ``toy_transfer`` tasks of the suite."""

    def put(*found):
        monkeypatch.setattr(toys.Colours, "ablations", classmethod(lambda cls, config, num_keypoints: found))

    monkeypatch.setitem(SUITES, "ablation", Suite(name="ablation", tasks=("toy",), kind="ablation"))
    put(MOVED, SLOWER)
    return put


def plan(*assignments, tasks=("toy",), methods=("toy_colours",), suites=("ablation",), **options):
    chosen = [TASKS[task] for task in tasks]
    return make_plan(Request(methods, chosen, "paper", assignments=assignments, suites=suites, **options))


def by_label(*arguments, **options):
    cells = plan(*arguments, **options).cells
    return {cell.label: cell for cell in cells}


@pytest.mark.usefixtures("ablations")
def test_the_method_as_it_is_is_the_cell_of_the_task_itself_and_a_variant_is_another():
    (plain,) = plan(suites=(), floors=False).cells
    found = by_label(floors=False)
    assert list(found) == ["Toy colours", "Toy colours, moved", "Toy colours, with seven steps"]
    assert found["Toy colours"] == plain
    assert found["Toy colours"].id == plain.id
    assert len({cell.id for cell in found.values()}) == 3
    assert found["Toy colours, moved"].config["shift"] == 0.1
    assert found["Toy colours, moved"].variant == Variant(name="moved", full={"shift": 0.0})


@pytest.mark.usefixtures("ablations")
def test_a_variant_is_no_row_of_set_though_it_learns_the_same():
    (other,) = plan("toy_colours.shift=0.1", suites=(), floors=False).cells
    moved = by_label(floors=False)["Toy colours, moved"]
    assert other.config == moved.config
    assert other.id != moved.id
    assert other.fit_id == moved.fit_id


@pytest.mark.usefixtures("ablations")
def test_settings_of_the_user_hold_in_every_variant():
    found = by_label("toy_colours.steps=9", floors=False)
    assert list(found) == [f"Toy colours (steps=9){end}" for end in ("", ", moved", ", with seven steps")]
    assert [cell.config["steps"] for cell in found.values()] == [9, 9, 7]
    assert found["Toy colours (steps=9), with seven steps"].variant.full == {"steps": 9}


@pytest.mark.usefixtures("ablations")
def test_floors_are_run_once_and_other_tasks_without_variants():
    cells = plan(tasks=("toy", "toy_transfer"), seeds=2).cells
    counts: dict[tuple[str, str], int] = {}
    for cell in cells:
        counts[cell.method, cell.task.id] = counts.get((cell.method, cell.task.id), 0) + 1
    assert counts == {
        **{(floor, task): 2 for floor in ("centre", "grid", "random_points") for task in ("toy", "toy_transfer")},
        ("toy_colours", "toy"): 6,
        ("toy_colours", "toy_transfer"): 2,
    }
    assert len({cell.id for cell in cells}) == len(cells)


@pytest.mark.usefixtures("ablations")
def test_what_is_learned_without_a_setting_of_predict_serves_any_of_it(toys, monkeypatch):
    monkeypatch.setattr(toys.ColoursConfig, "of_predict", frozenset({"shift"}))
    full, moved, slower = by_label(floors=False).values()
    assert full.fit_id == moved.fit_id != slower.fit_id
    assert full.id != moved.id


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([Ablation("moved", {"shfit": 1})], "toy_colours has no setting 'shfit'; did you mean 'shift'?"),
        ([Ablation("still", {"shift": 0.0})], "toy_colours: ablation 'still' is the same as the full method"),
        (
            [MOVED, Ablation("again", {"shift": 0.1})],
            "toy_colours: ablation 'again' is the same as 'moved'; change one",
        ),
        ([], "toy_colours: no ablations to run on toy; choose a method that has ablations"),
    ],
)
def test_a_bad_variant_is_one_line(ablations, found, message):
    ablations(*found)
    with pytest.raises(UserError, match=f"^{re.escape(message)}"):
        plan()


def test_a_floor_alone_has_nothing_to_ablate():
    with pytest.raises(UserError, match="^grid, random_tokens: no ablations to run on cub_all"):
        make_plan(Request(["grid", "random_tokens"], [TASKS["cub_all"]], "mini", suites=["ablation"]))


@pytest.fixture
def run(ablations, toys, tmp_path, monkeypatch, capsys):
    """Run the command line in this process; gives what it printed."""
    (tmp_path / "data").mkdir()

    def call(*arguments):
        toys.CALLS.clear()
        command = ["run", "--data-root", str(tmp_path / "data"), "--output", str(tmp_path / "runs"), "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", ["benchmarks", *command, "--no-mlflow", "--method", "toy_colours", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        return capsys.readouterr().out

    call.output = tmp_path / "runs"  # type: ignore[attr-defined]
    return call


def test_a_run_shows_its_ablations_and_keeps_them_out_of_other_tables(run, toys):
    run("--suite", "toys", "--suite", "ablation", "--seeds", "2")
    fits = [call for call in toys.CALLS if call.startswith("fit ")]
    assert len(fits) == 6  # two seeds of the method and of each variant; toy_transfer takes up those of toy
    boards = run.output / "leaderboard"
    assert {path.name for path in boards.iterdir()} == {"ablation.paper.md", "toys.paper.md"}
    ablation, others = (boards / "ablation.paper.md").read_text(), (boards / "toys.paper.md").read_text()
    assert "Toy colours, moved" in ablation and "Seven is more than five" in ablation
    assert "Toy colours" in others and "moved" not in others and "change |" not in others
    records = {(each.method_label, each.seed): each for each in load_records(run.output)}
    assert records["Toy colours, moved", 1].suites == ("ablation",)
    # Keypoints that are all moved alike are regressed about the centre without a bias, so moving them costs something.
    (line,) = [line for line in ablation.splitlines() if line.startswith("| Toy colours, moved")]
    value, change = [cell.strip().split()[0] for cell in line.split("|")[2:4]]
    assert float(value) > 1
    assert float(change) == pytest.approx(float(value), abs=0.011)


def test_what_is_finished_is_not_run_again_by_the_suite(run, toys):
    run("--task", "toy")
    out = run("--suite", "ablation")
    assert [call for call in toys.CALLS if call.startswith("fit ")] == ["fit seed 0 on 6 images"] * 2
    assert out.count("finished before") == 4
    assert re.search(r"toy · toy_colours, moved", out)
    run("--suite", "ablation")
    assert toys.CALLS == []


def test_one_fit_serves_variants_of_predict_and_each_has_its_own_predictions(run, toys, monkeypatch):
    monkeypatch.setattr(toys.ColoursConfig, "of_predict", frozenset({"shift"}))
    run("--suite", "ablation", "--no-floors")
    assert len([call for call in toys.CALLS if call.startswith("fit ")]) == 2
    values = {each.method_label: each.scores[0].value for each in load_records(run.output)}
    assert values["Toy colours"] == pytest.approx(values["Toy colours, with seven steps"], abs=1e-9)
    assert values["Toy colours, moved"] > values["Toy colours"] + 1


def test_without_ablations_the_suite_has_no_leaderboard(run):
    run("--task", "toy")
    assert not (run.output / "leaderboard" / "ablation.paper.md").exists()
    text = board_text(Board(["ablation"], [], None, "paper", run.output, "md"), run.output)
    assert "Nothing measured yet." in text


def test_a_dry_run_names_the_variants(run):
    assert re.search(
        r"run +toy_colours--toy--paper--s0--[0-9a-f]{8}  with seven steps\n",
        run("--suite", "toys", "--suite", "ablation", "--dry-run"),
    )


def test_the_terminal_has_ablations_in_lines_of_their_own():
    full = record("alpha", "cub_001", 7.0, method_config={"shift": 0})
    moved = record(
        "alpha",
        "cub_001",
        9.25,
        method_config={"shift": 1},
        method_label="Alpha, moved",
        variant=Variant(name="moved", full={"shift": 0}),
    )
    text = io.StringIO()
    print_table(Console(file=text, width=80), [full, moved], SUITES["wild"].tasks, "mini")
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert ["cub_001", "(%", "side)", "↓", "7.00", "±0.50"] in lines
    assert ["Alpha,", "moved", "cub_001", "(%", "side)", "↓", "9.25", "±0.50", "+2.25"] in lines
