"""Requests over made-up images, for tests of adapters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.base import DatasetError
from datasets.reading.frames import read_frame
from methods.adapters.base import ImportRequest, OutputError, OutputFormat, Split, SplitTruth


def truth(split: Split, count: int, landmarks: int = 5, seed: int = 0) -> SplitTruth:
    """Images with landmarks drawn at random, all visible; an image's x spread is twice its y spread."""
    rng = np.random.default_rng([seed, len(split), count])
    points = 0.5 + rng.normal(0, 0.03, (count, 1, 2)) * (2, 1) + rng.uniform(-0.2, 0.2, (1, landmarks, 2))
    points += rng.normal(0, 0.01, (count, landmarks, 2))
    ids = tuple(f"{split}/{row:05d}.png" for row in range(count))
    return SplitTruth(ids, points, np.ones((count, landmarks), dtype=bool))


def no_images(split: Split, size: int) -> Any:
    raise AssertionError(f"images of {split} at {size} were asked for")


def request(
    *paths: Path,
    num_keypoints: int = 4,
    regress: int = 20,
    test: int = 12,
    landmarks: int = 5,
    splits: Mapping[Split, SplitTruth] | None = None,
    **more: Any,
) -> ImportRequest:
    """A request for these paths; ``more`` are fields of the request."""
    made = splits or {"regress": truth("regress", regress, landmarks), "test": truth("test", test, landmarks)}
    fields: dict[str, Any] = {"images": no_images, "read_frame": read_frame}
    return ImportRequest(paths=paths, num_keypoints=num_keypoints, splits=made, **(fields | more))


def refusal(adapter: OutputFormat, wanted: ImportRequest) -> str:
    """The message, on one line, of the error that the adapter raises."""
    with pytest.raises((OutputError, DatasetError)) as error:
        adapter.read(wanted)
    message = str(error.value)
    assert message.isprintable()
    return message
