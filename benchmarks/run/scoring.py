"""Scoring of cached predictions: reads keypoints and landmarks, never runs a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import ERRORS, read_predictions, write_table
from benchmarks.registry import is_custom
from benchmarks.run.cells import CHOICES, REMARKS, Cell
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
    scores, test = scores_of(folder, dataset, cell.task.protocols)
    write_errors(folder, scores, test)
    return scores


def scores_of(folder: Path, dataset: KeypointDataset, protocols: Sequence[str]) -> tuple[list[Score], Points]:
    """The scores of the predictions in ``folder`` under some protocols, and the test images; nothing is written.

    Raises as ``score_cell`` does, and OSError for predictions that cannot be read.
    """
    fit = _points(dataset, *read_predictions(folder, "regress"))
    test = _points(dataset, *read_predictions(folder, "test"))
    scores = score_all(
        [PROTOCOLS[name] for name in protocols],
        fit,
        test,
        left_right_pairs=dataset.card.left_right_pairs,
        interocular=dataset.card.interocular,
    )
    return scores, test


def score_records(scores: Sequence[Score]) -> tuple[ScoreRecord, ...]:
    """The scores as records."""
    return tuple(ScoreRecord(**found.summary()) for found in scores)


def remarks(cell: Cell, dataset: KeypointDataset, scores: Sequence[Score]) -> dict[str, Any]:
    """Provenance entries: the remarks on custom data and on images left out, and the user's choices; often none."""
    own = is_custom(cell.dataset)
    found = [*(dataset.card.remarks if own else ()), *left_out_notes(scores)]
    plain = {name: str(value) for name, value in asdict(dataset.choices).items() if value is not None}
    return ({REMARKS: found} if found or own else {}) | ({CHOICES: plain} if plain else {})


def left_out_notes(scores: Sequence[Score]) -> list[str]:
    """A note for each protocol that leaves out test images, with the number of images and the first one."""
    return [
        f"{found.protocol} leaves out {len(found.left_out):,} of {found.n_test:,} test images, first "
        f"'{found.left_out[0]}': an eye is not visible, so nothing scales the error"
        for found in scores
        if found.left_out
    ]


def _points(dataset: KeypointDataset, ids: Sequence[str], keypoints: NDArray[np.float64]) -> Points:
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
    """Write the error of every test image under every protocol, and its weight in the value.

    A protocol that measures all images together has no errors of images, and is left out.
    """
    scores = [found for found in scores if found.weights.any()]
    columns = {
        "protocol": [found.protocol for found in scores for _ in test.ids],
        "image_id": [image_id for _ in scores for image_id in test.ids],
        "group": [group for _ in scores for group in test.groups],
        "error": np.concatenate([found.per_image for found in scores]),
        "weight": np.concatenate([found.weights for found in scores]),
    }
    write_table(folder / ERRORS, columns)
