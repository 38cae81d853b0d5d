"""Masks of objects: the mini world's against its pictures, CUB's segmentations against their files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import cub, mini
from datasets.base import DatasetError, KeypointDataset
from tests.dataset_plugins.test_cub import CLASSES, HEIGHT, WIDTH, write_tree
from tests.dataset_plugins.test_mini_world import WORLDS, drawing


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_drawn_of_the_object_is_its_mask(world):
    """Visible landmarks inside the object lie on the mask, and the mask fills its box."""
    hits = []
    for seed in range(20):
        each = drawing(world, seed)
        mask = each.mask()
        rows, columns = np.nonzero(mask)
        x0, y0, x1, y1 = each.box * len(mask)
        assert columns.min() >= x0 - 1 and columns.max() <= x1 + 1 and rows.min() >= y0 - 1 and rows.max() <= y1 + 1
        if not each.leaf_outlines:
            corners = [columns.min() - x0, rows.min() - y0, columns.max() + 1 - x1, rows.max() + 1 - y1]
            assert np.abs(corners).max() <= 2
        places = np.floor(each.landmarks[each.visible] * len(mask)).astype(int)
        hits += mask[places[:, 1], places[:, 0]].tolist()
    assert np.mean(hits) > 0.9


def test_a_leaf_before_the_object_is_not_the_object():
    covered = 0
    for seed in range(40):
        each = drawing("birds", seed)
        side = len(each.mask())
        for outline in each.leaf_outlines[:1]:
            x, y = np.floor(outline.mean(axis=0) * side / 128).astype(int)
            if 0 <= x < side and 0 <= y < side:
                covered += 1
                assert not each.mask()[y, x]
    assert covered > 3


def test_beside_the_mask_a_picture_on_black_is_black():
    dataset = mini.HUMAN36M(None)
    ids = [image_id for image_id in dataset.split("test")[:8] if not dataset._drawing(image_id).leaf_outlines]
    assert len(ids) > 3
    for image_id in ids:
        image, mask = dataset.image(image_id, 128), dataset.mask(image_id)
        seen = mask.reshape(128, 3, 128, 3).any(axis=(1, 3))
        assert (image[~seen] == 0).all() and image[seen].mean() > 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path, CLASSES)


def segment(root: Path, folder: Path) -> np.ndarray:
    """Write a segmentation of every image: levels of five annotators, as in the official archive."""
    levels = np.random.default_rng(2).choice([0, 51, 102, 153, 204, 255], (HEIGHT, WIDTH)).astype(np.uint8)
    for photo in (root / "CUB_200_2011" / "images").rglob("*.png"):
        path = folder / "segmentations" / photo.parent.name / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(path)
    return levels


@pytest.mark.parametrize("place", [".", "CUB_200_2011"])
def test_a_segmentation_is_cropped_as_its_photo(root, place):
    dataset = cub.CUB_001(root)
    assert dataset.card.has_masks and not dataset.masked()
    levels = segment(root, root / place)
    assert dataset.masked()
    image_id = dataset.split("test")[0]
    (table, row), mask = dataset._locate(image_id), dataset.mask(image_id)
    assert table.crops is not None
    left, top, side, _, _ = table.crops[row]
    assert mask.shape == (side, side)
    for y in range(side):
        for x in range(side):
            inside = 0 <= y + top < HEIGHT and 0 <= x + left < WIDTH
            assert mask[y, x] == (inside and levels[y + top, x + left] in (153, 204, 255))


def test_a_segmentation_that_is_missing_or_of_another_size_is_one_line(root):
    dataset = cub.CUB_001(root)
    segment(root, root)
    image_id = dataset.split("test")[0]
    path = root / "segmentations" / image_id
    Image.new("L", (WIDTH + 1, HEIGHT)).save(path)
    with pytest.raises(DatasetError, match=f"got {WIDTH + 1} x {HEIGHT} pixels, expected those of the photo"):
        dataset.mask(image_id)
    path.unlink()
    with pytest.raises(DatasetError, match="put it back"):
        dataset.mask(image_id)
    with pytest.raises(DatasetError, match="no masks of its objects"):
        KeypointDataset.mask(dataset, image_id)
