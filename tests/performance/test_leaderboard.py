"""A leaderboard over many cells, read for the first time and again, for pytest-benchmark.

The test suite makes a hundred cells and compares the tables; no time is asserted. To measure 10,000 cells:
``KEYPOINTS_CELLS=10000 python -m pytest tests/performance/test_leaderboard.py --benchmark-enable``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.records import memory
from benchmarks.records.store import ERRORS, write_record, write_table
from benchmarks.tables.command import board_text
from benchmarks.tables.sections import Board
from benchmarks.tasks import SUITES
from leaderboard import files
from tests.leaderboard.synthetic import record, score_of

CELLS = int(os.environ.get("KEYPOINTS_CELLS", "100"))
PROTOCOLS = ("sk/side", "strict/side", "sk_released/side", "autolink/side")
IMAGES = 100


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Cells of ten methods on the tasks of a suite, as many seeds as it takes, with errors and their digests."""
    folder = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(0)
    tasks = SUITES["wild"].tasks
    flush, files._flush = files._flush, lambda path: None  # ten thousand waits for the disk
    for number in range(CELLS):
        method, task = number % 10, tasks[number // 10 % len(tasks)]
        errors = generator.gamma(4, 1 + method / 10, IMAGES)
        scores = tuple(score_of(float(errors.mean()), protocol=name) for name in PROTOCOLS)
        made = record(f"m{method}", task, 1.0, seed=number // 10 // len(tasks), scores=scores)
        cell = folder / "cells" / made.cell_id
        cell.mkdir(parents=True)
        ids = [str(image) for image in range(IMAGES)]
        columns = {
            "protocol": ["sk/side"] * IMAGES,
            "image_id": ids,
            "group": ids,
            "error": errors,
            "weight": [1.0] * IMAGES,
        }
        write_table(cell / ERRORS, columns)
        write_record(cell, made)
    files._flush = flush
    return folder


@pytest.mark.parametrize("reading", ["first", "again"])
def test_many_cells(benchmark, runs, reading, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "SETTLED_NS", 0)

    def table() -> str:
        return board_text(Board(["wild"], [], None, "mini", None, "md"), runs)

    def forget() -> None:
        for path in tmp_path.rglob("*.npz"):
            path.unlink()

    expected = table()
    rounds = {"rounds": 1, "iterations": 1}
    found = benchmark.pedantic(table, **rounds, **({"setup": forget} if reading == "first" else {}))
    assert found == expected and expected.count("±") > 50
