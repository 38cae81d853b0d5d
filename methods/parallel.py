"""Communication among the processes that torchrun (or accelerate) launches.

A single process imports nothing and waits for nothing. Several processes must make the same calls in the same order;
only tensors and text travel between them, never pickles.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from methods.base import MethodError

if TYPE_CHECKING:
    from torch import Tensor

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(days=7)  # the others wait while the first process predicts and scores


def world() -> tuple[int, int]:
    """Rank of this process and number of processes, (0, 1) unless launched. Raises MethodError for invalid numbers."""
    if any(name not in os.environ for name in VARIABLES):
        return 0, 1
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except ValueError:
        rank, size = -1, -1
    if not 0 <= rank < size:
        raise MethodError(
            f"RANK is {os.environ['RANK']!r} and WORLD_SIZE {os.environ['WORLD_SIZE']!r}, expected 0 <= RANK < "
            "WORLD_SIZE; unset both, or launch with torchrun --nproc-per-node N -m benchmarks run ..."
        )
    return rank, size


def own_device(device: str) -> str:
    """The device of this process: with ``cuda`` and several processes, each takes the GPU of its LOCAL_RANK.

    Raises MethodError if all processes would use the same GPU, or if there are fewer GPUs than processes.
    """
    rank, size = world()
    if size == 1 or not device.startswith("cuda"):
        return device
    import torch

    local, there = int(os.environ.get("LOCAL_RANK", rank)), torch.cuda.device_count()
    if device not in ("cuda", f"cuda:{local}"):
        raise MethodError(
            f"device is {device} in each of {size} processes, expected cuda, so that each takes its own GPU"
        )
    if local >= there:
        raise MethodError(f"process {local} has no GPU: this machine has {there}; launch with --nproc-per-node {there}")
    return f"cuda:{local}"


class Team:
    """The processes that share a fit, each on its own ``device`` (``own_device``); a team may be one process."""

    def __init__(self, device: str) -> None:
        self.rank, self.size = world()
        self.device = device
        if self.size > 1:
            _connect(device)

    def share(self, count: int) -> slice:
        """This process's part of ``count`` items: parts are consecutive and differ in size by at most one."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def total(self, tensor: Tensor) -> Tensor:
        """Sum of the processes' tensors, all of one shape; the same bits in every process."""
        if self.size > 1:
            import torch.distributed as dist

            tensor = tensor.to(self.device)
            dist.all_reduce(tensor)
        return tensor

    def from_first(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, in every process; the others pass one of the same shape and dtype."""
        if self.size > 1:
            import torch.distributed as dist

            tensor = tensor.to(self.device).contiguous()
            dist.broadcast(tensor, src=0)
        return tensor

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Raise the block's own exception, or MethodError if it failed in another process: all continue or none."""
        if self.size == 1:
            yield
            return
        import torch

        failure: Exception | None = None
        try:
            yield
        except Exception as error:
            failure = error
        self.check(bool(self.total(torch.tensor(float(failure is not None)))), failure)

    def check(self, failed: bool, failure: Exception | None) -> None:
        """Raise this process's own failure, or MethodError where only others ``failed``."""
        if failure is not None:
            raise failure
        if failed:
            raise MethodError("another process failed; its own message says why")

    def say(self, text: str = "") -> str:
        """The first process's text, in every process."""
        import torch

        data = text.encode()
        length = int(self.from_first(torch.tensor(len(data))))
        if self.rank:
            data = bytes(length)
        return bytes(self.from_first(torch.tensor(list(data), dtype=torch.uint8)).tolist()).decode()


def _connect(device: str) -> None:
    """Connect to the other processes, once. Raises MethodError where they cannot be reached."""
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise MethodError(f"cannot reach the other processes at {where}: {str(error).splitlines()[0]}") from error
