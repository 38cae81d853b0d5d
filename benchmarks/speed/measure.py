"""Measurements: seconds, alone and in turns, peak memory, and the rates of matrix products and of copies."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STATUS = Path("/proc/self/statm")
SAMPLE_EVERY = 0.01  # seconds between samples of this process's memory
SMALLEST = 128  # side of the first timed matrix product
BUDGET = 0.5  # seconds for all of them

Results = dict[str, Tensor]
Work = Callable[[], Results]
Say = Callable[[str], object]


class Peak:
    """Peak memory in bytes: that of the allocator on a GPU, else the resident set of this process.

    It is None if the system does not report it.
    """

    def __init__(self) -> None:
        self.bytes: int | None = None

    def see(self, value: int) -> None:
        """Add a sample."""
        self.bytes = max(self.bytes or 0, value)


@contextmanager
def peak_memory(device: str) -> Iterator[Peak]:
    """Measure peak memory during the block."""
    peak = Peak()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.see(torch.cuda.max_memory_allocated(device))
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(peak, over), daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _watch(peak: Peak, over: threading.Event) -> None:
    """Sample the resident set until the event is set."""
    import resource

    with suppress(OSError):
        while not over.is_set():
            peak.see(int(STATUS.read_text().split()[1]) * resource.getpagesize())
            over.wait(SAMPLE_EVERY)


def synchronise(device: str) -> None:
    """Wait until the device has finished its work."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall-clock seconds and CPU seconds of some work, including its end on the device.

    CPU seconds, summed over threads, can be compared even if others use the CPU.
    """
    synchronise(device)
    start, processor_start = time.perf_counter(), time.process_time()
    work()
    synchronise(device)
    return time.perf_counter() - start, time.process_time() - processor_start


@dataclass
class Timing:
    """Seconds of each repetition of a task, peak memory in bytes (None if unknown), and the last results."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    peak_bytes: int | None = None
    results: Results = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The measurements as JSON."""
        return {
            "seconds": self.seconds,
            "median_seconds": self.median,
            "processor_seconds": self.processor_seconds,
            "peak_bytes": self.peak_bytes,
        }

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    def time(self, work: Work, device: str, record: bool = True, record_peak: bool = True) -> float:
        """Run a task, return its seconds, and record these and its peak memory."""

        def keep() -> None:
            self.results = work()

        with peak_memory(device) as peak:
            taken, of_processor = seconds(keep, device)
        if record:
            self.seconds.append(taken)
            self.processor_seconds.append(of_processor)
        if record_peak:
            self.peak_bytes = max(self.peak_bytes or 0, peak.bytes or 0) or None
        return taken


@dataclass(frozen=True)
class Rounds:
    """Numbers of rounds without and with the clock; works named in ``fewer`` have at most that many of either."""

    warm_up: int
    timed: int
    fewer: Mapping[str, int] = field(default_factory=dict)

    def runs(self, name: str, number: int) -> bool:
        """Whether a work takes part in a round."""
        most = self.fewer.get(name, max(self.warm_up, self.timed))
        return self.warm_up - most <= number < self.warm_up + most


def in_turns(works: Mapping[str, Work], rounds: Rounds, device: str, say: Say, task: str) -> dict[str, Timing]:
    """Time some works, round by round, so that whatever else uses the machine slows all of them alike.

    Peak memory is that of all rounds but the first, in which kernels are compared with plain functions: once a CUDA
    graph is recorded, in the second or third, its memory no longer counts as allocated.
    """
    timings = {name: Timing() for name in works}
    for number in range(rounds.warm_up + rounds.timed):
        timed = number >= rounds.warm_up
        for name, work in works.items():
            if rounds.runs(name, number):
                taken = timings[name].time(work, device, timed, record_peak=timed or number > 0)
                say(f"{task}, {name}: {taken:.3g} s" + ("" if timed else ", warm-up"))
    return timings


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    """FLOP per second of square matrix products, the largest that fit in half a second."""

    def timed(side: int) -> float:
        left, right = (torch.randn(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
        return seconds(lambda: left @ right, device)[0]

    timed(SMALLEST)  # initialises the library
    return fastest_rate(timed, 4096 if device.startswith("cuda") else 2048)


def fastest_rate(timed: Callable[[int], float], side: int) -> float:
    """FLOP per second of the fastest of up to ten products, at the largest side that half a second allows.

    ``timed(side)`` is the seconds of one product of square matrices. The side doubles from ``SMALLEST`` up to ``side``
    while the budget still has eight times the seconds of the last product, the least that the next one takes: a CPU
    without float16 units takes 3 s for a side of 1024, and minutes for 4096.
    """
    tried = SMALLEST
    fastest = spent = timed(tried)
    while tried < side and spent + 8 * fastest <= BUDGET:
        tried = min(2 * tried, side)
        fastest = timed(tried)
        spent += fastest
    for _ in range(9):
        if spent + fastest > BUDGET:
            break
        again = timed(tried)
        fastest = min(fastest, again)
        spent += again
    return 2 * tried**3 / fastest


def copy_rate(device: str) -> float:
    """Bytes per second of copies within the device's memory, read and written ones counted; the fastest of five."""
    source = torch.ones(2**28 if device.startswith("cuda") else 2**24, device=device)
    target = torch.empty_like(source)
    taken = [seconds(lambda: target.copy_(source), device)[0] for _ in range(5)]
    return 2 * source.nbytes / min(taken)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Within the block, float32 products and convolutions on a GPU keep all digits."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


def platform_name(device: str) -> str:
    """Name of the GPU, or of the CPU with the number of threads."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return sys.platform
