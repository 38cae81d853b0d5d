"""Images that are loaded in the background, and the clock of waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from methods.base import ImageBatch
from methods.prefetch import loaded_ahead, seconds_waited, waiting


class Slow:
    """Three images. Each load takes 10 seconds of a clock of its own, and waits for what it needs itself."""

    ids = ("a", "b", "c")

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock
        self.loaded: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[ImageBatch]:
        raise NotImplementedError

    def load(self, indices) -> ImageBatch:
        (index,) = indices
        with waiting():
            self.clock[0] += 10
        if index == 2:
            raise ValueError("c is broken")
        self.loaded.append(index)
        return ImageBatch((self.ids[index],), np.zeros((1, 3, 2, 2), dtype=np.float32))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("methods.prefetch.time.perf_counter", lambda: now[0])
    return now


def test_the_time_of_a_block_counts_even_if_it_fails(clock: list[float]):
    before = seconds_waited()
    with waiting():
        clock[0] += 3
    clock[0] += 100
    with suppress(ValueError), waiting():
        clock[0] += 4
        raise ValueError
    assert seconds_waited() - before == 7


def test_each_thread_has_a_clock_of_its_own(clock: list[float]):
    def wait_elsewhere() -> None:
        with waiting():
            clock[0] += 5
        found.append(seconds_waited())

    found: list[float] = []
    before = seconds_waited()
    thread = threading.Thread(target=wait_elsewhere)
    thread.start()
    thread.join()
    assert found == [5]
    assert seconds_waited() == before


def test_the_next_batch_is_loaded_meanwhile_and_its_error_comes_with_its_result(clock: list[float]):
    before, images = seconds_waited(), Slow(clock)
    batches = loaded_ahead(images, [[0], [1], [2]])
    assert next(batches).result().ids == ("a",)
    assert next(batches).result().ids == ("b",)
    last = next(batches)
    with pytest.raises(ValueError, match="c is broken"):
        last.result()
    assert list(batches) == []
    assert images.loaded == [0, 1]
    assert 0 <= seconds_waited() - before <= 30  # what the thread in the background counts does not add to it


def test_nothing_to_load(clock: list[float]):
    assert list(loaded_ahead(Slow(clock), [])) == []
