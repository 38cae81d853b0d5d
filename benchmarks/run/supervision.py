"""What a supervised method is given that no other is: the landmarks of its fit images, and their number for its K."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from methods.base import SUPERVISED

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from benchmarks.run.cells import Cell


def is_supervised(cell: Cell) -> bool:
    """Whether the method of a cell runs here and says of itself that it learns from landmarks."""
    return cell.supervision == SUPERVISED and cell.made_by is None


def keypoints_given(cell: Cell, datasets: Open) -> int:
    """How many keypoints the method of a cell gives: the task's K, or, supervised, the L landmarks it learns from.

    Raises UserError, one line, where a supervised method would learn from images without landmarks.
    """
    if not is_supervised(cell):
        return cell.task.num_keypoints
    count = len(datasets(cell.fit_dataset).card.landmark_names)
    if not count:
        raise UserError(
            f"{cell.method} learns from landmarks, and {cell.fit_dataset} has none; take a dataset with annotations, "
            "such as --dataset coco:FILE.json, or an unsupervised method"
        )
    return count
