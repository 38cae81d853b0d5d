"""A stand-in for CUDA graphs: it repeats the recorded work on the tensors that were there when it was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class Replays:
    """Records work by running it; a replay runs it again and writes the results to where the first ones were.

    As with a CUDA graph, only the tensors that the work read at the time of the recording matter, and the results of
    every graph lie in the same place each time. ``recorded`` and ``replayed`` count.
    """

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        results = work()
        self.recorded += 1

        def repeat() -> None:
            self.replayed += 1
            for place, new in zip(_tensors(results), _tensors(work()), strict=True):
                place.copy_(new)

        for place in _tensors(results):
            place.fill_(-1)  # a recording computes nothing
        return repeat, results


def _tensors(results: Any) -> tuple[Tensor, ...]:
    return (results,) if isinstance(results, Tensor) else results
