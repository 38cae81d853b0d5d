"""The kernels of the diffusion model's blocks: what runs them, and the number types that they take."""

from __future__ import annotations

import torch

from methods.fallback import Kernels

KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)
KERNELS = Kernels("the diffusion model's blocks")
