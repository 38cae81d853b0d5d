"""The simulation of workers: known schedules, and the bounds that hold for every schedule of a list."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling.schedule import (
    Job,
    Schedule,
    least_durations,
    longest_chain,
    lower_bound,
    simulate,
    tails,
)


@st.composite
def graphs(draw: st.DrawFn, prepared: bool = False) -> list[Job]:
    """Jobs of whole seconds, each of which needs some of the earlier ones; ``prepared`` also gives them models."""
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        model = draw(st.sampled_from(["", "a", "b"])) if prepared else ""
        dataset = draw(st.sampled_from(["", "x", "y"])) if prepared else ""
        jobs.append(Job(draw(st.integers(1, 20)), tuple(needs), model, 3.0, dataset, 5.0))
    return jobs


def least_makespan(jobs: list[Job], workers: int) -> float:
    """The critical path by brute force over all chains, or the work spread evenly."""
    longest = 0.0
    waiting = [[number] for number in range(len(jobs))]
    while waiting:
        chain = waiting.pop()
        longest = max(longest, sum(jobs[number].seconds for number in chain))
        waiting += [[*chain, later] for later, job in enumerate(jobs) if chain[-1] in job.needs]
    return max(longest, sum(job.seconds for job in jobs) / workers)


def check(jobs: list[Job], workers: int, found: Schedule) -> None:
    """No worker does two jobs at once, and none begins before what it needs has ended."""
    assert set(found.workers) <= set(range(workers))
    for one, other in combinations(range(len(jobs)), 2):
        if found.workers[one] == found.workers[other]:
            assert found.ends[one] <= found.begins[other] or found.ends[other] <= found.begins[one]
    for number, job in enumerate(jobs):
        assert all(found.ends[need] <= found.begins[number] for need in job.needs)
        assert found.durations[number] >= job.seconds


@given(graphs(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_a_list_is_done_within_grahams_bound(jobs, workers, random):
    """Graham, 1969: in any order the makespan is at most 2 - 1/m times the least possible one."""
    order = [random.random() for _ in jobs]
    found = simulate(jobs, workers, order)
    check(jobs, workers, found)
    least = least_makespan(jobs, workers)
    assert lower_bound(jobs, workers, [job.seconds for job in jobs]) == pytest.approx(least)
    assert least - 1e-9 <= found.makespan <= (2 - 1 / workers) * least + 1e-9


@given(graphs(prepared=True), st.integers(1, 5), st.booleans())
def test_preparation_keeps_the_bounds(jobs, workers, start_each):
    """While a worker is idle a chain is at work, so the makespan is at most work / m + (1 - 1/m) * chain."""
    found = simulate(jobs, workers, list(range(len(jobs))), 7.0, start_each)
    check(jobs, workers, found)
    assert found.makespan >= lower_bound(jobs, workers, least_durations(jobs, 7.0, start_each)) - 1e-9
    whole, chain = sum(found.durations), max(tails(jobs, found.durations))
    assert found.makespan <= whole / workers + (1 - 1 / workers) * chain + 1e-9
    if start_each:
        parts = [
            7 + job.seconds + (3 if job.model else 0) + (5 if job.dataset else 0) for job in jobs
        ]  # each in a process of its own
        assert found.durations == pytest.approx(parts)


def test_one_worker_does_the_list_in_order():
    found = simulate([Job(3), Job(1), Job(2)], 1, [2, 0, 1])
    assert (found.begins, found.makespan) == ((3, 0, 1), 6)


def test_the_order_decides_between_a_good_and_a_bad_schedule():
    """Six short jobs and a long one on three workers: 6 s with the long one first, 9 s with it last."""
    jobs = [Job(2)] * 6 + [Job(5)]
    assert simulate(jobs, 3, [-tail for tail in tails(jobs, [job.seconds for job in jobs])]).makespan == 6
    assert simulate(jobs, 3, range(7)).makespan == 9


def test_a_worker_keeps_its_last_model_and_every_dataset():
    """The jobs take 10 (start) + 3 + 5 + 1, then 1, then 3 + 1 (another model), then 3 + 1 (the first one again)."""
    jobs = [Job(1, (), model, 3, "x", 5) for model in ("a", "a", "b", "a")]
    assert simulate(jobs, 1, range(4), 10).durations == (19, 1, 4, 4)
    assert simulate(jobs, 1, range(4), 10, start_each=True).durations == (19, 19, 19, 19)


def test_the_worker_that_holds_the_model_takes_the_job():
    jobs = [Job(1, (), "a", 9), Job(1, (), "b", 9), Job(1, (0, 1), "b", 9)]
    found = simulate(jobs, 2, range(3))
    assert found.workers[2] == found.workers[1]
    assert found.makespan == 11


def test_the_longest_chain_goes_from_a_job_without_needs_to_the_end():
    jobs = [Job(1), Job(4), Job(1, (0,)), Job(2, (1,)), Job(3, (2, 3))]
    assert longest_chain(jobs, [job.seconds for job in jobs]) == [1, 3, 4]


def test_no_jobs_take_no_time():
    assert simulate([], 4, []).makespan == 0
