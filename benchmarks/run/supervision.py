"""Landmarks in training: which methods see them, and how many keypoints a method returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.errors import UserError

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from benchmarks.run.cells import Cell


def stated_landmarks(supervision: str, given: bool | None) -> bool:
    """Whether another system saw landmarks in training: the option's value ``given``, by default no.

    Raises UserError if ``given`` is None and ``supervision`` is supervised, semi-supervised or few-shot.
    """
    words = supervision.strip().lower()
    if given is None and (words in ("supervised", "semi-supervised") or words.startswith("few-shot")):
        raise UserError(
            f"--supervision '{supervision}' does not say whether the method saw landmarks in training; add "
            "--saw-landmarks (a supervised row, never ranked) or --no-saw-landmarks"
        )
    return bool(given)


def learns_from_landmarks(cell: Cell) -> bool:
    """Whether the method of a cell runs here and is given landmarks in ``fit``."""
    return cell.saw_landmarks and cell.made_by is None


def keypoints_given(cell: Cell, datasets: Open) -> int:
    """The number of keypoints that a cell's method returns: the task's K, or L for a method that learns L landmarks.

    Raises UserError if a supervised method would learn from images without landmarks.
    """
    if not learns_from_landmarks(cell):
        return cell.task.num_keypoints
    count = len(datasets(cell.fit_dataset).card.landmark_names)
    if not count:
        raise UserError(
            f"{cell.method} learns from landmarks, and {cell.fit_dataset} has none; take a dataset with annotations, "
            "such as --dataset coco:FILE.json, or an unsupervised method"
        )
    return count
