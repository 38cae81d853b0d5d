"""Run kernels, and in place of a kernel that fails or is wrong the plain PyTorch function for the same result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result", Tensor, list[Tensor])

# A result is wrong if it is this far from the plain one, relative to the length of that. Rounding is far smaller, in
# half precision and TF32 too.
WRONG = 0.1


class Kernels:
    """Runs the kernels ``of`` something until one fails or is wrong; from then on plain functions, with one warning.

    The first result of every variant of a kernel is compared with that of the plain function; ``largest`` has the
    largest difference that was found, by the kernel's name.
    """

    def __init__(self, of: str) -> None:
        self.of = of
        self.failed = False
        self.largest: dict[str, float] = {}
        self._compared: set[Hashable] = set()

    def run(
        self,
        name: str,
        variant: Hashable,
        kernel: Callable[..., Result],
        plain: Callable[..., Result],
        *arguments: object,
    ) -> Result:
        """The result of ``kernel(*arguments)``, or of ``plain(*arguments)``. Raises OutOfMemoryError.

        ``variant`` has everything that the kernel is compiled for anew, such as shapes and number types.
        """
        if self.failed:
            return plain(*arguments)
        try:
            result = kernel(*arguments)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # Triton is absent, no compiler, too little shared memory: many kinds
            self._give_up((str(error).strip().splitlines() or [type(error).__name__])[0])
            return plain(*arguments)
        if (name, variant) in self._compared or _is_recorded():
            return result
        apart = _distance_to(result, plain, arguments)
        if apart is None:
            return result
        self._compared.add((name, variant))
        self.largest[name] = max(apart, self.largest.get(name, 0.0))
        if apart <= WRONG:
            return result
        self._give_up(f"{name} differs from PyTorch's own by {apart:.0%}")
        return plain(*arguments)

    def _give_up(self, reason: str) -> None:
        self.failed = True
        warnings.warn(f"the kernels of {self.of} are off, so that it takes longer: {reason}", stacklevel=4)


def _is_recorded() -> bool:
    """Whether a CUDA graph is being recorded, in which nothing can be compared."""
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


def _distance_to(
    result: Tensor | list[Tensor], plain: Callable[..., Tensor | list[Tensor]], arguments: tuple[object, ...]
) -> float | None:
    """The largest distance of a tensor to its plain counterpart, relative to the counterpart's length.

    None if nothing can be said: the counterparts are 0 or not finite, or there is not enough memory for them.
    """
    try:
        with torch.no_grad():
            expected = plain(*arguments)
        results, plains = ([each] if isinstance(each, Tensor) else each for each in (result, expected))
        pairs = [(one.detach(), other.detach()) for one, other in zip(results, plains, strict=True)]
        lengths = [(_length(one - other), _length(other)) for one, other in pairs]
    except torch.OutOfMemoryError:
        return None
    told = [apart / length for apart, length in lengths if 0 < length < math.inf]
    if not told:
        return None
    return max(each if math.isfinite(each) else math.inf for each in told)


def _length(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.promote_types(tensor.dtype, torch.float32)))
