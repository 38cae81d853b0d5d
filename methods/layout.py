"""Memory format of weights and feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def memory_format(device: torch.device | str) -> torch.memory_format:
    """The memory format for weights and feature maps: contiguous on a CPU, channels last on a GPU.

    In channels last, PyTorch's group norm on a CPU sums squares in one pass and loses two to three digits of
    float32: an error of 2e-4 to 2e-3 on input of unit variance, against 1e-6 in contiguous format.
    """
    import torch

    return torch.contiguous_format if torch.device(device).type == "cpu" else torch.channels_last
