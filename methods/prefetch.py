"""Load images in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from methods.base import ImageBatch, ImageStream


def loaded_ahead(images: ImageStream, batches: Sequence[Sequence[int]]) -> Iterator[Future[ImageBatch]]:
    """Batches of the images at these positions; the next batch is decoded while the caller works on one."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        ahead = deque(pool.submit(images.load, batch) for batch in batches[:1])
        for following in [*batches[1:], None]:
            if following is not None:
                ahead.append(pool.submit(images.load, following))
            if ahead:
                yield ahead.popleft()
