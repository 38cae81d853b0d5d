"""Descriptions of protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.printing import columns
from benchmarks.tasks import TASKS
from metrics.protocols import FAMILIES, PROTOCOLS, RECOMMENDED

if TYPE_CHECKING:
    from metrics.protocols import Family, Need, Protocol

RECOMMENDED_MARK = "; cite this one"


def family_card(family: Family) -> str:
    """What a family of protocols is, when to cite its numbers, and its protocols."""
    lines = [("what it is", family.summary), ("cite it", family.cite)]
    protocols = [
        (protocol.id, protocol_error(protocol.id) + (RECOMMENDED_MARK if protocol.id in RECOMMENDED else ""))
        for protocol in family.protocols
    ]
    return f"family of protocols {family.id}\n{columns(lines)}\n\nprotocols\n{columns(protocols)}"


def protocol_error(name: str) -> str:
    """Quantity and unit of a protocol, in one line."""
    protocol = PROTOCOLS[name]
    return f"{protocol.summary}; {_unit(protocol)}"


def _unit(protocol: Protocol) -> str:
    return f"{protocol.unit}, {'higher' if protocol.higher_is_better else 'lower'} is better"


_NEEDS: dict[Need, str] = {
    "interocular": "interocular",
    "left_right_pairs": "left_right_pairs",
    "boxes": "boxes",
    "masks": "masks of the objects",
    "two_keypoints": "two keypoints or more",
    "model": "the method itself, which finds keypoints in warped copies of the test images",
}


def protocol_card(protocol: Protocol) -> str:
    """Full description of a protocol."""
    images = {
        "macro": "mean over images, with equal weights",
        "micro": "mean over landmarks, with equal weights",
        "per_landmark": "sum over landmarks of their means over images",
    }
    of_parts = protocol.measures in ("parts_nmi", "parts_ari")
    over_images = "one value over all test images" if of_parts else images[protocol.aggregate]
    if protocol.regresses:
        steps = _steps(protocol)
    elif of_parts:
        steps = [("landmarks", "visible ones; each belongs to the nearest keypoint")]
    else:
        steps = [("landmarks", "none: it measures the keypoints themselves")]
    lines = [
        ("measures", protocol.summary),
        ("unit", _unit(protocol)),
        *steps,
        ("over images", f"{over_images}; 95 % interval by bootstrap over groups of images"),
        ("needs", ", ".join(_NEEDS[need] for need in sorted(protocol.needs)) or "landmarks only"),
        ("tasks", ", ".join(task.id for task in TASKS.values() if protocol.id in task.protocols) or "none"),
        *([] if protocol.digits is None else [("digits", f"{protocol.digits} significant digits in tables")]),
        ("family", f"{protocol.family}: {FAMILIES[protocol.family].summary}"),
        ("cite it", FAMILIES[protocol.family].cite),
        ("version", str(protocol.version)),
        ("source", protocol.source),
    ]
    return f"protocol {protocol.id}\n{columns(lines)}"


def _steps(protocol: Protocol) -> list[tuple[str, str]]:
    """The steps from keypoints to the error of an image."""
    return [
        ("landmarks", _landmarks(protocol)),
        ("regression", _regression(protocol)),
        ("absent", _absent(protocol)),
        ("error", _landmark_error(protocol)),
        ("per image", f"{protocol.over_landmarks} over its landmarks"),
    ]


def _landmarks(protocol: Protocol) -> str:
    """Landmarks that count, and their coordinate frame."""
    rows = {
        "all": "all",
        "visible": "visible ones",
        "positive": "visible ones with both coordinates above 0",
    }
    parts = [f"{rows[protocol.rows]}, for the regression and for the error"]
    if protocol.num_landmarks is not None:
        parts.append(f"only for annotations of {protocol.num_landmarks} landmarks")
    if protocol.landmarks is not None:
        parts.append(f"only numbers {', '.join(map(str, protocol.landmarks))}")
    if protocol.frame == "box":
        parts.append("in units of the annotated box's side")
    if protocol.grid is not None:
        parts.append(f"truncated to whole pixels of {protocol.grid}")
    if protocol.either_side:
        pairs = (
            "the mistyped pairs of the released code" if protocol.sides == "either_mistyped" else "the dataset's pairs"
        )
        parts.append(f"left and right are swapped in an image if that lowers its error, by {pairs}")
        if protocol.test_swap == "landmarks":
            parts.append(
                "in test images the annotation is swapped, not the prediction, if more than 10 images gain by it"
            )
    return "; ".join(parts)


def _regression(protocol: Protocol) -> str:
    """The linear regression and its solver."""
    source, target = "keypoints", "landmarks"
    if protocol.direction == "backward":
        source, target = target, source
    about = "with a bias" if protocol.intercept else f"without bias, about the image {protocol.origin}"
    parts = [f"linear, of {target} on {source}, {about}", f"solver {protocol.solver}"]
    if protocol.ridge:
        parts.append(f"ridge penalty of {protocol.ridge:g} times the largest entry of the Gram matrix")
    if protocol.singular_ridge:
        parts.append(f"{protocol.singular_ridge:g} is added to the diagonal of a singular matrix")
    if protocol.drop_outliers:
        parts.append(
            "fitted again without the images whose error exceeds the mean by more than three standard deviations"
        )
    if protocol.labelled is not None:
        parts.append(
            f"fitted on {protocol.labelled:,} random images, ten times, and the errors averaged; once on all images if "
            "there are no more"
        )
    if protocol.curve:
        parts.append("repeated with fewer labelled images")
    return "; ".join(parts)


def _absent(protocol: Protocol) -> str:
    """The rule for keypoints that a method has not found."""
    if protocol.direction == "backward":
        origin = "a keypoint that is not found is not fitted, and measured at the farthest corner of the image"
        completed = "each keypoint is fitted and measured on the images where it is found"
    else:
        place = "the mean of its places in the split regress" if protocol.intercept else f"the image {protocol.origin}"
        origin = f"a keypoint that is not found stands at {place}, where it adds nothing to a prediction"
        completed = (
            "a keypoint that is not found takes the place that a matrix of low rank gives it in an image of the "
            "split regress, and the mean of its places there in a test image"
        )
    return {"origin": origin, "completed": completed}[protocol.absent]


def _landmark_error(protocol: Protocol) -> str:
    """Error of one landmark."""
    over = {
        "side": "the side of the box" if protocol.frame == "box" else "the side of the image",
        "interocular": "the distance between the eyes"
        + (f", landmarks {protocol.eyes[0]} and {protocol.eyes[1]}" if protocol.eyes else ""),
        "positive_landmarks": "the mean number of positive landmarks of an image",
    }
    kinds = {"l2": "distance", "l1": "sum of the absolute differences in x and y"}
    text = f"{kinds[protocol.error]} between prediction and annotation, divided by {over[protocol.normaliser]}"
    text += f", times {protocol.scale:g}"
    if protocol.threshold is not None:
        text += f"; counted as 100 below {protocol.threshold:g}, else as 0"
    return text
