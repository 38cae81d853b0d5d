"""Compile the kernels for a GPU that need not be there, and print for each its name and bytes of shared memory.

Run as a process of its own, without ``TRITON_INTERPRET``, which replaces the compiler.
"""

from __future__ import annotations

from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from methods.diffusion.fast import elementwise_kernels, group_norm_kernels
from methods.stable_keypoints import map_kernels

TILE = {"ROWS": 64, "WIDTH": 64}
WHOLE = {"SIZE": 40, "ROWS": 256, "WIDTH": 64, "SILU": True}
MAPS = {"SIDE": 128, "NATIVE": 32, "TAPS": 4, "UPSAMPLED": True, "COLUMNS": 32}
KERNELS: list[tuple[Any, dict[str, Any], int]] = [
    (group_norm_kernels.whole_forward, WHOLE, 16),
    (group_norm_kernels.whole_backward, WHOLE, 16),
    (group_norm_kernels.chunk_forward, TILE, 4),
    (group_norm_kernels.merge_forward, {"ROWS": 16, "WIDTH": 16}, 1),
    (group_norm_kernels.apply_forward, TILE | {"SILU": True}, 4),
    (group_norm_kernels.chunk_backward, TILE | {"SILU": False}, 4),
    (group_norm_kernels.merge_backward, {"ROWS": 16, "WIDTH": 32}, 1),
    (group_norm_kernels.apply_backward, TILE | {"SILU": False}, 4),
    (elementwise_kernels.add_forward, TILE, 4),
    (elementwise_kernels.geglu_forward, TILE, 4),
    (elementwise_kernels.geglu_backward, TILE, 4),
    (map_kernels.normalisers, MAPS, 4),
    (map_kernels.mean_over_heads, MAPS | {"ADD": True}, 4),
    (map_kernels.gradients, MAPS | {"ROWS": 16}, 4),
    (map_kernels.divergences, {"SIDE": 128, "PIXELS": 2048, "SOFTMAX": True}, 4),
]
REALS = {"eps", "factor", "share", "sharpness", "epsilon"}
WHOLES = {
    *("length", "total", "size", "steps", "chunks", "rows", "width"),
    *("all_stride", "stride", "readable", "heads", "native", "side"),
}
HALF = {"x", "y", "weight", "bias", "gradient", "result", "left", "right", "projected"}  # all others are float32


def _kind(name: str, of_maps: bool) -> str:
    if name == "first":
        return "*i32"
    if name == "count":
        return "i32" if of_maps else "fp32"
    if name in REALS | WHOLES:
        return "fp32" if name in REALS else "i32"
    return "*fp16" if name in HALF and not of_maps else "*fp32"


def main() -> None:
    """Compile every kernel to machine code of an H100."""
    for kernel, constants, warps in KERNELS:
        signature = {name: _kind(name, of_maps=kernel.__module__ == map_kernels.__name__) for name in kernel.arg_names}
        signature |= dict.fromkeys(constants, "constexpr")
        source = ASTSource(kernel, signature, {(kernel.arg_names.index(name),): constants[name] for name in constants})
        compiled = triton.compile(
            source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps, "num_stages": 2}
        )
        print(kernel.__name__, compiled.metadata.shared)


if __name__ == "__main__":
    main()
