"""Where the time of a fit step and of a prediction goes: milliseconds by kind of work, and idle time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.profiler import ProfilerActivity

from benchmarks.speed.compare import Bench
from benchmarks.speed.measure import seconds
from benchmarks.speed.studies.kinds import Event, largest, usage

REPEATS = 3  # calls whose wall-clock time is measured, without the profiler


def profiles(bench: Bench) -> dict[str, Any]:
    """The profiles of a step with new images and of a prediction of this implementation, after its warm-up."""
    works: dict[str, Callable[[], object]] = {"fit": bench.ours.fit}
    if bench.options.predict:
        works["predict"] = bench.ours.predict
    tasks = {}
    for task, work in works.items():
        for _ in range(bench.options.warm_up):
            work()
        tasks[task] = profile(work, bench.options.device)
        bench.say(f"profile of {task}: {tasks[task]['milliseconds']:.3g} ms")
    return {**bench.facts(), "tasks": tasks, "floor": bench.floor()}


def profile(work: Callable[[], object], device: str) -> dict[str, Any]:
    """Milliseconds and calls by kind of one call of ``work``, and its idle time.

    Idle is the wall-clock time, median of some calls without the profiler, less the time in which at least one kernel
    ran. On a CPU operators stand in place of kernels, each without the operators that it calls.
    """
    on_gpu = device.startswith("cuda")
    wall = 1e3 * statistics.median(seconds(work, device)[0] for _ in range(REPEATS if on_gpu else 1))
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as profiler:
        seconds(work, device)
    events = device_events(profiler.events() or [], on_gpu)
    used = usage(events)
    return {
        "milliseconds": wall,
        "busy_milliseconds": used.busy / 1e3,
        "idle_milliseconds": max(0.0, wall - used.busy / 1e3),
        "milliseconds_by_kind": {kind: each / 1e3 for kind, each in used.microseconds.items()},
        "calls_by_kind": used.calls,
        "largest": largest(events),
    }


def device_events(events: Iterable[Any], on_gpu: bool) -> list[Event]:
    """The kernels and copies of a GPU, or the operators of a CPU, among the events of torch's profiler."""
    wanted = "CUDA" if on_gpu else "CPU"
    return [
        Event(
            event.name,
            event.time_range.start,
            event.time_range.end,
            event.time_range.end - event.time_range.start if on_gpu else event.self_cpu_time_total,
        )
        for event in events
        if event.device_type.name == wanted and not getattr(event, "is_user_annotation", False)
    ]
