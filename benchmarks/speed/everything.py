"""Everything worth knowing on a GPU, in order of worth and within some minutes."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed.record import Part, Record, run_parts

if TYPE_CHECKING:
    from benchmarks.speed.compare import Options
    from benchmarks.speed.measure import Say

POLL = 0.5  # seconds between looks at the record
START = 180.0  # seconds in which a worker must begin a part, or end
LARGER = ("sd21", "sdxl")
BATCHES = (4, 1)
OWN = ("batch", "memory", "alone")  # options that each part sets
LARGE_BATCH = 16


def parts(options: Options, say: Say) -> list[Part]:
    """All parts on one device, the most important first; ``options`` has the size, the dtype and the repetitions.

    Estimates are those of a large GPU, with the time in which kernels are compiled.
    """
    from benchmarks.speed.compare import Bench
    from benchmarks.speed.studies.half import half
    from benchmarks.speed.studies.photographs import photographs
    from benchmarks.speed.studies.profiling import profiles
    from benchmarks.speed.studies.variants import variants

    on_gpu = options.device.startswith("cuda")

    def bench(**changed: Any) -> Callable[[float], Mapping[str, Any]]:
        return lambda left: Bench(replace(options, **changed), say).run()

    def several(left: float) -> Mapping[str, Any]:
        return photographs(replace(options, batch=4), max(8, min(1000, int(3 * min(left, 150)))) if on_gpu else 8, say)

    found = [Part(f"batch {batch}", 75 if batch == BATCHES[0] else 30, bench(batch=batch)) for batch in BATCHES]
    found += [
        Part("profile", 35, lambda left: profiles(Bench(replace(options, batch=4, alone=True), say))),
        Part("variants", 100, lambda left: variants(replace(options, batch=4), say)),
        Part("memory low", 30, bench(batch=1, memory="low", alone=True)),
        Part("float32", 45, bench(batch=2, dtype="float32", steps=1)),
        Part("half precision", 40, lambda left: half(options.device, *((256, 60) if on_gpu else (8, 4)), say=say)),
        Part(f"batch {LARGE_BATCH}", 30, bench(batch=LARGE_BATCH, alone=True)),
    ]
    if options.size == "sd15":
        found += [Part(size, 50, bench(size=size, batch=4, views=-1, alone=True)) for size in LARGER]
    return [*found, Part("photographs", 40, several)]


def work(options: Options, path: Path, say: Say, chosen: Sequence[Part] | None = None) -> None:
    """Run the parts that the record in ``path`` lacks. Raises RuntimeError where the GPU no longer answers."""
    from benchmarks.speed.measure import platform_name, synchronise

    record = Record.read(path)
    record.facts["platform"] = platform_name(options.device)

    def clean() -> None:
        record.facts["kernels"] = _kernels()
        record.write()
        gc.collect()
        if options.device.startswith("cuda"):
            import torch

            synchronise(options.device)  # raises after a kernel's illegal access: only a new process helps
            torch.cuda.empty_cache()

    run_parts(parts(options, say) if chosen is None else chosen, record, clean)


def _kernels() -> dict[str, Any]:
    """Which kernels are off in this process, and how far their first results were from those of plain functions."""
    from methods.diffusion.fast.kernels import KERNELS as BLOCKS
    from methods.stable_keypoints.fused_maps import KERNELS as MAPS

    return {each.of: {"failed": each.failed, "largest": each.largest} for each in (BLOCKS, MAPS)}


def supervise(
    command: Sequence[str],
    record: Record,
    say: Say,
    clock: Callable[[], float] = time.time,
    patience: float = START,
    after_crash: Sequence[str] = (),
) -> None:
    """Run ``command``, which works on the record's file, again and again until it ends well or the time is over.

    A worker that crashes, or takes too long for a part, is ended, and a new one goes on with the next part. Such a
    part is noted as crashed or stopped. After the first crash workers also get the words ``after_crash``.
    """
    record.write()
    while clock() < record.until:
        began, before = clock(), set(record.parts)
        with subprocess.Popen(command) as worker:  # noqa: S603 - this program itself
            try:
                late = _watch(worker, record.path, began + patience, clock)
            finally:
                if worker.poll() is None:
                    worker.kill()
        found = Record.read(record.path)
        record.parts, record.facts, record.running = found.parts, found.facts, found.running
        if record.running is not None:
            name = str(record.running["name"])
            error = "it took too long" if late else f"its process ended with exit status {worker.returncode}"
            say(f"{name}: {error}")
            record.end(name, "stopped" if late else "crashed", clock(), error=error)
        elif worker.returncode == 0 or set(record.parts) == before:
            return
        if worker.returncode != 0 and not late:
            command, after_crash = [*command, *after_crash], ()


def _watch(worker: subprocess.Popen[bytes], path: Path, start_by: float, clock: Callable[[], float]) -> bool:
    """Wait for the worker's end, or until a part takes too long; whether it was the latter."""
    while worker.poll() is None:
        running = Record.read(path).running
        if running is not None:
            start_by = clock() + START
        if clock() > (running["stop_at"] if running else start_by):
            return True
        with suppress(subprocess.TimeoutExpired):
            worker.wait(POLL)
    return False


def facts(options: Options) -> dict[str, Any]:
    """Versions, and the options that all parts share; each part records its own."""
    from benchmarks.records.provenance import release

    shared = {name: value for name, value in options.plain().items() if name not in OWN}
    found: dict[str, Any] = {"release": release(), "options": shared}
    for package in ("torch", "triton", "diffusers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def worker_command(options: Options, output: Path) -> list[str]:
    """The command of a worker that runs the parts which the record in ``output`` lacks, with the options they share."""
    given = ("size", "device", "dtype", "steps", "released_steps", "warm_up", "views")
    words = [word for name in given for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    words += [word for name in options.without for word in ("--without", name)]
    words += ["--compile"] * options.compile + ["--no-predict"] * (not options.predict)
    return [sys.executable, "-m", "benchmarks.speed", *words, "--all", "--output", str(output), "--worker"]
