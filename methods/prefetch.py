"""Load images in the background, and count the seconds of waiting for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from methods.base import ImageBatch, ImageStream


class _Clock(threading.local):
    """The seconds of this thread, so that those of a thread that loads in the background do not count."""

    waited = 0.0


_clock = _Clock()


@contextmanager
def waiting() -> Iterator[None]:
    """Count the time of the block as waiting for images."""
    began = time.perf_counter()
    try:
        yield
    finally:
        _clock.waited += time.perf_counter() - began


def seconds_waited() -> float:
    """Seconds, in total, that the calling thread has waited for images; on a GPU, launched work goes on meanwhile."""
    return _clock.waited


def loaded_ahead(images: ImageStream, batches: Sequence[Sequence[int]]) -> Iterator[Future[ImageBatch]]:
    """Batches of the images at these positions, done or failed; the next is decoded while the caller works on one."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:
        ahead = deque(pool.submit(images.load, batch) for batch in batches[:1])
        for following in [*batches[1:], None]:
            if following is not None:
                ahead.append(pool.submit(images.load, following))
            if ahead:
                batch = ahead.popleft()
                with waiting():
                    wait([batch])
                yield batch
