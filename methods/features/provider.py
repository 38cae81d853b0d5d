"""The interface of frozen features: a source, which finds the weights, and a provider, which computes the maps.

Importing this module imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class FeatureProvider(ABC):
    """A frozen network on one device that turns images into feature maps; ``seed`` determines noise, if any is added.

    ``batch`` is the number of images in one pass on a GPU.
    """

    def __init__(self, device: str, seed: int, batch: int) -> None:
        self.device, self.seed, self._batch = device, seed, batch

    @property
    def images_at_once(self) -> int:
        """Number of images in one pass: 1 on the CPU, so that no bit of a feature depends on the other images."""
        return 1 if self.device.partition(":")[0] == "cpu" else self._batch

    def maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        """Features (B, C, h, w) float32 of images (B, 3, S, S) in [0, 1], on the device; B is at least 1.

        Raises MethodError for images of another size than the network takes.
        """
        import torch

        found = []
        with torch.no_grad():
            for first in range(0, len(ids), self.images_at_once):
                some = slice(first, first + self.images_at_once)
                found.append(self._maps(ids[some], pixels[some]))
        return torch.cat(found)

    @abstractmethod
    def _maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        """Features (B, C, h, w) float32 of at most ``images_at_once`` images."""

    @abstractmethod
    def parameters(self) -> int:
        """The number of parameters of the frozen network."""


class FeatureSource(ABC):
    """The weights of a frozen network on this machine, and what can be said about them before they are loaded."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Side in pixels of the square images that the network sees. Raises MethodError without weights."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Plain data that identifies the weights, for ``Method.identity``. Raises MethodError without weights."""

    @abstractmethod
    def open(self, device: str, seed: int) -> FeatureProvider:
        """Load the network. Raises MethodError where weights are missing or a setting does not fit them."""


class _Reached(Exception):
    """Ends the forward pass of a network."""


@contextmanager
def stopped_at(module: nn.Module) -> Iterator[list[Any]]:
    """Run a network in the block only until ``module`` has its output, which is appended to the list."""
    found: list[Any] = []

    def stop(module: nn.Module, inputs: Any, output: Any) -> None:
        found.append(output)
        raise _Reached

    handle = module.register_forward_hook(stop)
    try:
        yield found
    except _Reached:
        pass
    finally:
        handle.remove()
