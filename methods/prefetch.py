"""Images loaded while others are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from methods.base import ImageBatch, ImageStream


def loaded_ahead(images: ImageStream, batches: Sequence[Sequence[int]]) -> Iterator[Future[ImageBatch]]:
    """The images at these positions, batch by batch; while one is worked on, the next is decoded."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        ahead = deque(pool.submit(images.load, batch) for batch in batches[:1])
        for following in [*batches[1:], None]:
            if following is not None:
                ahead.append(pool.submit(images.load, following))
            if ahead:
                yield ahead.popleft()
