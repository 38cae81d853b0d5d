"""MLflow gets the digits that a protocol has."""

import pytest

from benchmarks.records.mlflow_runs import numbers
from tests.leaderboard.synthetic import record


@pytest.mark.parametrize(("protocol", "value"), [("sk/side", 12.3456), ("autolink_released/side", 12.3)])
def test_a_metric_has_the_digits_of_its_protocol(protocol, value):
    assert numbers(record("grid", "cub_001", 12.3456, score={"protocol": protocol}))[protocol] == value
