"""Processor time of some work in units of a baseline's, measured in the same run.

Seconds say more of the machine than of the code, a ratio less: a slower processor, and work beside this one, slow
down both sides. So that they do so alike, the two take turns, one thread works, processor time is taken and not that
of the clock, and of several rounds the fastest counts, which the least disturbed.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

Work = Callable[[], object]

LEAST_SECONDS = 0.02  # of processor time in a round of either side, far more than the clock's steps
ROUNDS = 5
SLACK = 3.0


@dataclass(frozen=True)
class Guard:
    """Work that may take up to ``slack`` times what it ``usual``ly takes, in units of the baseline.

    ``slack`` is 3: other processors and versions of libraries move such ratios by up to a factor of 2, and a loss
    worth a failed build, a loop over images in Python or work done twice at every place, is a factor of 10.
    """

    work: Work
    baseline: Work
    usual: float
    slack: float = SLACK

    @property
    def bound(self) -> float:
        """The largest ratio that passes."""
        return self.usual * self.slack


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and PyTorch in one thread: threads that wait for others take processor time too."""
    import torch

    with ExitStack() as stack:
        try:
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(1))
        except ModuleNotFoundError:  # then both sides have as many as they are given
            pass
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        yield


def seconds_of(work: Work, times: int) -> float:
    """Processor time of one call, over ``times`` calls."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def ratio(guard: Guard, rounds: int = ROUNDS) -> float:
    """How many baselines the work takes."""
    sides = (guard.work, guard.baseline)
    with one_thread():
        first = [seconds_of(side, 1) for side in sides]  # the first call may import or fill a cache
        second = [seconds_of(side, 1) for side in sides]
        times = [max(1, round(LEAST_SECONDS / max(1e-6, min(pair)))) for pair in zip(first, second, strict=True)]
        fastest = [float("inf"), float("inf")]
        gc.collect()
        for _ in range(rounds):
            for index, side in enumerate(sides):
                fastest[index] = min(fastest[index], seconds_of(side, times[index]))
    return fastest[0] / fastest[1]


def check(guard: Guard, benchmark: Any = None, rounds: int = ROUNDS) -> float:
    """The ratio, which must be within the guard's bound; its seconds go to the benchmark's table."""
    found = ratio(guard, rounds)
    if benchmark is not None:
        benchmark.pedantic(guard.work, rounds=1)
        benchmark.extra_info.update(ratio=round(found, 2), usual=guard.usual, bound=guard.bound)
    assert found <= guard.bound, (
        f"took {found:.1f} baselines, usually {guard.usual:g}, expected at most {guard.bound:g}; "
        f"something got {found / guard.usual:.1f} times as slow"
    )
    return found


def slowed(function: Callable[..., Any], times: int = 10) -> Callable[..., Any]:
    """The same function doing its work ``times`` times."""

    def repeated(*arguments: Any, **options: Any) -> Any:
        for _ in range(times - 1):
            function(*arguments, **options)
        return function(*arguments, **options)

    return repeated
