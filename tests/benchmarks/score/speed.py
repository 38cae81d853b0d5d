"""Seconds and peak memory of ``score`` at the sizes of MAFL and Human3.6M.

python -m tests.benchmarks.score.speed [faces] [people]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PAIRS = [(right, right + 5) for right in range(1, 6)] + [(left, left + 8) for left in range(16, 24)]  # of Human3.6M
HUMAN36M = ("sk", "sk_released", "autolink", "strict")

# images to fit on, to test on, K, L, and the options
SIZES: dict[str, tuple[int, int, int, int, list[str]]] = {
    "faces": (19_000, 1_000, 10, 5, ["--normalizer", "interocular:0,1"]),
    "people": (800_000, 88_000, 16, 32, ["--pairs", ",".join(f"{one}-{other}" for one, other in PAIRS)]),
}
SIZES["people"][-1].extend(f"--protocol={family}/human36m" for family in HUMAN36M)
SIZES["people"][-1].extend(["--protocol=strict/human36m_percent", "--protocol=strict/human36m_17"])
_TIMED = """
import sys, time
import numpy, scipy.linalg, pyarrow.parquet, rich.table, benchmarks.score.command
from benchmarks.cli import main
from benchmarks.records.provenance import peak_memory_mb
started = time.perf_counter()
try:
    main()
finally:
    peak = peak_memory_mb("cpu") / 1e3
    print(f"{time.perf_counter() - started:.2f} s after imports, {peak:.2f} GB at most", file=sys.stderr)
"""


def write_world(folder: Path, n_fit: int, n_test: int, n_keypoints: int, n_landmarks: int) -> list[str]:
    """Keypoints and landmarks (float32) that depend on one another, with left and right confused in a third."""
    generator = np.random.default_rng(0)
    mix = generator.dirichlet(np.full(n_keypoints, 0.3), n_landmarks).astype(np.float32)
    swapped = np.arange(32)
    for one, other in PAIRS:
        swapped[[one, other]] = other, one
    options = []
    for side, rows in (("fit", n_fit), ("test", n_test)):
        keypoints = generator.uniform(0.1, 0.9, (rows, n_keypoints, 2)).astype(np.float32)
        landmarks = mix @ keypoints
        landmarks += generator.normal(0, 0.02, landmarks.shape).astype(np.float32)
        if n_landmarks == len(swapped):
            landmarks = np.where(generator.random((rows, 1, 1)) < 1 / 3, landmarks[:, swapped], landmarks)
        for what, values in (("pred", keypoints), ("gt", landmarks)):
            np.save(folder / f"{side}-{what}.npy", values)
            options += [f"--{side}-{what}", str(folder / f"{side}-{what}.npy")]
    return options


def main(names: list[str]) -> None:
    """Write each world, score it in a process of its own, and print what it took."""
    for name in names or list(SIZES):
        *size, options = SIZES[name]
        with tempfile.TemporaryDirectory() as folder:
            files = write_world(Path(folder), *size)
            print(f"{name}: {size[0]:,} + {size[1]:,} images, K={size[2]}, L={size[3]}", flush=True)
            subprocess.run([sys.executable, "-c", _TIMED, "score", *files, *options], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
