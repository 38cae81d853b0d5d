"""The kernels compile for a GPU. No GPU is needed for that; the interpreter forgives what the compiler refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

SHARED_MEMORY = 48 * 1024  # bytes that every GPU gives a program


@pytest.mark.slow
def test_all_kernels_compile(repository: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", "tests.methods.diffusion.fast.compile_kernels"]
    found = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    lines = [line.split() for line in found.stdout.splitlines()]
    assert len(lines) == 11
    assert all(int(shared) <= SHARED_MEMORY for _, shared in lines)
