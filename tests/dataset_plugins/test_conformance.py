"""What every registered dataset must do, whoever wrote it. A dataset of another package is held to it too."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.registry import DATASETS, open_dataset
from datasets.base import SPLITS, DatasetError, KeypointDataset, Split

LABELLED: tuple[Split, ...] = ("regress", "test")
every_dataset = pytest.mark.parametrize("name", list(DATASETS.entries))


def data_root() -> Path | None:
    root = os.environ.get("KEYPOINTS_DATA_ROOT")
    return Path(root) if root else None


@cache
def some_ids(name: str) -> tuple[str, ...]:
    """A few ids of every split, or a skip with the dataset's own reason."""
    dataset = open_dataset(name, data_root())
    found, message = dataset.available()
    if not found:
        pytest.skip(message.split(";")[0])
    return tuple(dict.fromkeys(dataset.split(split)[index] for split in SPLITS for index in (0, 1, -1)))


def available(name: str) -> KeypointDataset:
    some_ids(name)
    return open_dataset(name, data_root())


def annotated(name: str) -> KeypointDataset:
    """The dataset, if at least its annotations are there: all that scoring takes."""
    dataset = open_dataset(name, data_root())
    found, message = dataset.annotated()
    if not found:
        pytest.skip(message.split(";")[0])
    return dataset


@every_dataset
def test_dataset_card_is_complete_and_consistent(name: str) -> None:
    card = open_dataset(name, None).card
    assert card.id == name
    for text in (card.title, card.licence, card.citation, card.how_to_get, card.preprocessing):
        assert text.strip()
    assert all(name.strip() for name in card.landmark_names)
    assert card.landmark_names
    paired = [index for pair in card.left_right_pairs for index in pair]
    assert len(set(paired)) == len(paired), "a landmark is in two pairs, so swapping twice would not give it back"
    assert set(paired) <= set(range(len(card.landmark_names)))
    if card.interocular is not None:
        assert len(set(card.interocular)) == 2
        assert set(card.interocular) <= set(range(len(card.landmark_names)))
    assert set(card.counts) == set(SPLITS)
    assert min(card.counts.values()) > 0
    assert all(len(bytes.fromhex(digest)) == 32 for digest in card.digests.values())
    if not name.startswith("mini_"):
        assert card.tree.strip(), "what files are expected where"


@every_dataset
def test_dataset_reads_nothing_when_made_and_says_what_is_missing(name: str, tmp_path: Path) -> None:
    root = tmp_path / "nowhere"
    for found, message in (open_dataset(name, root).available(), open_dataset(name, root).annotated()):
        if found:
            continue
        assert str(root) in message
        assert "\n" not in message
        with pytest.raises(DatasetError):
            open_dataset(name, root).split("fit")


@every_dataset
def test_splits_have_their_counts_and_the_test_images_are_nowhere_else(name: str) -> None:
    dataset = annotated(name)
    splits = {split: dataset.split(split) for split in LABELLED}
    if dataset.available()[0]:
        splits["fit"] = dataset.split("fit")
    for split, ids in splits.items():
        assert all(type(image_id) is str for image_id in ids)
        assert len(set(ids)) == len(ids) == dataset.card.counts[split]
        assert open_dataset(name, data_root()).split(split) == ids
    assert not set(splits["test"]) & {*splits.get("fit", ()), *splits["regress"]}


@every_dataset
def test_digest_is_stable_and_differs_between_fit_and_test(name: str) -> None:
    first, second = annotated(name), annotated(name)
    some = second.split("test")[0]
    second.annotation(some)
    digests = {split: first.digest(split) for split in LABELLED}
    assert digests == {split: second.digest(split) for split in reversed(LABELLED)}
    assert all(len(bytes.fromhex(digest)) == 32 for digest in digests.values())
    assert digests["regress"] != digests["test"]
    for split, digest in first.card.digests.items():
        assert digests.get(split, digest) == digest, "not the original files, or read in another way"


@every_dataset
def test_annotations_have_the_contract_shapes_and_ranges(name: str) -> None:
    dataset = annotated(name)
    count = len(dataset.card.landmark_names)
    for image_id in (dataset.split(split)[index] for split in LABELLED for index in (0, 1, -1)):
        annotation = dataset.annotation(image_id)
        assert (annotation.landmarks.shape, annotation.landmarks.dtype) == ((count, 2), np.float64)
        assert (annotation.visible.shape, annotation.visible.dtype) == ((count,), np.bool_)
        assert annotation.visible.any()
        assert dataset.card.has_visibility or annotation.visible.all()
        seen = annotation.landmarks[annotation.visible]
        assert ((seen >= -0.5) & (seen <= 1.5)).all(), "a landmark may leave the image, but not by half its side"
        assert annotation.group
        assert (annotation.box is not None) == dataset.card.has_boxes
        if annotation.box is not None:
            assert (annotation.box.shape, annotation.box.dtype) == ((4,), np.float64)
            assert (annotation.box[2:] > 0).all()
            assert dataset.object_box(image_id) is not None
        if box := dataset.object_box(image_id):
            x0, y0, x1, y1 = box
            assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1


@every_dataset
def test_samples_have_the_size_asked_for(name: str) -> None:
    dataset = available(name)
    for image_id in some_ids(name):
        sample = dataset.sample(image_id, 48)
        assert sample.id == image_id
        assert (sample.image.shape, sample.image.dtype) == ((48, 48, 3), np.uint8)
        assert sample.image.std() > 1, "an empty image"


@every_dataset
def test_samples_do_not_depend_on_the_order_of_access(name: str) -> None:
    first, second = available(name), available(name)
    samples = {image_id: first.sample(image_id, 32) for image_id in some_ids(name)}
    for image_id in reversed(some_ids(name)):
        again = second.sample(image_id, 32)
        assert again.image.tobytes() == samples[image_id].image.tobytes()
        assert again.annotation.landmarks.tobytes() == samples[image_id].annotation.landmarks.tobytes()
        assert again.annotation.visible.tobytes() == samples[image_id].annotation.visible.tobytes()
        assert again.annotation.group == samples[image_id].annotation.group


@every_dataset
def test_every_size_shows_the_same_picture(name: str) -> None:
    dataset = available(name)
    for image_id in some_ids(name):
        large = dataset.image(image_id, 128).astype(float).reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
        assert np.abs(large - dataset.image(image_id, 32)).mean() < 6


@every_dataset
def test_an_unknown_id_is_a_clear_error(name: str) -> None:
    dataset = annotated(name)
    with pytest.raises(DatasetError, match="no-such-image") as error:
        dataset.annotation("no-such-image")
    assert "\n" not in str(error.value)


@every_dataset
def test_a_mask_shows_some_of_the_object_and_some_of_the_rest(name: str) -> None:
    dataset = available(name)
    if not dataset.masked():
        with pytest.raises(DatasetError):
            dataset.mask(some_ids(name)[0])
        return
    assert dataset.card.has_masks
    for image_id in some_ids(name):
        mask = dataset.mask(image_id)
        assert mask.dtype == bool and mask.ndim == 2 and mask.any() and not mask.all()
        np.testing.assert_array_equal(mask, dataset.mask(image_id))
