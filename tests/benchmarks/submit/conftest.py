"""The committed results are read once for all tests of submissions."""

from functools import cache

import pytest

from benchmarks.submit import command
from leaderboard.load import load_results

_results = cache(load_results)


@pytest.fixture(autouse=True)
def results_read_once(monkeypatch):
    monkeypatch.setattr(command, "load_results", _results)
