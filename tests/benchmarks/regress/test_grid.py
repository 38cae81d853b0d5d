"""The real grid and the committed references: nothing is missing, and every tolerance is used."""

from benchmarks.regress import command
from benchmarks.regress.cells import opened
from benchmarks.regress.command import choose, the_grid
from benchmarks.regress.compare import Tolerance
from benchmarks.regress.references import References, read_json, read_log, read_references
from benchmarks.tasks import TASKS
from metrics.protocols import PROTOCOLS


def test_the_grid_has_every_protocol_every_task_and_the_methods():
    from benchmarks.run.plan import FLOORS

    with opened() as bench:
        grid = the_grid(bench)
    cells = set(grid)
    assert {f"protocols/{world}/{id}" for world in ("close", "moving", "still") for id in PROTOCOLS} <= cells
    drawn = [name for name, task in TASKS.items() if task.dataset_id("mini") != task.dataset]
    assert len(drawn) > 25
    assert {f"floors/{floor}/{task}" for floor in FLOORS for task in drawn} <= cells
    assert {f"fits/random_tokens/{task}" for task in drawn} <= cells
    for method in ("stable_keypoints", "autolink"):
        assert any(cell.startswith(f"fits/{method}/") for cell in cells)
        assert f"settings/{method}" in cells
    assert set(choose(grid, References(), ["fits"])) == {cell for cell in cells if cell.startswith("fits/")}


def test_the_committed_references_are_those_of_the_grid(repository):
    references = read_references(repository / "leaderboard" / "reference")
    with opened() as bench:
        assert references.cells.keys() == the_grid(bench).keys()
    assert references.by_hand == ()
    assert all(entry.reason for entry in read_log(repository / "leaderboard" / "reference"))


def test_every_committed_value_has_a_tolerance_and_every_tolerance_a_value(repository):
    tolerances = read_json(command.TOLERANCES, list[Tolerance])
    used = {}
    for cell, metrics in read_references(repository / "leaderboard" / "reference").cells.items():
        for metric in metrics:
            used[cell, metric] = next(rule for rule in tolerances if rule.holds_for(cell, metric))
    assert [rule for rule in tolerances if rule not in used.values()] == []
    single = {id for id, protocol in PROTOCOLS.items() if protocol.solver == "inverse_float32"}
    wide = {cell.split("/", 2)[2] for (cell, _), rule in used.items() if cell[:2] == "pr" and rule.relative == 1e-4}
    assert wide == single
    assert {metric for (cell, metric), rule in used.items() if cell[:2] == "fl" and rule.relative == 1e-4} <= single
    exact = {metric for (cell, metric), rule in used.items() if cell[:2] == "pr" and not rule.relative}
    assert exact == {"version", "rank", "rows"}
