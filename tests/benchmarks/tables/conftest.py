"""A run directory with two records."""

from __future__ import annotations

import pytest

from tests.leaderboard.synthetic import record, score_of


@pytest.fixture
def runs(tmp_path):
    both = record("alpha", "cub_001", 7.0)
    both = both.model_copy(update={"scores": (*both.scores, score_of(3.0, protocol="strict/side_micro"))})
    own = record("alpha", "coco_birds_0a1b2c_k4", 5.0, profile="paper")
    for each in (both, own):
        folder = tmp_path / "cells" / each.cell_id
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(each.model_dump_json())
    return tmp_path
