"""Scores of cached predictions of a cell, from a dataset's annotations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.records.store import ERRORS, read_columns, write_predictions
from benchmarks.run.cells import Cell
from benchmarks.run.scoring import is_current, remarks, score_cell, score_records
from benchmarks.tasks import Task
from datasets.base import KeypointDataset
from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS

BOX = np.array([0.2, 0.1, 0.5, 0.8])


@pytest.fixture
def boxed(toys: ModuleType, monkeypatch: pytest.MonkeyPatch) -> KeypointDataset:
    """The toy squares, their pictures' objects all in one box."""
    found = toys.Squares("toy_squares", None)
    found.card = found.card.model_copy(update={"has_boxes": True, "left_right_pairs": ((0, 1),)})
    annotation = found.annotation
    monkeypatch.setattr(found, "annotation", lambda image_id: replace(annotation(image_id), box=BOX))
    return found


def cell(*protocols: str) -> Cell:
    task = Task(id="toy", dataset="toy_squares", num_keypoints=3, protocols=protocols)
    return Cell(
        method="toy",
        label="Toy",
        version="1",
        settings={},
        config={},
        identity={},
        is_floor=False,
        supervision="none",
        task=task,
        profile="paper",
        seed=0,
        digests={"fit": "f", "regress": "r", "test": "t"},
        limit=None,
    )


def predict(folder: Path, dataset: KeypointDataset, at: tuple[float, float] | None = None) -> None:
    """Cache keypoints: at random, or all at one place."""
    generator = np.random.default_rng(0)
    for split in ("regress", "test"):
        ids = dataset.split(split)
        keypoints = generator.uniform(size=(len(ids), 3, 2)) if at is None else np.tile(at, (len(ids), 3, 1))
        write_predictions(folder, split, ids, keypoints)


def test_every_protocol_of_the_task_is_scored_and_its_errors_kept(tmp_path: Path, boxed: KeypointDataset) -> None:
    predict(tmp_path, boxed)
    protocols = ("strict/side", "strict/box", "strict/human36m")
    scores = score_cell(cell(*protocols), tmp_path, boxed)
    assert tuple(found.protocol for found in scores) == protocols
    assert [record.value for record in score_records(scores)] == [found.value for found in scores]
    errors = read_columns(tmp_path / ERRORS)
    assert errors["protocol"] == [name for name in protocols for _ in range(8)]
    assert errors["image_id"][:8] == list(boxed.split("test"))
    assert errors["error"][8:16] == scores[1].per_image.tolist()


def test_boxes_come_from_the_annotations(tmp_path: Path, boxed: KeypointDataset) -> None:
    # Keypoints in the middle of every box predict just that: errors are landmarks in sides of the box from there.
    predict(tmp_path, boxed, at=(0.45, 0.5))
    (found,) = score_cell(cell("strict/box"), tmp_path, boxed)
    truth = np.array([boxed.annotation(image_id).landmarks for image_id in boxed.split("test")])
    expected = 100 * np.hypot((truth[..., 0] - 0.45) / 0.5, (truth[..., 1] - 0.5) / 0.8).mean()
    assert found.value == pytest.approx(expected, rel=1e-9)


def test_what_a_protocol_needs_and_the_dataset_lacks_is_named(tmp_path: Path, toys: ModuleType) -> None:
    dataset = toys.Squares("toy_squares", None)
    predict(tmp_path, dataset)
    for name, needed in (
        ("sk/interocular", "the two eye landmarks"),
        ("strict/box", "the boxes of the fit images"),
        ("sk/human36m", "left_right_pairs"),
    ):
        with pytest.raises(MetricError, match=f"{name} needs {needed}"):
            score_cell(cell(name), tmp_path, dataset)


def test_an_image_without_the_box_that_the_card_promises_is_named(
    tmp_path: Path, boxed: KeypointDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(tmp_path, boxed)
    annotation = boxed.annotation
    monkeypatch.setattr(boxed, "annotation", lambda image_id: replace(annotation(image_id), box=None))
    with pytest.raises(UserError, match="toy_squares: image regress/0 has no box"):
        score_cell(cell("strict/side"), tmp_path, boxed)


def test_a_record_is_current_while_its_protocols_are(
    tmp_path: Path, boxed: KeypointDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = cell("strict/side", "strict/box")
    predict(tmp_path, boxed)
    record = some.record(score_records(score_cell(some, tmp_path, boxed)))
    assert is_current(some, record)
    assert not is_current(cell("strict/side"), record)
    monkeypatch.setitem(PROTOCOLS, "strict/box", replace(PROTOCOLS["strict/box"], version=99))
    assert not is_current(some, record)


def test_a_protocol_with_nothing_to_measure_is_not_scored_again(
    tmp_path: Path, boxed: KeypointDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotation = boxed.annotation
    monkeypatch.setattr(
        boxed, "annotation", lambda image_id: replace(annotation(image_id), landmarks=np.full((4, 2), 0.5))
    )
    some = cell("strict/side", "sides/near")
    predict(tmp_path, boxed)
    scores = score_cell(some, tmp_path, boxed)
    assert [found.protocol for found in scores] == ["strict/side"]
    record = some.record(score_records(scores))
    assert not is_current(some, record)
    found = remarks(some, boxed, scores, {})
    assert found["remarks"] == ["no value of sides/near: the test images have nothing to measure"]
    record = record.model_copy(update={"provenance": found})
    assert is_current(some, record)
    monkeypatch.setitem(PROTOCOLS, "sides/near", replace(PROTOCOLS["sides/near"], version=99))
    assert not is_current(some, record)


def test_a_task_without_errors_of_images_has_an_empty_table_of_them(tmp_path: Path, boxed: KeypointDataset) -> None:
    predict(tmp_path, boxed)
    score_cell(cell("parts/nmi", "parts/ari"), tmp_path, boxed)
    assert read_columns(tmp_path / ERRORS)["error"] == []


def test_a_headline_without_a_value_fails_the_cell(tmp_path: Path, boxed: KeypointDataset, monkeypatch) -> None:
    annotation = boxed.annotation
    hidden = np.zeros(4, dtype=bool)
    monkeypatch.setattr(boxed, "annotation", lambda image_id: replace(annotation(image_id), visible=hidden))
    predict(tmp_path, boxed)
    with pytest.raises(MetricError, match="parts/nmi, the headline of toy, has nothing to measure in the test images"):
        score_cell(cell("parts/nmi", "label_free/closest_pair"), tmp_path, boxed)
