"""Kernels of this package, with plain functions where they fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)


class Kernels:
    """Runs kernels until one fails; from then on their plain counterparts, with one warning."""

    def __init__(self) -> None:
        self.failed = False

    def run(self, kernel: Callable[..., Tensor], plain: Callable[..., Tensor], *arguments: object) -> Tensor:
        """The result of ``kernel``, or that of ``plain`` where a kernel has failed."""
        if not self.failed:
            try:
                return kernel(*arguments)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # Triton is absent, no compiler, too little shared memory: many kinds
                self.give_up(f"{type(error).__name__}: {error}".split("\n")[0])
        return plain(*arguments)

    def give_up(self, reason: str) -> None:
        """Run no kernel from now on."""
        if not self.failed:
            warnings.warn(f"a Triton kernel failed ({reason}); plain functions run instead", stacklevel=3)
        self.failed = True


KERNELS = Kernels()
