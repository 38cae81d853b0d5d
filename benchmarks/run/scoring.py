"""Scoring of cached predictions: reads keypoints and landmarks, never runs a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import ERRORS, read_predictions, write_table
from benchmarks.registry import is_custom
from benchmarks.run.cells import REMARKS, Cell
from leaderboard.records import ResultRecord, ScoreRecord
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import Annotation, KeypointDataset
    from metrics.scoring import Score


def is_current(cell: Cell, record: ResultRecord) -> bool:
    """Whether the record has the scores of all the cell's protocols in their current versions."""
    scored = {(found.protocol, found.protocol_version) for found in record.scores}
    return scored == {(name, PROTOCOLS[name].version) for name in cell.task.protocols}


def score_cell(cell: Cell, folder: Path, dataset: KeypointDataset) -> list[Score]:
    """Score the predictions in ``folder`` under every protocol of the task, and write the errors per image.

    Errors of the dataset and of the metrics pass through, such as MetricError for a score that is not finite, and for a
    protocol whose needs the dataset's card does not meet.
    """
    fit = points_of(dataset, *read_predictions(folder, "regress"))
    test = points_of(dataset, *read_predictions(folder, "test"))
    scores = score_all(
        [PROTOCOLS[name] for name in cell.task.protocols],
        fit,
        test,
        left_right_pairs=dataset.card.left_right_pairs,
        interocular=dataset.card.interocular,
    )
    write_errors(folder, scores, test)
    return scores


def score_records(scores: Sequence[Score]) -> tuple[ScoreRecord, ...]:
    """The scores as records."""
    return tuple(ScoreRecord(**found.summary()) for found in scores)


def remarks(cell: Cell, dataset: KeypointDataset, scores: Sequence[Score]) -> dict[str, list[str]]:
    """The provenance entry with the remarks on custom data and on images left out; empty for data with neither."""
    own = is_custom(cell.dataset)
    found = [*(dataset.card.remarks if own else ()), *left_out_notes(scores)]
    return {REMARKS: found} if found or own else {}


def left_out_notes(scores: Sequence[Score]) -> list[str]:
    """A note for each protocol that leaves out test images, with the number of images and the first one."""
    return [
        f"{found.protocol} leaves out {len(found.left_out):,} of {found.n_test:,} test images, first "
        f"'{found.left_out[0]}': an eye is not visible, so nothing scales the error"
        for found in scores
        if found.left_out
    ]


def points_of(dataset: KeypointDataset, ids: Sequence[str], keypoints: NDArray[np.float64]) -> Points:
    annotations = [dataset.annotation(image_id) for image_id in ids]
    return Points(
        keypoints=keypoints,
        landmarks=np.stack([annotation.landmarks for annotation in annotations]),
        visible=np.stack([annotation.visible for annotation in annotations]),
        groups=[annotation.group for annotation in annotations],
        ids=list(ids),
        boxes=_boxes(dataset, ids, annotations) if dataset.card.has_boxes else None,
    )


def _boxes(dataset: KeypointDataset, ids: Sequence[str], annotations: Sequence[Annotation]) -> NDArray[np.float64]:
    for image_id, annotation in zip(ids, annotations, strict=True):
        if annotation.box is None:
            raise UserError(f"{dataset.card.id}: image {image_id} has no box, but the card says that all images do")
    return np.stack([annotation.box for annotation in annotations if annotation.box is not None])


def write_errors(folder: Path, scores: Sequence[Score], test: Points) -> None:
    """Write the error of every test image under every protocol."""
    columns = {
        "protocol": [found.protocol for found in scores for _ in test.ids],
        "image_id": [image_id for _ in scores for image_id in test.ids],
        "group": [group for _ in scores for group in test.groups],
        "error": np.concatenate([found.per_image for found in scores]),
    }
    write_table(folder / ERRORS, columns)
