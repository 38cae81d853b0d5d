"""The frame of keypoints in [0, 1]: the image as methods see it, or the whole photograph that it was cut from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.importing.order import CLEARLY, SLIGHTLY, enough, explained, without_gaps
from methods.adapters.base import Outputs, Split, SplitTruth
from methods.adapters.conventions import PLACED_OUTSIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def in_seen_image(keypoints: Floats, seen: Floats) -> Floats:
    """Convert keypoints (N, K, 2) in whole photographs to the images that methods see, at ``seen`` (N, 4) in these."""
    return (keypoints - seen[:, None, :2]) / seen[:, None, 2:]


def convert_photos(
    keypoints: Floats,
    rows: Sequence[int],
    ids: Sequence[str],
    outputs: Sequence[Outputs],
    truths: Mapping[Split, SplitTruth],
) -> Floats:
    """Convert those keypoints (N, K, 2) that come from an output in the frame of photographs.

    ``rows`` are the keypoints' rows in the outputs together, ``ids`` their images. Raises UserError if the place of the
    images in the photographs is unknown, and if many keypoints would lie outside the images.
    """
    every = [np.full(len(output.keypoints), output.frame == "photo") for output in outputs]
    of_photo = np.concatenate(every)[list(rows)]
    if not of_photo.any():
        return keypoints
    source = ", ".join(output.source for output in outputs if output.frame == "photo")
    places: dict[str, Floats] = {}
    for truth in truths.values():
        if truth.seen is None:
            raise UserError(
                f"{source}: the place of the task's images in photographs is known for custom data alone; give "
                "positions in [0, 1] of the images as methods see them"
            )
        places |= dict(zip(truth.ids, truth.seen, strict=True))
    seen = np.array([places[image_id] for image_id in ids])[of_photo]
    converted = in_seen_image(keypoints[of_photo], seen)
    outside = ((converted < 0) | (converted > 1)).any(axis=2)
    if outside.mean() > PLACED_OUTSIDE:
        raise UserError(
            f"{source}: read as positions in whole photographs, {int(outside.sum()):,} of {outside.size:,} keypoints "
            "lie outside what methods see; expected the frame 'seen'"
        )
    found = keypoints.copy()
    found[of_photo] = converted
    return found


def check_frame(source: str, keypoints: Floats, truth: SplitTruth, option: str) -> list[str]:
    """Notes on keypoints (N, K, 2) of ``truth`` whose frame was not stated and that may be those of photographs.

    Raises UserError if they explain the landmarks much better so; ``option`` is the option that states the frame.
    """
    if truth.seen is None or not enough(keypoints):
        return []
    keypoints = without_gaps(keypoints)
    as_seen, as_photo = (
        explained(found, truth.landmarks, truth.visible) for found in (keypoints, in_seen_image(keypoints, truth.seen))
    )
    if as_photo <= as_seen + SLIGHTLY:
        return []
    text = (
        f"read as positions in the whole photographs they explain {as_photo:.0%} of the landmarks' variance, as "
        f"positions in what methods see {as_seen:.0%}; state the frame: {option}photo or {option}seen"
    )
    if as_photo > as_seen + CLEARLY:
        raise UserError(f"{source}: {text}")
    return [text]
