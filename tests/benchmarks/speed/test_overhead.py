"""The overhead script measures every part of it, and leaves the methods as they were."""

import re

from typer.testing import CliRunner

from benchmarks.registry import method_class
from benchmarks.speed.overhead import app


def test_each_part_is_measured(own_cache):
    before = method_class("grid").predict
    arguments = ["--method", "grid", "--task", "cub_001", "--units", "9", "--plan-units", "20"]
    ran = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert ran.exit_code == 0
    lines = re.sub(r"\d+\.\d+", "X", ran.output).splitlines()
    assert lines == [
        "imports: X s",
        "mini job of grid on cub_001: X s, fit X s, predict X s; outside methods X %",
        "7 units of a baseline: X s, X ms a unit outside the method",
        "plan of 101 units: X s, X MB",
    ]
    assert method_class("grid").predict is before
