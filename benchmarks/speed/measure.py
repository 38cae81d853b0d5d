"""Measurements: seconds, peak memory, the rate of matrix products, and the FLOP of a model's parts."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.models import Size, build
from methods.stable_keypoints.attention import Recorder, choose_layers

STATUS = Path("/proc/self/statm")
SAMPLE_EVERY = 0.01  # seconds between samples of this process's memory
SMALLEST = 128  # side of the first timed matrix product


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


def matmul_rate(device: str, dtype: torch.dtype, side: int = 4096) -> float:
    """FLOP per second of square matrix products, the largest up to ``side`` that fit in half a second."""

    def timed(side: int) -> float:
        left, right = (torch.randn(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
        return seconds(lambda: left @ right, device)[0]

    timed(SMALLEST)  # initialises the library
    return fastest_rate(timed, side if device.startswith("cuda") else min(side, 2048))


def fastest_rate(timed: Callable[[int], float], side: int, budget: float = 0.5, repeats: int = 10) -> float:
    """FLOP per second of the fastest of up to ``repeats`` products, at the largest side that ``budget`` seconds allow.

    ``timed(side)`` is the seconds of one product of square matrices. The side doubles from ``SMALLEST`` up to ``side``
    while the budget still has eight times the seconds of the last product, the least that the next one takes: a CPU
    without float16 units takes 3 s for a side of 1024, and minutes for 4096.
    """
    tried = SMALLEST
    fastest = spent = timed(tried)
    while tried < side and spent + 8 * fastest <= budget:
        tried = min(2 * tried, side)
        fastest = timed(tried)
        spent += fastest
    for _ in range(repeats - 1):
        if spent + fastest > budget:
            break
        again = timed(tried)
        fastest = min(fastest, again)
        spent += again
    return 2 * tried**3 / fastest


def flops(size: Size) -> dict[str, float]:
    """FLOP per image of the autoencoder, the whole UNet, the UNet up to its last map, and the scores of all maps.

    They are counted from shapes alone.
    """
    with torch.device("meta"):
        parts = build(size, "meta", torch.float32)
        pixels = torch.empty(1, 3, size.image_size, size.image_size)
        latents = torch.empty(1, 4, parts.latent_side, parts.latent_side)
        context = torch.empty(1, size.num_tokens, parts.token_width)
    layers = choose_layers(parts.unet, parts.latent_side, None, 4, 32)
    recorder = Recorder(layers)

    def run() -> None:
        parts.unet(latents, 0, encoder_hidden_states=context)

    def run_to_last_map() -> None:
        with recorder.attached():
            run()

    return {
        "encode": _count(lambda: parts.autoencoder.encode(pixels)),
        "unet": _count(run),
        "unet_to_last_map": _count(run_to_last_map),
        "maps": sum(
            2.0 * size.num_tokens * query.shape[1] * query.shape[-1] * size.map_size**2 for query in recorder.queries
        ),
    }


def _count(work: Callable[[], object]) -> float:
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        work()
    return float(counter.get_total_flops())


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
