"""Switches of the fast paths on a GPU, all on unless ``KEYPOINTS_WITHOUT`` names them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# blocks: the diffusion model's blocks without copies; norms: kernels for their group norms, sums and gates; maps: one
# kernel for the maps of all heads; graphs: CUDA graphs of a step.
NAMES = ("blocks", "norms", "maps", "graphs")
VARIABLE = "KEYPOINTS_WITHOUT"

_off: set[str] = set()


def is_on(name: str) -> bool:
    """Whether the fast path ``name`` may be used. Raises ValueError where the variable names an unknown one."""
    listed = {each.strip() for each in os.environ.get(VARIABLE, "").split(",")} - {""}
    unknown = listed - set(NAMES)
    if unknown:
        raise ValueError(f"{VARIABLE}: got '{min(unknown)}', expected some of {', '.join(NAMES)}, with commas between")
    return name not in _off | listed


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Within the block, the fast paths ``names`` are off."""
    added = set(names) - _off
    _off.update(added)
    try:
        yield
    finally:
        _off.difference_update(added)
