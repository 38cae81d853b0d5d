"""Cells that measure every protocol, even one that no task uses, on points sampled from a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks.regress.cells import rounded
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.regress.compare import Cell
    from benchmarks.regress.references import Metrics
    from metrics.points import Points

WORLDS = ("close", "moving", "still")
KEYPOINTS, LANDMARKS = 6, 32
FIT, TEST = 90, 70
MORE, MOST = 100, 400  # images to fit on beside those of a random subset, and at most in all
RESAMPLES = 200
EYES = (0, 1)
PAIRS = (
    *((1, 6), (2, 7), (3, 8), (4, 9), (5, 10)),
    *((16, 24), (17, 25), (18, 26), (19, 27), (20, 28), (21, 29), (22, 30), (23, 31)),
)


def protocol_cells() -> dict[str, Cell]:
    """A cell for every protocol in every world, by ``protocols/<world>/<protocol>``.

    In all worlds three landmarks in ten are hidden and some lie outside the image. In "close" landmarks follow the
    keypoints to about 6 pixels of 256. In "moving" they follow less closely, a third of the images have left and right
    exchanged, a few are outliers and one shows no landmark. "still" is like "moving", but keypoints never move, so that
    regressions are rank deficient. There are 32 landmarks and 90 images to fit on, unless the protocol is for another
    number of landmarks, or fits on random subsets of more images. Keypoints of warped images are off by up to 5 % of
    the side in x and in y, and nine keypoints in ten are on the object.
    """
    return {f"protocols/{world}/{id}": partial(measure_protocol, world, id) for world in WORLDS for id in PROTOCOLS}


def measure_protocol(world: str, id: str) -> Metrics:
    """The value of a protocol in a world, with its interval, the state of its regression and its curve."""
    from metrics.scoring import score

    protocol = PROTOCOLS[id]
    landmarks = protocol.num_landmarks or LANDMARKS
    count = FIT if protocol.labelled is None else min(protocol.labelled + MORE, MOST)
    fit, test = points(world, count, landmarks), points(world, TEST, landmarks)
    found = score(id, fit, test, resamples=RESAMPLES, left_right_pairs=PAIRS, interocular=EYES)
    numbers = {"value": found.value}
    if found.ci_low is not None and found.ci_high is not None:
        numbers |= {"interval low": found.ci_low, "interval high": found.ci_high}
    if found.condition is not None:
        numbers["condition"] = found.condition
    numbers |= {f"with {labelled} labels": mean for labelled, mean, _ in found.curve}
    numbers |= {f"deviation with {labelled} labels": deviation for labelled, _, deviation in found.curve[:-1]}
    whole = {"version": found.protocol_version, "rank": int(found.rank), "rows": int(found.rows.sum())}
    return {**{name: rounded(number) for name, number in numbers.items()}, **whole}


@cache
def points(world: str, count: int, number: int) -> Points:
    """Sample ``count`` images of a world, with 6 keypoints and ``number`` landmarks each."""
    import numpy as np

    from metrics.points import Points

    stream = np.random.Generator(np.random.PCG64([WORLDS.index(world), count]))
    mixing = np.random.Generator(np.random.PCG64(7)).random((2 * KEYPOINTS, 2 * number)) - 0.5
    keypoints = stream.random((count, KEYPOINTS, 2))
    landmarks = 0.5 + ((keypoints - 0.5).reshape(count, -1) @ mixing).reshape(count, number, 2)
    landmarks += (0.06 if world == "close" else 0.1) * (stream.random(landmarks.shape) - 0.5)
    if world != "close":
        landmarks[stream.random(count) < 0.05] += 0.4  # outliers
        turned = stream.random(count) < 1 / 3
        landmarks[turned] = landmarks[turned][:, list(_exchanged(number))]
    if world == "still":
        keypoints[:] = keypoints[0]
    visible = stream.random((count, number)) < 0.7
    visible[:, EYES] = True
    visible[0] &= world == "close"
    corners, sizes = 0.2 * stream.random((count, 2)), 0.5 + 0.3 * stream.random((count, 2))
    ids = [f"{world}/{count}/{row}" for row in range(count)]
    return Points(
        keypoints=keypoints,
        landmarks=landmarks,
        visible=visible,
        groups=[f"group {row // 2}" for row in range(count)],
        ids=ids,
        boxes=np.concatenate([corners, sizes], axis=1),
        on_object=stream.random((count, KEYPOINTS)) < 0.9,
        warped=_warped(ids, keypoints) + 0.1 * (stream.random(keypoints.shape) - 0.5),
    )


def _warped(ids: Iterable[str], keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    from metrics.direct.warps import warp_of

    return np.stack([warp_of(image_id).apply(points) for image_id, points in zip(ids, keypoints, strict=True)])


def _exchanged(number: int) -> Iterator[int]:
    pairs = [pair for pair in PAIRS if max(pair) < number]
    partner = {**dict(pairs), **{right: left for left, right in pairs}}
    return (partner.get(landmark, landmark) for landmark in range(number))
