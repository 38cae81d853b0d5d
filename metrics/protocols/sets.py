"""Named sets of protocols, one for each kind of data: a dataset's card names a set or single protocols."""

from __future__ import annotations

from collections.abc import Iterable

from metrics.errors import MetricError
from metrics.protocols.catalogue import BIRDS, DEEPFASHION, HUMAN36M, PROTOCOLS, TAICHI
from metrics.protocols.faces import FACES
from metrics.protocols.label_free import LABEL_FREE
from metrics.protocols.parts import PARTS
from metrics.protocols.sides import SIDES

_PARTS = tuple(protocol.id for protocol in PARTS)
_SIDES = tuple(protocol.id for protocol in SIDES)
SETS: dict[str, tuple[str, ...]] = {
    "faces": (*(protocol.id for protocol in FACES), *_SIDES),
    "birds": (*(protocol.id for protocol in BIRDS), *_PARTS),
    "taichi": (*(protocol.id for protocol in TAICHI), *_SIDES),
    "deepfashion": (*(protocol.id for protocol in DEEPFASHION), "strict/relative", *_SIDES),
    "human36m": (*(protocol.id for protocol in HUMAN36M), *_SIDES),
    "parts": _PARTS,
    "general": ("strict/side", "strict/side_micro", "strict/relative", "strict/pck6", "strict/box", "scops/box"),
    "label_free": tuple(protocol.id for protocol in LABEL_FREE),
}


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Protocol ids for names of protocols and of sets, in order, each once.

    Raises MetricError for any other name.
    """
    found: dict[str, None] = {}
    for name in names:
        if name not in SETS and name not in PROTOCOLS:
            raise MetricError(
                f"unknown protocol or set '{name}'; sets are {', '.join(SETS)}; for protocols see python -m benchmarks "
                "list protocols"
            )
        found.update(dict.fromkeys(SETS.get(name, (name,))))
    return tuple(found)
