"""Warped copies of test images: their pixels, their ids, and how a run predicts, keeps and scores them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.registry import opener
from benchmarks.run.images import ImageCache, WarpedImages
from benchmarks.run.plan import Request, make_plan
from benchmarks.run.scoring import is_current, score_records, scores_of
from benchmarks.run.units.unit import different_splits, predict_units, splits_of
from benchmarks.run.warped import MOST, original_id, warp_image, warped_ids
from benchmarks.tasks import TASKS
from leaderboard.records import ResultRecord
from metrics.direct.warps import warp_of
from metrics.protocols import PROTOCOLS
from tests.leaderboard.synthetic import score_of

FREE = "label_free/equivariance"


def blob(centre, size):
    """A picture of a soft spot at a place (x, y) in image sides."""
    grid = (np.arange(size) + 0.5) / size
    distance = (grid[None, :] - centre[0]) ** 2 + (grid[:, None] - centre[1]) ** 2
    return np.repeat(np.rint(255 * np.exp(-distance / 2 / 0.04**2))[..., None], 3, axis=2).astype(np.uint8)


def middle_of(image):
    """The centre of mass (x, y) of a picture, in image sides."""
    mass = image[..., 0].astype(float)
    grid = (np.arange(len(mass)) + 0.5) / len(mass)
    return np.array([(mass.sum(axis=0) * grid).sum(), (mass.sum(axis=1) * grid).sum()]) / mass.sum()


@pytest.mark.parametrize("size", [64, 129])
@pytest.mark.parametrize("centre", [(0.5, 0.5), (0.35, 0.6), (0.62, 0.41)])
def test_what_is_drawn_at_a_point_is_seen_where_the_warp_moves_it(size, centre):
    for number in range(10):
        name = f"image {number}"
        seen = middle_of(warp_image(blob(centre, size), name))
        np.testing.assert_allclose(seen, warp_of(name).apply(np.array(centre)), atol=0.1 / size)


def test_what_comes_from_outside_repeats_the_edge():
    image = np.full((32, 32, 3), 90, np.uint8)
    assert (warp_image(image, "any") == 90).all()
    stripes = np.repeat(np.arange(32, dtype=np.uint8)[:, None], 32, axis=1)[..., None].repeat(3, axis=2)
    assert warp_image(stripes, "any").max() <= 31


def test_copies_are_a_choice_by_id_with_ids_of_their_own():
    few, many = [f"{number}.png" for number in range(30)], [f"{number}.png" for number in range(2000)]
    assert [original_id(name) for name in warped_ids(few)] == few
    assert not {*warped_ids(few)} & {*few}
    chosen = warped_ids(many)
    originals = [original_id(name) for name in chosen]
    assert len(chosen) == MOST and originals == sorted(originals, key=many.index)
    assert {*warped_ids(many[::-1])} == {*chosen}
    assert 0.3 < np.mean([int(original_id(name)[:-4]) < 1000 for name in chosen]) < 0.7


def test_a_stream_of_copies_reads_each_original_once(toys):
    dataset, cache = toys.squares(None), ImageCache()
    test = dataset.split("test")
    images = WarpedImages(dataset, warped_ids(test), 32, cache)
    (batch,) = images
    assert batch.ids == warped_ids(test)
    for pixels, image_id in zip(batch.pixels, test, strict=True):
        expected = warp_image(dataset.image(image_id, 32), image_id).transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(pixels, expected)
    assert cache.bytes == len(test) * 32 * 32 * 3


def cell_of(task="cub_001", method="grid", limit=None):
    (cell,) = make_plan(Request([method], [TASKS[task]], "mini", floors=False, limit=limit)).cells
    return cell


def test_warped_images_are_a_split_of_their_own():
    cell, datasets = cell_of(), opener(None)
    splits = splits_of(cell, datasets)
    assert list(splits) == ["regress", "test", "warped"] and different_splits(splits) == splits
    assert [original_id(name) for name in splits["warped"]] == list(splits["test"])
    units = [(unit.split, unit.first, unit.last) for unit in predict_units(cell, datasets, 40)]
    assert units[-3:] == [("warped", 0, 40), ("warped", 40, 80), ("warped", 80, 100)]
    assert len(splits_of(cell_of(limit=7), datasets)["warped"]) == 7


def test_a_record_without_the_score_is_current_and_one_with_another_version_is_not():
    cell = cell_of()
    scores = [
        score_of(1.0, protocol=name, protocol_version=PROTOCOLS[name].version, higher_is_better=False)
        for name in cell.task.protocols
    ]

    def current(chosen):
        return is_current(cell, cell.record(scores=tuple(chosen)))

    assert current(scores)
    assert current([each for each in scores if each.protocol != FREE])
    assert not current([each for each in scores if each.protocol != "label_free/collapsed"])
    old = {"protocol_version": 99}
    assert not current([each.model_copy(update=old) if each.protocol == FREE else each for each in scores])


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A finished cell of the image's centre on birds, its folder and its record."""
    from benchmarks.regress.cells import Bench

    record, folder = Bench(tmp_path_factory.mktemp("runs")).run("centre", "cub_001", limit=9)
    return record, folder


def test_a_constant_method_has_the_distance_of_the_shifts(ran):
    record, _ = ran
    (score,) = [found for found in record.scores if found.protocol == FREE]
    ids = opener(None)("mini_cub_001").split("test")[:9]
    shifts = [100 * np.hypot(*warp_of(name).shift) for name in ids]
    assert score.value == pytest.approx(np.mean(shifts), rel=1e-12)


def test_on_object_is_the_share_of_images_whose_middle_shows_the_bird(ran):
    record, _ = ran
    (score,) = [found for found in record.scores if found.protocol == "label_free/on_object"]
    dataset = opener(None)("mini_cub_001")
    masks = [dataset.mask(name) for name in dataset.split("test")[:9]]
    assert score.value == pytest.approx(100 * np.mean([mask[len(mask) // 2, len(mask) // 2] for mask in masks]))


def test_without_keypoints_of_copies_all_other_protocols_are_scored_again(ran, tmp_path):
    record, folder = ran
    for name in ("predictions_regress.parquet", "predictions_test.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    names = [score.protocol for score in record.scores]
    again = score_records(scores_of(tmp_path, opener(None)("mini_cub_001"), names)[0])
    assert again == tuple(score for score in record.scores if score.protocol != FREE)


def test_files_of_copies_are_checked_like_the_others(ran):
    from benchmarks.records.checks import record_fault

    record, folder = ran
    path = folder / "predictions_warped.parquet"
    digests = ResultRecord.model_validate_json((folder / "result.json").read_bytes()).digests
    assert digests and path.name in digests.files
    kept = path.read_bytes()
    path.write_bytes(kept[:-1])
    try:
        fault = record_fault(folder.parent.parent, record.cell_id)
        assert fault and fault.text == "predictions_warped.parquet has changed since it was recorded"
    finally:
        path.write_bytes(kept)
