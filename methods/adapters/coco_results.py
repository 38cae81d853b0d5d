"""Keypoints in COCO's format of results, which most pose estimators write for the COCO evaluation server.

A json list with an entry per detection: ``image_id``, ``category_id``, ``keypoints`` [x0, y0, s0, x1, y1, s1, ...] and
``score`` (https://cocodataset.org/#format-results). Keypoints are (x, y) in pixels of the photograph; as in COCO's
annotations, pixel ``i`` is ``i``. Of several detections in an image the one with the highest score is used. The third
number of a keypoint is its score; a keypoint 0, 0, 0 was not found.

The annotations (a COCO json with ``images`` and, for tasks whose images are crops, ``annotations``) name the image of
each id, and tell where the task's images lie in the photographs. Some tools write the file's name as
``image_id``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from methods import limits
from methods.adapters.base import FormatCard, ImportRequest, OutputError, OutputFormat, Outputs, first_line
from methods.adapters.checks import check_points, check_scores, stand_in_notes
from methods.adapters.placing import SIZE, Labels, frames_of, match, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1e300  # of a number: larger whole numbers have no float


class Annotations(NamedTuple):
    """The file name of each image id, and the landmarks of images with one annotated object."""

    path: Path
    names: dict[str, str]
    labels: Labels


class CocoResults(OutputFormat):
    """Files of results, and the annotations that define their image ids."""

    card: ClassVar[FormatCard] = FormatCard(
        id="coco_results",
        name="COCO keypoint results",
        summary="a json list of image_id, keypoints [x, y, s, ...], score",
        files="results.json, and the COCO annotations (json with images, annotations) that define its image_ids",
        order="xy",
        range="pixels of the photograph",
        pixels="pixel i is i",
        code="https://cocodataset.org/#format-results",
    )
    options: ClassVar[Mapping[str, str]] = {"size": SIZE}

    def read(self, request: ImportRequest) -> list[Outputs]:
        """Read keypoints by image name. Raises OutputError for unknown ids, and for images whose frame is unknown."""
        documents = {path: _load(path) for path in request.paths}
        results = [path for path, document in documents.items() if isinstance(document, list)]
        stated = [_annotations(path, document) for path, document in documents.items() if isinstance(document, dict)]
        if not results:
            raise OutputError(f"{request.paths[0]}: holds no list of detections, expected COCO's format of results")
        names = {key: name for each in stated for key, name in each.names.items()}
        best = _best(results, documents, names, request.num_keypoints)
        source = ", ".join(path.name for path in results)
        ids = [image_id for truth in request.splits.values() for image_id in truth.ids]
        several = next((image_id for image_id in ids if image_id.rpartition("#")[0] in best), None)
        if several is not None:
            raise OutputError(
                f"{source}: image '{several}' is one of several objects of its photograph, and results do not say "
                "which object a detection is of; leave such photographs out of the task"
            )
        images = match(list(best), ids)
        keypoints = {image: best[name][:, :2] for name, image in images.items()}
        if not keypoints:
            raise OutputError(f"{source}: no image of the task among '{next(iter(best))}' and {len(best) - 1} more")
        remedy = "name the COCO json with its landmarks too"
        frame_of = frames_of(request, [each.labels for each in stated], source, keypoints, "photograph", remedy)
        placed = place(source, keypoints, frame_of)
        left = len(best) - len(placed)
        notes = stand_in_notes(source, np.stack(list(keypoints.values())))
        notes += [f"{left:,} images of {source} are not of the task"] if left else []
        points = np.stack(list(placed.values()))
        scores = check_scores(source, np.stack([best[name][:, 2] for name in images]), points)
        return [Outputs(source, points, names=tuple(placed), notes=tuple(notes), scores=scores)]


def _best(
    paths: list[Path], documents: Mapping[Path, Any], names: Mapping[str, str], num_keypoints: int
) -> dict[str, NDArray[np.float64]]:
    """The keypoints (K, 3) of the best detection of each image, x, y in pixels and score, by the image's name."""
    scores: dict[str, float] = {}
    best: dict[str, NDArray[np.float64]] = {}
    for path in paths:
        for index, entry in enumerate(documents[path]):
            where = f"{path}, detection {index}"
            if not isinstance(entry, dict) or not {"image_id", "keypoints"} <= entry.keys():
                raise OutputError(f"{where}: got {entry!a:.60}, expected an object with image_id, keypoints and score")
            name = _name(where, entry["image_id"], names)
            score = entry.get("score", 0.0)
            if type(score) not in (int, float) or not -LARGEST < score < LARGEST:
                raise OutputError(f"{where}: got the score {score!a:.60}, expected a number")
            points = _points(where, entry["keypoints"], num_keypoints)
            if name not in best or score > scores[name]:
                best[name], scores[name] = points, float(score)
    if not best:
        raise OutputError(f"{', '.join(map(str, paths))}: no detections, expected one for every image")
    return best


def _name(where: str, image_id: Any, names: Mapping[str, str]) -> str:
    if str(image_id) in names:
        return names[str(image_id)]
    if names and not isinstance(image_id, str):
        raise OutputError(
            f"{where}: image_id {image_id!a:.60} is not among the {len(names):,} images of the annotations"
        )
    if not isinstance(image_id, str) or image_id.isdecimal():
        raise OutputError(
            f"{where}: image_id {image_id!a:.60} is a number; name the COCO json that says which image it is"
        )
    return image_id


def _points(where: str, values: Any, num_keypoints: int) -> NDArray[np.float64]:
    """Keypoints (K, 3) of one detection: x, y, score; x and y are NaN for one that was not found."""
    if not isinstance(values, list) or len(values) != 3 * num_keypoints:
        got = f"{len(values)} numbers" if isinstance(values, list) else f"{values!a:.60}"
        raise OutputError(f"{where}: got {got} for keypoints, expected x, y, score of each of K={num_keypoints}")
    if any(type(value) not in (int, float) or abs(value) > LARGEST for value in values):
        raise OutputError(f"{where}: has keypoints that are not all numbers")
    points = np.array(values, dtype=np.float64).reshape(-1, 3)
    points[(points == 0).all(axis=1), :2] = np.nan
    if np.isnan(points[:, :2]).all():
        return points
    keypoints = check_points(where, points[None, :, :2], num_keypoints, gaps=True)
    check_scores(where, points[None, :, 2], keypoints)
    return points


def _annotations(path: Path, document: dict[str, Any]) -> Annotations:
    """Read the image names and landmarks of a COCO json."""
    try:
        names = {str(image["id"]): str(image["file_name"]) for image in document["images"]}
        objects: dict[str, list[Any]] = {}
        for entry in document.get("annotations", ()):
            if entry.get("keypoints") and any(entry["keypoints"][2::3]) and not entry.get("iscrowd"):
                objects.setdefault(names[str(entry["image_id"])], []).append(entry["keypoints"])
        points = {}
        for name, (numbers, *others) in objects.items():
            if not others:
                values = np.array(numbers, dtype=np.float64).reshape(-1, 3)
                if not np.isfinite(values).all():
                    raise ValueError(f"image '{name:.200}' has keypoints that are not finite")
                points[name] = values[:, :2], values[:, 2] > 0
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise OutputError(f"{path}: COCO annotations could not be read ({type(error).__name__}: {error})") from error
    return Annotations(path, names, Labels(str(path), points))


def _load(path: Path) -> Any:
    """Read a list of detections, or an object with images."""
    try:
        data = path.read_bytes()
        limits.check(limits.json_bytes(data), limits.JSON_BYTES, "bytes in memory, as estimated")
        document = json.loads(data)
    except limits.LimitError as error:
        raise OutputError(f"{path}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise OutputError(
            f"cannot read {path}: {first_line(error)}; expected a json of COCO's results or annotations"
        ) from error
    if not isinstance(document, list | dict) or (isinstance(document, dict) and "images" not in document):
        raise OutputError(f"{path}: expected a list of detections, or an object with images and annotations")
    return document
