"""The predictions of one task, checked against its images: every mistake is found, not the first alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.importing.joining import Joined, join
from benchmarks.importing.order import check_placement
from benchmarks.submit.problems import Problem, short
from benchmarks.submit.rows import misplaced
from datasets.reading.frames import read_frame
from methods.adapters.arrays import read_array
from methods.adapters.base import ImportRequest, OutputError, Outputs
from methods.adapters.checks import as_points
from methods.adapters.neutral import Neutral
from methods.presence import absent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.adapters.base import Split, SplitTruth
    from methods.base import ImageStream


@dataclass(frozen=True)
class Checked:
    """The keypoints of all images of a task, None where something is wrong; ``notes`` are for the user."""

    joined: Joined | None
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def check_predictions(
    task: str, files: Mapping[str, Path], num_keypoints: int, truths: Mapping[Split, SplitTruth] | None
) -> Checked:
    """Read the files of a task, by the names that they have for the user, and check everything about them.

    ``truths`` are None if the dataset is not there; only the files themselves are checked then.
    """
    problems: list[Problem] = []
    outputs = [found for name, path in files.items() if (found := _read(name, path, num_keypoints, problems))]
    if len(outputs) < len(files) or truths is None:
        return Checked(None, (), tuple(problems + _repeated(outputs, {})))
    sources = ", ".join(output.source for output in outputs)
    problems += _about_ids(task, sources, outputs, truths)
    if problems:
        return Checked(None, (), tuple(problems))
    try:
        joined = join(outputs, truths)
        largest = max(truths.values(), key=lambda truth: len(truth.ids))
        notes = check_placement(sources, joined.of(largest.ids), largest, "exchange them, so that x comes first")
    except (OutputError, UserError) as error:
        return Checked(None, (), (Problem(f"task {task}", str(error)),))
    problems += _about_order(task, sources, outputs, joined, truths)
    return Checked(None if problems else joined, (*joined.notes, *notes), tuple(problems))


def _read(name: str, path: Path, num_keypoints: int, problems: list[Problem]) -> Outputs | None:
    """The keypoints of a file; None, with what is wrong added to ``problems``, if there is a mistake in it."""
    found = len(problems)
    try:
        array = read_array(str(path) if path.suffix == ".csv" else f"{path}:keypoints")
        points = as_points(name, array.values, array.headings)
        problems += _about_points(name, points, array.ids, num_keypoints)
        if len(problems) == found:
            (outputs,) = Neutral().read(_request(path, num_keypoints))
            return Outputs(name, outputs.keypoints, None, outputs.names, scores=outputs.scores)
    except OutputError as error:
        problems.append(Problem(name, _without(path, name, str(error))))
    return None


def _without(path: Path, name: str, text: str) -> str:
    """A message about a file without the folder that it was copied to."""
    for named in (f"{path}:keypoints: ", f"{path}: ", f"{path}, ", f"{name}: "):
        text = text.removeprefix(named)
    return text.replace(f"{path}", name).replace(f"{path.parent}/", "")


def _request(path: Path, num_keypoints: int) -> ImportRequest:
    """The request for one file, which needs neither landmarks nor images."""
    return ImportRequest((path,), num_keypoints, {}, _no_images, read_frame)


def _no_images(split: Split, size: int) -> ImageStream:
    raise OutputError("files of keypoints need no images")


def _about_points(name: str, points: NDArray[np.float64], ids: list[str] | None, num_keypoints: int) -> list[Problem]:
    """What is wrong with the points (N, K, 2) of a file and the number of its ids."""
    problems = []
    if points.shape[1] != num_keypoints:
        got = f"has K={points.shape[1]} keypoints per image"
        problems.append(Problem(name, got, f"K={num_keypoints} as the task has", "take the task with that K"))
    broken = (~np.isfinite(points).all(axis=2) & ~absent(points)).any(axis=1)
    if broken.any():
        row = int(broken.argmax())
        got = f"{int(broken.sum()):,} rows have a number that is not finite, first row {row}"
        expected = "numbers from 0 to 1, or NaN in x and y of a keypoint that was not found"
        problems.append(Problem(name, got, expected, "correct them"))
    outside = ((points < 0) | (points > 1)).any(axis=(1, 2))
    if outside.any():
        finite = points[np.isfinite(points)]
        row = int(outside.argmax())
        got = (
            f"{int(outside.sum()):,} rows have numbers outside [0, 1], first row {row}; the numbers run from "
            f"{finite.min():.4g} to {finite.max():.4g}"
        )
        remedy = "divide pixels by the image's side, with pixel i at i + 0.5"
        problems.append(Problem(name, got, "numbers from 0 to 1, the edges of the image", remedy))
    if ids is None:
        problems.append(Problem(name, "names no images", "image_id beside the keypoints", "add it"))
    elif len(ids) != len(points):
        problems.append(Problem(name, f"has {len(ids):,} ids for {len(points):,} rows", "one per row", "add them"))
    elif not all(isinstance(each, str) for each in ids):
        problems.append(Problem(name, "image_id is not one text per row", "an array (N,) of text", "save it so"))
    return problems


def _about_ids(
    task: str, sources: str, outputs: Sequence[Outputs], truths: Mapping[Split, SplitTruth]
) -> list[Problem]:
    """Ids that the task does not have, that are repeated, or that are missing."""
    known = {image_id for truth in truths.values() for image_id in truth.ids}
    problems = []
    for output in outputs:
        unknown = [name for name in output.names or () if name not in known]
        if unknown:
            got = f"{len(unknown):,} ids are of no image that is scored, first {short(unknown[0])}"
            expected = f"ids of the splits {' and '.join(truths)} of {task}, such as {short(min(known))}"
            problems.append(Problem(output.source, got, expected, "remove or correct these rows"))
    problems += _repeated(outputs, Counter(image_id for truth in truths.values() for image_id in truth.ids))
    given = {name for output in outputs for name in output.names or ()}
    for split, truth in truths.items():
        missing = [image_id for image_id in truth.ids if image_id not in given]
        if missing:
            got = f"no keypoints for {len(missing):,} of {len(truth.ids):,} images of the split {split}"
            problems.append(Problem(sources, f"{got}, first {short(missing[0])}", "one row per image", "add them"))
    return problems


def _repeated(outputs: Sequence[Outputs], allowed: Mapping[str, int]) -> list[Problem]:
    """Ids that stand in several rows; an image of two splits may have two rows that are equal."""
    rows: dict[str, list[tuple[str, bytes]]] = {}
    for output in outputs:
        for name, points in zip(output.names or (), output.keypoints, strict=True):
            rows.setdefault(name, []).append((output.source, points.tobytes()))
    repeated = [
        name
        for name, found in rows.items()
        if len(found) > max(1, allowed.get(name, 1)) or len({points for _, points in found}) > 1
    ]
    if not repeated:
        return []
    sources = ", ".join(dict.fromkeys(source for name in repeated for source, _ in rows[name]))
    got = f"{len(repeated):,} ids stand in several rows, first {short(repeated[0])}"
    return [Problem(sources, got, "one row per image", "leave one row of each")]


def _about_order(
    task: str, sources: str, outputs: Sequence[Outputs], joined: Joined, truths: Mapping[Split, SplitTruth]
) -> list[Problem]:
    """Splits whose keypoints stand beside the wrong ids."""
    names = [name for output in outputs for name in output.names or ()]
    rows = {name: row for row, name in enumerate(names)}
    problems = []
    for split, truth in truths.items():
        if found := misplaced(joined.of(truth.ids), [rows[image_id] for image_id in truth.ids], truth):
            remedy = "write each image's keypoints beside its own image_id"
            problems.append(Problem(f"{sources}, split {split} of {task}", found, "", remedy))
    return problems
