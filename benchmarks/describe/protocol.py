"""A protocol in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.describe.text import columns
from benchmarks.tasks import TASKS
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from metrics.protocols import Protocol


def protocol_error(name: str) -> str:
    """What a protocol measures and in what unit, in a line."""
    protocol = PROTOCOLS[name]
    return f"{protocol.summary}; {_unit(protocol)}"


def _unit(protocol: Protocol) -> str:
    return f"{protocol.unit}, {'higher' if protocol.higher_is_better else 'lower'} is better"


def protocol_card(protocol: Protocol) -> str:
    """All there is to know about a protocol."""
    images = {
        "macro": "mean with each image alike",
        "micro": "mean with each landmark alike",
        "per_landmark": "mean of each landmark over images, and the sum of these",
    }
    lines = [
        ("measures", protocol.summary),
        ("unit", _unit(protocol)),
        ("landmarks", _landmarks(protocol)),
        ("regression", _regression(protocol)),
        ("error", _landmark_error(protocol)),
        ("an image's", f"{protocol.over_landmarks} over its landmarks"),
        ("all images'", f"{images[protocol.aggregate]}; 95 % interval by bootstrap over groups of images"),
        ("needs", ", ".join(sorted(protocol.needs)) or "nothing but landmarks"),
        ("tasks", ", ".join(task.id for task in TASKS.values() if protocol.id in task.protocols) or "none"),
        ("version", str(protocol.version)),
        ("source", protocol.source),
    ]
    return f"protocol {protocol.id}\n{columns(lines)}"


def _landmarks(protocol: Protocol) -> str:
    """Which landmarks count, and in what frame."""
    rows = {
        "all": "all",
        "visible": "those that are visible",
        "positive": "those that are visible, with both coordinates above 0",
    }
    parts = [f"{rows[protocol.rows]}, in fitting and in measuring"]
    if protocol.landmarks is not None:
        parts.append(f"numbers {', '.join(map(str, protocol.landmarks))} alone")
    if protocol.frame == "box":
        parts.append("in sides of the annotated box")
    if protocol.grid is not None:
        parts.append(f"truncated to whole pixels of {protocol.grid}")
    if protocol.either_side:
        pairs = "the mistyped pairs of the released code" if protocol.sides == "either_mistyped" else "the card's pairs"
        parts.append(f"left and right may change places, if that suits an image better, by {pairs}")
        if protocol.test_swap == "landmarks":
            parts.append("in a test image the landmarks do, not the prediction, if more than 10 images want it")
    return "; ".join(parts)


def _regression(protocol: Protocol) -> str:
    """The regression in words."""
    source, target = "keypoints", "landmarks"
    if protocol.direction == "backward":
        source, target = target, source
    about = "with a bias" if protocol.intercept else f"without bias, about the image {protocol.origin}"
    parts = [f"linear, of {target} on {source}, {about}", f"solver {protocol.solver}"]
    if protocol.ridge:
        parts.append(f"weights penalised by {protocol.ridge:g} of the largest entry of the Gram matrix")
    if protocol.singular_ridge:
        parts.append(f"a singular matrix gets {protocol.singular_ridge:g} on its diagonal")
    if protocol.drop_outliers:
        parts.append("fitted again without images more than three standard deviations worse than the mean")
    if protocol.curve:
        parts.append("also with fewer labelled images")
    return "; ".join(parts)


def _landmark_error(protocol: Protocol) -> str:
    over = {
        "side": "the side",
        "interocular": "the distance between the eyes",
        "positive_landmarks": "the mean number of positive landmarks of an image",
    }
    kinds = {"l2": "distance", "l1": "sum of the absolute differences in x and y"}
    text = f"{kinds[protocol.error]} of predicted and annotated over {over[protocol.normaliser]}"
    text += f", times {protocol.scale:g}"
    if protocol.threshold is not None:
        text += f"; counted as 100 below {protocol.threshold:g}, else as 0"
    return text
