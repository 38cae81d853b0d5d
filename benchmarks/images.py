"""The images of a split as a method gets them: decoded when asked for, kept while memory lasts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from methods.base import ImageBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datasets.base import KeypointDataset

CACHE_BYTES = 1 << 30


class ImageCache:
    """Decoded images, (size, size, 3) uint8, the least recently used dropped beyond ``max_bytes``."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._images: OrderedDict[tuple[str, str, int], NDArray[np.uint8]] = OrderedDict()

    def get(self, key: tuple[str, str, int], decode: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """The image of a key, decoded the first time."""
        if key in self._images:
            self._images.move_to_end(key)
            return self._images[key]
        image = decode()
        self._images[key] = image
        self.bytes += image.nbytes
        while self.bytes > self.max_bytes:
            _, dropped = self._images.popitem(last=False)
            self.bytes -= dropped.nbytes
        return image


class DatasetImages:
    """An ImageStream over some images of a dataset, square, in the order of ``ids``."""

    def __init__(
        self, dataset: KeypointDataset, ids: Sequence[str], size: int, cache: ImageCache, batch_size: int = 16
    ) -> None:
        self._dataset = dataset
        self._ids = tuple(ids)
        self._size = size
        self._cache = cache
        self._batch_size = batch_size

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all images, in order."""
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[ImageBatch]:
        for start in range(0, len(self), self._batch_size):
            yield self.load(range(start, min(start + self._batch_size, len(self))))

    def load(self, indices: Sequence[int]) -> ImageBatch:
        """The images at these positions, (B, 3, size, size) float32 in [0, 1]. Raises DatasetError for a broken one."""
        ids = tuple(self._ids[index] for index in indices)
        pixels = np.empty((len(ids), 3, self._size, self._size), dtype=np.float32)
        for row, image_id in enumerate(ids):
            pixels[row] = self._image(image_id).transpose(2, 0, 1)
        pixels /= 255
        return ImageBatch(ids, pixels)

    def _image(self, image_id: str) -> NDArray[np.uint8]:
        key = (self._dataset.card.id, image_id, self._size)
        return self._cache.get(key, lambda: self._dataset.image(image_id, self._size))
