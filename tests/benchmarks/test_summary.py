"""The table in the terminal."""

import io

import pytest
from rich.console import Console

from benchmarks.summary import print_table
from benchmarks.tasks import SUITES
from tests.leaderboard.synthetic import record

FLOORS = ("Image centre", "Mean pose (constant grid)", "Random points")


@pytest.mark.parametrize("settings", ["", " (model=mini)", " (upsample_queries=False)"])
def test_a_suite_with_all_floors_fits_80_columns_one_line_a_task(settings):
    labels = [*FLOORS, f"Random tokens{settings}", f"Stable Keypoints{settings}"]
    units = {"taichi": ("px@256 summed", 1134.5), "human36m_unaligned": ("px@128", 35.9)}
    records, expected = [], {}
    for task in SUITES["wild"]:
        unit, value = units.get(task, ("PCK@6px %", 22.0))
        values = [value + 0.01 * index for index in range(len(labels))]
        expected[task] = [f"{each:.2f}" for each in values]
        records += [
            record(f"m{index}", task, each, method_label=label, is_floor=index < 4, score={"unit": unit})
            for index, (label, each) in enumerate(zip(labels, values, strict=True))
        ]
    text = io.StringIO()
    print_table(Console(file=text, width=80), records, SUITES["wild"], "mini")
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for task, numbers in expected.items():
        (line,) = [line for line in lines if line.startswith(f"{task} (")]
        assert line.split()[-5:] == numbers


def test_a_task_that_failed_everywhere_has_its_line():
    text = io.StringIO()
    records = [record("alpha", "cub_001", 7.0), record("alpha", "cub_002", None)]
    print_table(Console(file=text, width=80), records, SUITES["wild"], "mini")
    assert [line.split() for line in text.getvalue().splitlines() if line.startswith("cub")] == [
        ["cub_001", "(%", "side)", "↓", "7.00"],
        ["cub_002", "failed"],
    ]
