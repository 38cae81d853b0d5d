"""Image streams for methods: images are decoded in parallel on demand, and cached in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from random import Random
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.run.warped import original_id, warp_image
from methods.base import ImageBatch, LabelledBatch
from methods.prefetch import waiting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import KeypointDataset

    Key = tuple[str, str, int]

CACHE_BYTES = 1 << 30
MAX_WORKERS = 8
BATCH_SIZE = 16
ADMITTED = 1 / 8  # share of new images that a full cache admits


def available_cpus() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="decode")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not survive a fork


class ImageCache:
    """A cache of decoded images, (size, size, 3) uint8, up to ``max_bytes``; may be used from several threads.

    A full cache admits one new image in eight, and evicts random images for it. If a set of images is larger than the
    cache and read again and again, part of it then stays cached (evicting the least recently used image would leave
    none), and images that are no longer read are evicted in time.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._images: dict[Key, NDArray[np.uint8]] = {}
        self._keys: list[Key] = []
        self._random = Random(0)  # noqa: S311 - decides only which images are evicted
        self._lock = Lock()

    def get(self, key: Key, decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Get the image of a key; decode it if it is not in the cache."""
        image = self._images.get(key)
        if image is None:
            image = decode()
            with self._lock:
                self._keep(key, image)
        return image

    def _keep(self, key: Key, image: NDArray[np.uint8]) -> None:
        full = self.bytes + image.nbytes > self.max_bytes
        if key in self._images or image.nbytes > self.max_bytes or (full and self._random.random() >= ADMITTED):
            return
        while self.bytes + image.nbytes > self.max_bytes:
            chosen = self._random.randrange(len(self._keys))
            self._keys[chosen], self._keys[-1] = self._keys[-1], self._keys[chosen]
            self.bytes -= self._images.pop(self._keys.pop()).nbytes
        self._images[key] = image
        self._keys.append(key)
        self.bytes += image.nbytes


class DatasetImages:
    """An ImageStream over a dataset's images as squares of side ``size``, in the order of ``ids``; size 0 decodes none.

    ``workers`` threads decode (default: one for each processor, at most 8); the images do not depend on their number.
    While a method works on a batch, only the next one is decoded. ``given`` counts the images returned so far.
    """

    def __init__(
        self,
        dataset: KeypointDataset,
        ids: Sequence[str],
        size: int,
        cache: ImageCache,
        batch_size: int = BATCH_SIZE,
        workers: int | None = None,
    ) -> None:
        self._dataset = dataset
        self._ids = tuple(ids)
        self._size = size
        self._cache = cache
        self._batch_size = batch_size
        self._workers = workers or min(MAX_WORKERS, available_cpus())
        self.given = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all images, in order."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[ImageBatch]:
        following = self._begin(range(min(self._batch_size, len(self))))
        try:
            for start in range(self._batch_size, len(self) + self._batch_size, self._batch_size):
                batch = following.finished()
                self.given += len(batch.ids)
                following = self._begin(range(start, min(start + self._batch_size, len(self))))
                yield batch
        finally:
            following.abandon()

    def load(self, indices: Sequence[int]) -> ImageBatch:
        """Get the images at some positions, (B, 3, size, size) float32 in [0, 1]; DatasetError if one is broken."""
        batch = self._begin(indices).finished()
        self.given += len(batch.ids)
        return batch

    def _begin(self, indices: Sequence[int]) -> _Pending:
        ids = tuple(self._ids[index] for index in indices)
        pixels = np.empty((len(ids), 3, self._size, self._size), dtype=np.float32)
        rows: dict[str, list[int]] = {}
        for row, image_id in enumerate(ids if self._size else ()):
            rows.setdefault(image_id, []).append(row)
        pool = _pool(self._workers)
        return _Pending(
            self._batch(ids, pixels),
            [pool.submit(self._fill, image_id, [pixels[row] for row in where]) for image_id, where in rows.items()],
        )

    def _batch(self, ids: tuple[str, ...], pixels: NDArray[np.float32]) -> ImageBatch:
        return ImageBatch(ids, pixels)

    def _fill(self, image_id: str, targets: Sequence[NDArray[np.float32]]) -> None:
        image = self._image(image_id)
        for target in targets:
            target[...] = image.transpose(2, 0, 1)
            target /= 255

    def _image(self, image_id: str) -> NDArray[np.uint8]:
        key = (self._dataset.card.id, image_id, self._size)
        return self._cache.get(key, lambda: self._dataset.image(image_id, self._size))


class WarpedImages(DatasetImages):
    """Warped copies of a dataset's images, with the ids of ``benchmarks.run.warped``; originals alone are cached."""

    def _image(self, image_id: str) -> NDArray[np.uint8]:
        original = original_id(image_id)
        return warp_image(super()._image(original), original)


class LabelledImages(DatasetImages):
    """Images with landmarks and visibility, in batches of ``LabelledBatch``, for a method that learns from them."""

    def _batch(self, ids: tuple[str, ...], pixels: NDArray[np.float32]) -> LabelledBatch:
        annotations = [self._dataset.annotation(image_id) for image_id in ids]
        count = len(self._dataset.card.landmark_names)
        landmarks = np.array([annotation.landmarks for annotation in annotations], dtype=np.float64)
        visible = np.array([annotation.visible for annotation in annotations], dtype=bool)
        return LabelledBatch(ids, pixels, landmarks.reshape(-1, count, 2), visible.reshape(-1, count))


class _Pending:
    """A batch whose images are being decoded."""

    def __init__(self, batch: ImageBatch, decoding: list[Future[None]]) -> None:
        self._batch = batch
        self._decoding = decoding

    def finished(self) -> ImageBatch:
        """Wait for the batch; raises the error of its first broken image."""
        try:
            with waiting():
                for image in self._decoding:
                    image.result()
        finally:
            self.abandon()
        return self._batch

    def abandon(self) -> None:
        """Cancel images whose decoding has not begun, and wait for the others."""
        for image in self._decoding:
            image.cancel()
        wait(self._decoding)
