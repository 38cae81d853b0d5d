"""Simulation of workers that take jobs from a list, with bounds that no schedule can beat."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """A piece of work for one worker, which begins when the jobs ``needs`` (smaller indices) have ended.

    ``seconds`` is its work. A worker that does not hold the ``model`` loads it in ``load`` seconds in place of the one
    it holds, and it opens a ``dataset`` once, in ``opening`` seconds; '' stands for none.
    """

    seconds: float
    needs: tuple[int, ...] = ()
    model: str = ""
    load: float = 0.0
    dataset: str = ""
    opening: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """When each job began and ended, in seconds from the start, and on which worker."""

    begins: tuple[float, ...]
    ends: tuple[float, ...]
    workers: tuple[int, ...]

    @property
    def makespan(self) -> float:
        """The seconds until the last job has ended."""
        return max(self.ends, default=0.0)

    @property
    def durations(self) -> tuple[float, ...]:
        """The seconds that each job took, those before its work included."""
        return tuple(end - begin for begin, end in zip(self.begins, self.ends, strict=True))


@dataclass(frozen=True)
class _State:
    """What a worker holds; ``fresh`` until its process has started."""

    fresh: bool = True
    model: str = ""
    datasets: frozenset[str] = frozenset()

    def preparation(self, job: Job, start: float) -> float:
        """The seconds before the work of a job begins."""
        seconds = start if self.fresh else 0.0
        seconds += job.load if job.model and job.model != self.model else 0.0
        return seconds + (job.opening if job.dataset and job.dataset not in self.datasets else 0.0)

    def after(self, job: Job) -> _State:
        """The state after a job."""
        return _State(False, job.model or self.model, self.datasets | {job.dataset})


class _Free:
    """The free workers, by what they hold."""

    def __init__(self, workers: int) -> None:
        self._numbers: dict[_State, list[int]] = {_State(): list(reversed(range(workers)))}

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def add(self, number: int, state: _State) -> None:
        self._numbers.setdefault(state, []).append(number)

    def take(self, job: Job, start: float) -> tuple[int, _State]:
        """Remove the worker that needs the least preparation for a job."""
        state = min(self._numbers, key=lambda each: each.preparation(job, start))
        number = self._numbers[state].pop()
        if not self._numbers[state]:
            del self._numbers[state]
        return number, state


def simulate(
    jobs: Sequence[Job], workers: int, order: Sequence[float], start: float = 0.0, start_each: bool = False
) -> Schedule:
    """Let each free worker take the ready job that is first in ``order`` (smaller is earlier), as long as there is one.

    Of several free workers, one that needs the least preparation takes it. The process of a worker starts in ``start``
    seconds: once, or with ``start_each`` for each job anew, so that it holds nothing from the job before.
    """
    following, missing = _following(jobs), [len(set(job.needs)) for job in jobs]
    ready = [(order[number], number) for number in range(len(jobs)) if not missing[number]]
    heapq.heapify(ready)
    free, now = _Free(workers), 0.0
    running: list[tuple[float, int, _State]] = []
    begins, ends, places = [0.0] * len(jobs), [0.0] * len(jobs), [0] * len(jobs)
    while ready or running:
        while ready and free:
            number = heapq.heappop(ready)[1]
            job = jobs[number]
            places[number], state = free.take(job, start)
            begins[number], ends[number] = now, now + state.preparation(job, start) + job.seconds
            heapq.heappush(running, (ends[number], number, _State() if start_each else state.after(job)))
        now = running[0][0]
        while running and running[0][0] == now:
            _, number, state = heapq.heappop(running)
            free.add(places[number], state)
            for later in following[number]:
                missing[later] -= 1
                if not missing[later]:
                    heapq.heappush(ready, (order[later], later))
    return Schedule(tuple(begins), tuple(ends), tuple(places))


def tails(jobs: Sequence[Job], durations: Sequence[float]) -> list[float]:
    """The seconds of the longest chain of jobs that begins with each job."""
    found, following = list(durations), _following(jobs)
    for number in reversed(range(len(jobs))):
        found[number] += max((found[later] for later in following[number]), default=0.0)
    return found


def longest_chain(jobs: Sequence[Job], durations: Sequence[float]) -> list[int]:
    """The jobs of the longest chain, in order."""
    left, following = tails(jobs, durations), _following(jobs)
    chain: list[int] = []
    among: Sequence[int] = [number for number, job in enumerate(jobs) if not job.needs]
    while among:
        chain.append(max(among, key=lambda number: left[number]))
        among = following[chain[-1]]
    return chain


def least_durations(jobs: Sequence[Job], start: float = 0.0, start_each: bool = False) -> list[float]:
    """The seconds that each job takes at least; with ``start_each`` no worker holds anything before."""
    if not start_each:
        return [job.seconds for job in jobs]
    return [_State().preparation(job, start) + job.seconds for job in jobs]


def lower_bound(jobs: Sequence[Job], workers: int, durations: Sequence[float]) -> float:
    """The seconds that no schedule can beat: all work spread evenly, or the longest chain, whichever is more."""
    return max(sum(durations) / workers, max(tails(jobs, durations), default=0.0))


def _following(jobs: Sequence[Job]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in jobs]
    for number, job in enumerate(jobs):
        for need in set(job.needs):
            found[need].append(number)
    return found
