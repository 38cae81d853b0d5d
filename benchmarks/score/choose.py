"""Chooses the protocols that keypoints are scored under."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, unknown
from metrics.protocols import FAMILIES, PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.score.inputs import Inputs
    from benchmarks.score.parsing import Normaliser
    from metrics.protocols import Protocol

ALL = "all"
_SUPPLY = {
    "interocular": "the two eye landmarks: --normalizer interocular:A,B",
    "left_right_pairs": "the left and right landmarks: --pairs A-B,C-D",
    "boxes": "the objects' boxes: --boxes FIT,TEST",
    "masks": "masks of the objects: a --task or --dataset that has them",
    "two_keypoints": "two keypoints or more",
    "model": "the method itself, on warped images: `run` measures it",
}


def choose_protocols(wanted: Sequence[str], inputs: Inputs, of_task: Iterable[str] | None) -> list[Protocol]:
    """The protocols of ``--protocol`` in their order, each once; without that option all that apply.

    The protocols of the task apply, or without a task all whose needs are met; with ``--normalizer`` only those that
    divide by it. A protocol named by its id need not be one of the task's. Raises UserError for an unknown name, and
    for a protocol whose needs are not met, with the option that meets them.
    """
    known = list(PROTOCOLS) if of_task is None else list(of_task)
    applicable = [
        PROTOCOLS[name]
        for name in known
        if not _hindrance(PROTOCOLS[name], inputs) and inputs.normaliser in (None, normaliser(PROTOCOLS[name]))
    ]
    chosen: list[Protocol] = []
    for name in wanted or [ALL]:
        if name in PROTOCOLS:
            if lacking := _hindrance(PROTOCOLS[name], inputs):
                raise UserError(f"protocol {name} needs {lacking}")
            chosen.append(PROTOCOLS[name])
        elif name in FAMILIES or name == ALL:
            found = [protocol for protocol in applicable if name in (ALL, protocol.family)]
            if not found:
                raise UserError(_none_applies(name, known, inputs))
            chosen += found
        else:
            raise unknown("protocol", name, [*PROTOCOLS, *FAMILIES, ALL])
    return list(dict.fromkeys(chosen))


def normaliser(protocol: Protocol) -> Normaliser:
    """The normaliser of a protocol as ``--normalizer`` names it: 'none' in pixels and without landmarks."""
    if not protocol.regresses:
        return "none"
    if protocol.frame == "box":
        return "box"
    if protocol.normaliser == "interocular":
        return "interocular"
    in_percent = protocol.normaliser == "side" and protocol.scale == 100.0 and protocol.threshold is None
    return "side" if in_percent else "none"


def _lacks(protocol: Protocol, inputs: Inputs) -> str:
    """The needs of a protocol that are not met, with the options that meet them; empty if all are met."""
    known = {
        "interocular": inputs.interocular is not None,
        "left_right_pairs": bool(inputs.left_right_pairs),
        "boxes": inputs.fit.boxes is not None and inputs.test.boxes is not None,
        "masks": inputs.test.on_object is not None,
        "two_keypoints": inputs.test.keypoints.shape[1] >= 2,
        "model": inputs.test.warped is not None,
    }
    return ", and ".join(_SUPPLY[need] for need in sorted(protocol.needs) if not known[need])


def _hindrance(protocol: Protocol, inputs: Inputs) -> str:
    """The needs that are not met, or the reason why a protocol is not for these landmarks; empty if it applies."""
    if lacking := _lacks(protocol, inputs):
        return lacking
    if protocol.rows == "all" and inputs.some_missing:
        return "every landmark to be visible, and some are not; a strict protocol leaves those out"
    if not protocol.is_for(count := inputs.test.landmarks.shape[1]):
        return f"an annotation of {protocol.num_landmarks} landmarks, and this one has {count}"
    return ""


def _none_applies(name: str, known: Iterable[str], inputs: Inputs) -> str:
    of_family = [PROTOCOLS[key] for key in known if name in (ALL, PROTOCOLS[key].family)]
    if not of_family:
        return f"the task has no protocol of the family '{name}'; name a protocol by its id to use it anyway"
    of_normaliser = [found for found in of_family if inputs.normaliser in (None, normaliser(found))]
    for protocol in of_normaliser:
        if lacking := _hindrance(protocol, inputs):
            return f"no protocol of '{name}' applies; {protocol.id}, for one, needs {lacking}"
    return f"no protocol of '{name}' divides by --normalizer {inputs.normaliser}; leave it out"
