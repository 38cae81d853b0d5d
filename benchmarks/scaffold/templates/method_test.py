"""Template where the right answer is known, and against random points."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import method_class
from benchmarks.run.command import run_command
from benchmarks.run.options import RunOptions
from leaderboard.load import load_records
from methods.base import ImageBatch


# Replace this by images on which you know what your method should find.
def test_a_coloured_square_is_found_at_its_centre() -> None:
    pixels = np.zeros((1, 3, 64, 64), np.float32)
    pixels[0, 0, 8:24, 40:56] = 1  # red: rows 8 to 23, columns 40 to 55
    pixels[0, 2, 32:48, 16:32] = 1  # blue: rows 32 to 47, columns 16 to 31
    batch = ImageBatch(("squares",), pixels)
    images: Any = [batch]  # fit only iterates over the batches
    method = method_class("template")()
    method.fit(images, num_keypoints=3, seed=0, report=lambda done, total, **scalars: None)
    keypoints = method.predict(batch)[0]
    for x, y in ((48 / 64, 16 / 64), (24 / 64, 40 / 64)):
        assert np.abs(keypoints - (x, y)).max(axis=1).min() < 1e-3


def test_it_knows_more_than_random_points(tmp_path: Path) -> None:
    options = RunOptions(
        methods=["template"],
        tasks=["cub_001"],
        profile="mini",
        output=tmp_path,
        mlflow=False,
    )
    assert run_command(options) == 0
    error = {record.method: record.scores[0].value for record in load_records(tmp_path)}
    assert error["template"] < error["random_points"]
