"""Kinds of work, told by the name of a GPU kernel or of an operator of torch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# The first pattern that a name, in small letters, matches decides. Kernels of this project and of torch's compiler have
# plain names; those of torch and of its libraries may share a word with them, such as softmax_warp_forward.
PATTERNS = {
    "own norms": r"^(whole|chunk|merge|apply)_(forward|backward)$",
    "own maps": r"^(normalisers|mean_over_heads|gradients|divergences)$",
    "own elementwise": r"^(add|geglu)_(forward|backward)$",
    "norms": r"group_?norm|layer_?norm|rowwisemoments|fusedparams|internalgradients|gammabeta",
    "maps": r"^_*([a-z0-9]+_+)*(maps?|lse|warps?)(_[a-z0-9_]*)?$",
    "attention": r"flash|fmha|attention|scaled_dot_product|sdpa",
    "maps, by torch": r"softmax|grid_sampl|scatter|gather",
    "compiled": r"^triton_",
    "copies": r"memcpy|copy|nchwtonhwc|nhwctonchw|transpose|convert|batchedcopy|aten::(cat|clone|contiguous)$",
    "convolutions": r"conv|fprop|dgrad|wgrad|winograd|cudnn|im2col|col2im",
    "matrix products": r"gemm|gemv|nvjet|cublas|cutlass|matmul|splitk|aten::(mm|bmm|addmm|baddbmm|linear|dot)$",
    "elementwise": r"elementwise|vectorized|unrolled|reduce|fill|memset|silu|gelu|upsample|"
    r"aten::(add|sub|mul|div|exp|log|sum|mean|amax|abs|sqrt|pow|clamp|sigmoid|where|zero|neg|rsub|eq|gt|lt|le|ge)\w*$",
}
SAME = {
    "own norms": "norms",
    "own maps": "maps",
    "own elementwise": "elementwise",
    "maps, by torch": "maps",
    "compiled": "elementwise",
}
OTHER = "other"
KINDS = (*(kind for kind in PATTERNS if kind not in SAME), OTHER)


def kind_of(name: str) -> str:
    """The kind of a kernel or an operator."""
    lower = name.lower()
    found = next((kind for kind, pattern in PATTERNS.items() if re.search(pattern, lower)), OTHER)
    return SAME.get(found, found)


@dataclass(frozen=True)
class Event:
    """A kernel, or an operator: when it began and ended, and how long it worked itself, in microseconds."""

    name: str
    start: float
    end: float
    own: float


@dataclass(frozen=True)
class Usage:
    """Microseconds and numbers of events by kind, and the microseconds in which at least one event ran."""

    microseconds: dict[str, float]
    calls: dict[str, int]
    busy: float


def usage(events: Iterable[Event]) -> Usage:
    """What events took, by kind; events that overlap in time count once in ``busy``."""
    microseconds, calls = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0)
    busy, until = 0.0, float("-inf")
    for event in sorted(events, key=lambda each: each.start):
        kind = kind_of(event.name)
        microseconds[kind] += event.own
        calls[kind] += 1
        busy += max(0.0, event.end - max(event.start, until))
        until = max(until, event.end)
    return Usage(microseconds, calls, busy)


def largest(events: Iterable[Event], count: int = 20) -> list[dict[str, object]]:
    """The names that took the most time, with kind, microseconds and calls."""
    totals: dict[str, list[float]] = {}
    for event in events:
        total = totals.setdefault(event.name, [0.0, 0])
        total[0] += event.own
        total[1] += 1
    chosen = sorted(totals.items(), key=lambda item: -item[1][0])[:count]
    return [
        {"name": name[:200], "kind": kind_of(name), "microseconds": own, "calls": int(calls)}
        for name, (own, calls) in chosen
    ]
