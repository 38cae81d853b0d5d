"""A run that is killed at any change of a file ends with the same bytes when it is called again."""

import shutil

from tests.benchmarks.records.killing import Count, kept, kill_runs, leftovers, spread, toy_run


def test_killed_runs_end_equal_and_leave_nothing(tmp_path):
    count = Count()
    kill_runs("run", [toy_run(tmp_path, tmp_path / "runs")], tmp_path / "runs", 2, count)
    assert count == Count(killed=2)


def test_what_differs_or_is_left_is_found(tmp_path, run_toy):
    output = tmp_path / "runs"
    assert run_toy(tmp_path, "--no-floors").status == 0
    before = kept(output)
    assert not leftovers(output)
    (path,) = output.glob("cells/toy_colours--*/predictions_test.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    (output / "staging" / "x").mkdir()
    (path.parent / ".result.json.1.partial").write_text("")
    assert {name for name, value in kept(output).items() if before.get(name) != value} == {
        str(path.relative_to(output)),
        str((path.parent / ".result.json.1.partial").relative_to(output)),
    }
    assert [name.rpartition("/")[2] for name in leftovers(output)] == [".result.json.1.partial", "x"]
    shutil.rmtree(output / "cells")
    assert kept(output) != before


def test_kills_are_spread_over_all_changes():
    assert spread(101, 3) == [101, 51, 1]
    assert spread(2, 5) == [2, 1]
    assert spread(7, 1) == [1]
