"""Scoring of cached predictions: reads keypoints and landmarks, never runs a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.errors import UserError
from benchmarks.records.store import ERRORS, predictions_path, read_predictions, write_table
from benchmarks.registry import is_custom
from benchmarks.run.cells import CHOICES, NO_VALUE, REMARKS, Cell
from benchmarks.run.warped import original_id
from leaderboard.flags import ABSENT
from leaderboard.records import ResultRecord, ScoreRecord
from metrics.absent import absent
from metrics.direct.on_object import marked
from metrics.errors import MetricError
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import Annotation, KeypointDataset
    from metrics.scoring import Score


def is_current(cell: Cell, record: ResultRecord) -> bool:
    """Whether the record has the scores of all the cell's protocols in their current versions.

    A score may be lacking if its protocol had nothing to measure, or if it needs the model: older cells have no
    keypoints of warped images.
    """
    scored = {(found.protocol, found.protocol_version) for found in record.scores}
    wanted = {(name, PROTOCOLS[name].version) for name in cell.task.protocols}
    lacking = wanted - scored - set(record.provenance.get(NO_VALUE, {}).items())
    return scored <= wanted and all("model" in PROTOCOLS[name].needs for name, _ in lacking)


def score_cell(cell: Cell, folder: Path, dataset: KeypointDataset) -> list[Score]:
    """Score the predictions in ``folder`` under every protocol of the task, and write the errors per image.

    Errors of the dataset and of the metrics pass through, such as MetricError for a score that is not finite, and for a
    protocol whose needs the dataset's card does not meet. Raises MetricError too if the headline has no value.
    """
    scores, test = scores_of(folder, dataset, cell.task.protocols)
    headline = cell.task.protocols[0]
    if "model" not in PROTOCOLS[headline].needs and scores[0].protocol != headline:
        raise MetricError(f"{headline}, the headline of {cell.task.id}, has nothing to measure in the test images")
    write_errors(folder, scores, test)
    return scores


def scores_of(folder: Path, dataset: KeypointDataset, protocols: Sequence[str]) -> tuple[list[Score], Points]:
    """The scores of the predictions in ``folder`` under some protocols, and the test images; nothing is written.

    A protocol that needs keypoints of warped images is left out where there are none. Raises as ``score_cell`` does,
    and OSError for predictions that cannot be read.
    """
    chosen = [PROTOCOLS[name] for name in protocols]
    needs = {need for protocol in chosen for need in protocol.needs}
    regresses = any(protocol.regresses for protocol in chosen)
    fit = _points(dataset, *read_predictions(folder, "regress")) if regresses else None
    test = _points(dataset, *read_predictions(folder, "test"))
    if "masks" in needs:
        test = replace(test, on_object=on_object(dataset, test))
    if "model" in needs and predictions_path(folder, "warped").is_file():
        test = replace(test, warped=_warped(folder, test))
    scores = score_all(
        [protocol for protocol in chosen if "model" not in protocol.needs or test.warped is not None],
        fit,
        test,
        left_right_pairs=dataset.card.left_right_pairs,
        interocular=dataset.card.interocular,
    )
    return scores, test


def score_records(scores: Sequence[Score]) -> tuple[ScoreRecord, ...]:
    """The scores as records."""
    return tuple(ScoreRecord(**found.summary()) for found in scores)


def remarks(
    cell: Cell, dataset: KeypointDataset, scores: Sequence[Score], gaps: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Provenance entries: remarks, numbers of absent keypoints (``count_absent``), protocols without a value, choices.

    Remarks are those on custom data, on images left out, on absent keypoints and on protocols without a value. Often
    there is none of all these.
    """
    own = is_custom(cell.dataset)
    no_value = without_value([name for name in cell.task.protocols if "model" not in PROTOCOLS[name].needs], scores)
    found = [
        *(dataset.card.remarks if own else ()),
        *left_out_notes(scores),
        *absent_notes(gaps),
        *no_value_notes(no_value),
    ]
    plain = {name: str(value) for name, value in asdict(dataset.choices).items() if value is not None}
    counts = {split: list(numbers) for split, numbers in gaps.items()}
    return (
        ({REMARKS: found} if found or own else {})
        | ({ABSENT: counts} if counts else {})
        | ({NO_VALUE: {name: PROTOCOLS[name].version for name in no_value}} if no_value else {})
        | ({CHOICES: plain} if plain else {})
    )


def count_absent(folder: Path, splits: Iterable[str]) -> dict[str, tuple[int, int]]:
    """The numbers of absent and of all keypoints in the predictions of each split; {} if none is absent."""
    return absent_counts({split: absent(read_predictions(folder, split)[1]) for split in splits})


def absent_counts(masks: Mapping[str, NDArray[np.bool_]]) -> dict[str, tuple[int, int]]:
    """The numbers of ``count_absent`` for the masks (N, K) of absent keypoints of each split."""
    counts = {split: (int(mask.sum()), mask.size) for split, mask in masks.items()}
    return counts if any(count for count, _ in counts.values()) else {}


def absent_notes(counts: Mapping[str, Sequence[int]]) -> list[str]:
    """A note on the absent keypoints of a method, by the numbers of ``count_absent``; none without any."""
    if not counts:
        return []
    parts = ", ".join(f"{count:,} of {total:,} in split '{split}'" for split, (count, total) in counts.items())
    return [
        f"keypoints that were not found: {parts}; they count by the rule of each protocol, for papers without one by "
        "the rule 'origin' (see describe PROTOCOL)"
    ]


def without_value(protocols: Iterable[str], scores: Sequence[Score]) -> list[str]:
    """Those of the protocols that have no score, because no test image has anything that they measure."""
    scored = {each.protocol for each in scores}
    return [name for name in protocols if name not in scored]


def no_value_notes(protocols: Sequence[str]) -> list[str]:
    """A note on the protocols of ``without_value``; none without any."""
    return [f"no value of {', '.join(protocols)}: the test images have nothing to measure"] if protocols else []


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


def on_object(dataset: KeypointDataset, test: Points) -> NDArray[np.bool_]:
    """Which keypoints (N, K) of the test images lie on the object's mask. Raises DatasetError without a mask."""
    pairs = zip(test.ids, test.keypoints, strict=True)
    return np.stack([marked(dataset.mask(image_id), keypoints) for image_id, keypoints in pairs])


def _warped(folder: Path, test: Points) -> NDArray[np.float64]:
    """The keypoints (N, K, 2) of the warped copies of the test images, NaN for an image without one."""
    rows = {image_id: row for row, image_id in enumerate(test.ids)}
    ids, keypoints = read_predictions(folder, "warped")
    found = np.full(test.keypoints.shape, np.nan)
    found[[rows[original_id(name)] for name in ids]] = keypoints
    return found


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
    none = np.empty(0)
    columns = {
        "protocol": [found.protocol for found in scores for _ in test.ids],
        "image_id": [image_id for _ in scores for image_id in test.ids],
        "group": [group for _ in scores for group in test.groups],
        "error": np.concatenate([none, *(found.per_image for found in scores)]),
        "weight": np.concatenate([none, *(found.weights for found in scores)]),
    }
    write_table(folder / ERRORS, columns)
