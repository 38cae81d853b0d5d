"""Provenance of a record: code, versions, machine, command and peak memory."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_THIS_FILE = "benchmarks/records/provenance.py"
_PACKAGES = ("torch", "numpy", "scipy", "diffusers", "transformers", "pillow")
_CODE = tuple(f"{package}/*.py" for package in ("benchmarks", "datasets", "leaderboard", "methods", "metrics"))
_STATUS = Path("/proc/self/status")


def provenance(device: str) -> dict[str, Any]:
    """Describe the code, versions, machine and command as plain data, for a record."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "argv": sys.argv[1:],
        **git_state(),
        "python": platform.python_version(),
        "versions": _versions(),
        "platform": f"{platform.system()} {platform.machine()} {' '.join(platform.libc_ver())}".strip(),
        **machine(device),
    }


def machine(device: str) -> dict[str, Any]:
    """Describe the processors and their use as plain data; without a name, so that equal machines are equal."""
    return {"cpu": _cpu(), "cpu_count": os.cpu_count(), "device": device, **_torch(device)}


@cache
def git_state() -> dict[str, Any]:
    """The commit of the code, and whether the code differs from it (see ``changed_files``); None without git."""
    changed = changed_files()
    if changed is None:
        return {"git_sha": None, "git_dirty": None}
    return {"git_sha": _git("rev-parse", "HEAD"), "git_dirty": bool(changed)}


def release() -> str:
    """Name and version of the benchmark, with the commit of the code where git tracks it."""
    try:
        number = version("keypoint-benchmarks")
    except PackageNotFoundError:
        number = "(not installed)"
    state = git_state()
    changes = ", with uncommitted changes" if state["git_dirty"] else ""
    commit = f" (commit {state['git_sha'][:8]}{changes})" if state["git_sha"] else ""
    return f"keypoint-benchmarks {number}{commit}"


def changed_files() -> list[str] | None:
    """Paths, relative to the repository's root, in which the working tree differs from its commit.

    These are tracked files with uncommitted changes, and untracked Python files of the packages that git does not
    ignore; other untracked files, such as results, do not count. None if git does not track this code, such as in a
    downloaded archive.
    """
    try:
        _git("ls-files", "--error-unmatch", "--", _THIS_FILE)
        tracked = _git("diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD")
        untracked = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return None
    return sorted(path for path in f"{tracked}\0{untracked}".split("\0") if path)


def reset_peak_memory(device: str) -> None:
    """Reset the peak memory of the device or process, if the system allows it."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    elif _STATUS.exists():
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the high-water mark of this process
        except OSError:
            return


def peak_memory_mb(device: str) -> float:
    """Peak memory in MB since the reset: of the GPU if one is used, else the resident size of this process."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.max_memory_allocated(device)) / 1e6
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.strip()


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _torch(device: str) -> dict[str, Any]:
    if "torch" not in sys.modules:
        return {}
    import torch

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        "gpu": gpu,
        "threads": torch.get_num_threads(),
        "thread_wait_policy": os.environ.get("OMP_WAIT_POLICY"),  # None: OpenMP's default, spinning for a while
        "dtype": str(torch.get_default_dtype()),
    }
