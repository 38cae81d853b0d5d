"""The kernels compile for a GPU. No GPU is needed for that; the interpreter forgives what the compiler refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from methods.stable_keypoints import map_launch

pytest.importorskip("triton")

SHARED_MEMORY = 99 * 1024  # bytes that every GPU since 2020 gives a program


@pytest.mark.slow
def test_all_kernels_compile(repository: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", "tests.methods.diffusion.fast.compile_kernels"]
    found = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    shared = {name: int(taken) for name, taken in map(str.split, found.stdout.splitlines())}
    assert len(shared) == 15
    assert shared.pop("gradients") <= map_launch.SHARED_MEMORY  # which its launch asks for
    assert max(shared.values()) <= SHARED_MEMORY, shared
