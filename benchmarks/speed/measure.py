"""Seconds, peak memory, the rate of matrix products, and how many of them a task cannot do without."""

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
SAMPLE_EVERY = 0.01  # seconds between looks at the memory of this process
SMALLEST = 128  # side of the first matrix product that is timed


class Peak:
    """The most memory used while it watches, in bytes: the allocator's on a GPU, else this process's resident set.

    None where the system does not say.
    """

    def __init__(self) -> None:
        self.bytes: int | None = None

    def see(self, value: int) -> None:
        """Take in a sample."""
        self.bytes = max(self.bytes or 0, value)


@contextmanager
def peak_memory(device: str) -> Iterator[Peak]:
    """Watches memory while this holds."""
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
    import resource

    with suppress(OSError):
        while not over.is_set():
            peak.see(int(STATUS.read_text().split()[1]) * resource.getpagesize())
            over.wait(SAMPLE_EVERY)


def synchronise(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: str) -> tuple[float, float]:
    """How long some work takes, to its end on the device: of the clock, and of this machine's processors.

    The latter, summed over threads, is what can be compared on a CPU that others use too.
    """
    synchronise(device)
    start, processor_start = time.perf_counter(), time.process_time()
    work()
    synchronise(device)
    return time.perf_counter() - start, time.process_time() - processor_start


def matmul_rate(device: str, dtype: torch.dtype, side: int = 4096) -> float:
    """FLOP a second of the largest square matrix products, up to ``side``, that half a second is enough for."""

    def timed(side: int) -> float:
        left, right = (torch.randn(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
        return seconds(lambda: left @ right, device)[0]

    timed(SMALLEST)  # sets up the library
    return fastest_rate(timed, side if device.startswith("cuda") else min(side, 2048))


def fastest_rate(timed: Callable[[int], float], side: int, budget: float = 0.5, repeats: int = 10) -> float:
    """FLOP a second of the fastest of some products at the largest side that ``budget`` seconds are enough for.

    ``timed`` gives the seconds of one product of square matrices of a side. Sides double from ``SMALLEST`` up to
    ``side`` as long as eight times the last product, the least that the next one can take, is left of the budget:
    a CPU without float16 units takes 3 s for a side of 1024, and minutes for one of 4096.
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
    """FLOP an image of the autoencoder, the whole UNet, the UNet up to its last map, and the scores of all maps.

    Counted on shapes alone, without computing.
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


def platform_words(device: str) -> str:
    """What the numbers were measured on."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return sys.platform
