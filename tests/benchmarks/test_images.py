"""Image streams: order, values, laziness and the bound on memory."""

import numpy as np
import pytest

from benchmarks.images import DatasetImages, ImageCache


@pytest.fixture
def squares(toys):
    return toys.squares(None)


def stream(dataset, ids, cache=None, batch_size=5):
    return DatasetImages(dataset, ids, 32, cache or ImageCache(), batch_size)


def test_batches_hold_the_images_in_order_scaled_to_one(squares):
    ids = squares.split("regress")
    batches = list(stream(squares, ids))
    assert [len(batch.ids) for batch in batches] == [5, 5, 2]
    assert tuple(name for batch in batches for name in batch.ids) == ids
    pixels = np.concatenate([batch.pixels for batch in batches])
    assert pixels.dtype == np.float32
    for row, image_id in enumerate(ids):
        expected = squares.image(image_id, 32).astype(float) / 255
        np.testing.assert_allclose(pixels[row].transpose(1, 2, 0), expected, atol=1e-7)


def test_random_access_is_in_the_order_asked_for(squares):
    images = stream(squares, squares.split("fit"))
    batch = images.load([4, 0, 4])
    assert batch.ids == ("fit/4", "fit/0", "fit/4")
    np.testing.assert_array_equal(batch.pixels[0], batch.pixels[2])


def test_nothing_is_decoded_before_it_is_asked_for_nor_twice(toys, squares):
    images = stream(squares, squares.split("fit"))
    assert toys.CALLS == []
    first = [batch.pixels for batch in images]
    second = [batch.pixels for batch in images]
    assert len(toys.CALLS) == 6
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_the_cache_stays_within_its_bytes(toys, squares):
    size = 32 * 32 * 3
    cache = ImageCache(max_bytes=2 * size)
    images = stream(squares, squares.split("fit"), cache)
    for index in (0, 1, 0, 2, 0, 1):  # 2 drops 1, which was used before 0
        images.load([index])
        assert cache.bytes <= 2 * size
    assert toys.CALLS == [f"decode fit/{index}" for index in (0, 1, 2, 1)]


def test_a_change_to_a_batch_does_not_reach_the_cache(squares):
    images = stream(squares, squares.split("fit"))
    before = images.load([0]).pixels.copy()
    images.load([0]).pixels[:] = 7
    np.testing.assert_array_equal(images.load([0]).pixels, before)
