"""Image streams: order, values, laziness, threads and the bound on memory."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.run.images import DatasetImages, ImageCache
from datasets.base import DatasetError

SIDE = 32
BYTES = SIDE * SIDE * 3


@pytest.fixture
def squares(toys):
    return toys.squares(None)


def stream(dataset, ids, cache=None, batch_size=5, workers=None):
    return DatasetImages(dataset, ids, SIDE, cache or ImageCache(), batch_size, workers)


class Slow:
    """A dataset that counts how many decode at once, and what has been begun."""

    def __init__(self, dataset, pause=0.01):
        self.card = dataset.card
        self._dataset = dataset
        self._pause = pause
        self._lock = threading.Lock()
        self.begun, self.running, self.most = [], 0, 0

    def image(self, image_id, size):
        with self._lock:
            self.begun.append(image_id)
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self._pause)
        with self._lock:
            self.running -= 1
        return self._dataset.image(image_id, size)


def test_of_size_0_nothing_is_decoded(squares, toys):
    ids = squares.split("regress")
    images = DatasetImages(squares, ids, 0, ImageCache())
    assert [image_id for batch in images for image_id in batch.ids] == list(ids)
    assert images.load([3, 1]).ids == (ids[3], ids[1])
    assert toys.CALLS == []


@pytest.mark.parametrize("workers", [1, 3, None])
def test_batches_hold_the_images_in_order_scaled_to_one(squares, workers):
    ids = squares.split("regress")
    batches = list(stream(squares, ids, workers=workers))
    assert [len(batch.ids) for batch in batches] == [5, 5, 2]
    assert tuple(name for batch in batches for name in batch.ids) == ids
    pixels = np.concatenate([batch.pixels for batch in batches])
    assert pixels.dtype == np.float32
    for row, image_id in enumerate(ids):
        expected = squares.image(image_id, SIDE).astype(np.float32).transpose(2, 0, 1) / np.float32(255)
        np.testing.assert_array_equal(pixels[row], expected)


def test_a_stream_of_nothing_and_one_that_ends_with_a_whole_batch(squares):
    assert list(stream(squares, [])) == []
    assert [len(batch.ids) for batch in stream(squares, squares.split("regress"), batch_size=6)] == [6, 6]


def test_random_access_is_in_the_order_asked_for_and_decodes_each_image_once(toys, squares):
    images = stream(squares, squares.split("fit"))
    batch = images.load([4, 0, 4])
    assert batch.ids == ("fit/4", "fit/0", "fit/4")
    np.testing.assert_array_equal(batch.pixels[0], batch.pixels[2])
    assert sorted(toys.CALLS) == ["decode fit/0", "decode fit/4"]


def test_nothing_is_decoded_before_it_is_asked_for_nor_twice(toys, squares):
    images = stream(squares, squares.split("fit"))
    assert toys.CALLS == []
    first = [batch.pixels for batch in images]
    second = [batch.pixels for batch in images]
    assert len(toys.CALLS) == 6
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_a_change_to_a_batch_does_not_reach_the_cache(squares):
    images = stream(squares, squares.split("fit"))
    before = images.load([0]).pixels.copy()
    images.load([0]).pixels[:] = 7
    np.testing.assert_array_equal(images.load([0]).pixels, before)


def test_as_many_images_are_decoded_at_once_as_there_are_workers(squares):
    for workers in (1, 3):
        slow = Slow(squares)
        list(stream(slow, squares.split("regress"), workers=workers))
        assert slow.most == workers


def test_the_next_batch_is_decoded_while_the_method_works_and_no_other(squares):
    slow = Slow(squares, pause=0)
    batches = iter(stream(slow, squares.split("regress"), batch_size=3, workers=2))
    next(batches)
    deadline = time.monotonic() + 10
    while len(slow.begun) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert sorted(slow.begun) == sorted(squares.split("regress")[:6])


def test_leaving_an_iteration_early_leaves_nothing_running(squares):
    slow = Slow(squares, pause=0.05)
    for _ in stream(slow, squares.split("regress"), batch_size=6, workers=2):
        time.sleep(0.02)
        assert slow.running
        break
    assert slow.running == 0
    begun = len(slow.begun)
    time.sleep(0.15)
    assert len(slow.begun) == begun < 12


def test_a_broken_image_is_the_error_it_was_when_its_batch_is_asked_for(toys):
    broken = toys.truncated(None)
    batches = iter(stream(broken, broken.split("test"), batch_size=3))
    assert next(batches).ids == ("test/0", "test/1", "test/2")
    with pytest.raises(DatasetError, match="cannot read image test/3: truncated"):
        next(batches)
    with pytest.raises(DatasetError, match="test/3"):
        stream(broken, broken.split("test")).load([5, 3, 1])
    assert stream(broken, broken.split("test")).load([5]).ids == ("test/5",)


def test_the_cache_stays_within_its_bytes_whoever_fills_it(squares):
    cache = ImageCache(max_bytes=3 * BYTES)
    images = stream(squares, squares.split("regress"), cache, workers=4)
    expected = np.concatenate([batch.pixels for batch in stream(squares, squares.split("regress"))])
    for _ in range(20):
        np.testing.assert_array_equal(np.concatenate([batch.pixels for batch in images]), expected)
        assert cache.bytes == 3 * BYTES
    tiny = ImageCache(max_bytes=BYTES - 1)
    stream(squares, squares.split("fit"), tiny).load([0, 1])
    assert tiny.bytes == 0


class Yielding(np.ndarray):
    """An image that lets other threads go first when its size is asked for."""

    @property
    def nbytes(self):
        time.sleep(0)
        return BYTES


def test_the_cache_counts_right_with_many_threads():
    cache = ImageCache(max_bytes=20 * BYTES)

    def fill(seed):
        for name in np.random.default_rng(seed).integers(0, 60, 100).tolist():
            cache.get(("toy", name, SIDE), lambda: Yielding((SIDE, SIDE, 3), np.uint8))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(8)))
    assert cache.bytes == 20 * BYTES
    assert sum(image.nbytes for image in cache._images.values()) == cache.bytes


def decoded(cache, names, cycles):
    """How many of the images, gone through ``cycles`` times in order, had to be decoded in the last cycle."""
    made = 0

    def decode():
        nonlocal made
        made += 1
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    for _ in range(cycles):
        made = 0
        for name in names:
            cache.get(("toy", name, SIDE), decode)
    return made


@pytest.mark.parametrize(("kept", "hits"), [(100, 100), (90, 85), (50, 40), (25, 15)])
def test_a_set_larger_than_the_cache_is_found_in_part_when_gone_through_in_order(kept, hits):
    cycles = [100 - decoded(ImageCache(kept * BYTES), range(100), 20 + extra) for extra in range(5)]
    assert np.mean(cycles) >= hits


def test_a_set_that_is_no_longer_used_makes_room():
    cache = ImageCache(50 * BYTES)
    decoded(cache, [f"before {index}" for index in range(50)], 2)
    assert decoded(cache, [f"now {index}" for index in range(40)], 60) <= 4
