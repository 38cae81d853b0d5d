"""Find the image of each row of imported keypoints: by name, by landmarks, or by row number if the counts agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.importing.frame import convert_photos
from methods.adapters.base import Outputs, Split, SplitTruth
from methods.adapters.matching import match_landmarks
from methods.presence import as_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Truths = Mapping[Split, SplitTruth]


@dataclass(frozen=True)
class Joined:
    """Keypoints (N, K, 2) of every image of the splits, each image once; ``notes`` are for the user.

    ``splits`` has for each image the first split that lists it, ``scores`` (N, K) how sure each keypoint is: those of
    the files, or else 1 for a keypoint that was found and 0 for others, or else None if all were found.
    """

    ids: tuple[str, ...]
    splits: tuple[Split, ...]
    keypoints: NDArray[np.float64]
    notes: tuple[str, ...]
    scores: NDArray[np.float64] | None = None

    def of(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """Keypoints of these images."""
        return self.keypoints[self._rows(ids)]

    def scores_of(self, ids: Sequence[str]) -> NDArray[np.float64] | None:
        """Scores of these images."""
        return None if self.scores is None else self.scores[self._rows(ids)]

    def _rows(self, ids: Sequence[str]) -> list[int]:
        rows = {image_id: row for row, image_id in enumerate(self.ids)}
        return [rows[image_id] for image_id in ids]


@dataclass(frozen=True)
class _Rows:
    """The image of each row of an output, None for a row without an image."""

    ids: list[str | None]
    notes: list[str]


def join(outputs: Sequence[Outputs], truths: Truths) -> Joined:
    """Find the keypoints of every image of the splits in ``truths``, which may be one split alone.

    Raises UserError for an image without keypoints, or with rows that differ, for rows whose images are unknown, and if
    only some outputs have scores.
    """
    keypoints = np.concatenate([output.keypoints for output in outputs])
    scores = _scores(outputs)
    found: dict[str, tuple[int, str]] = {}
    notes: list[str] = []
    start = 0
    for output in outputs:
        rows = _rows(output, truths)
        notes += [*output.notes, *rows.notes]
        for row, image_id in enumerate(rows.ids, start):
            if image_id is None:
                continue
            before, source = found.setdefault(image_id, (row, output.source))
            same = np.array_equal(keypoints[before], keypoints[row], equal_nan=True)
            if before != row and not (same and np.array_equal(scores[before], scores[row], equal_nan=True)):
                earlier = "in an earlier row" if source == output.source else f"in {source}"
                what = "scores" if same else "keypoints"
                raise UserError(
                    f"{output.source}: image '{image_id}' has other {what} than {earlier}; expected one row per image"
                )
        start += len(output.keypoints)
    _check_complete(found, truths, outputs, notes)
    splits = _first_splits(truths)
    chosen = [found[image_id][0] for image_id in splits]
    given = any(output.scores is not None for output in outputs)
    return Joined(
        ids=tuple(splits),
        splits=tuple(splits.values()),
        keypoints=convert_photos(keypoints[chosen], chosen, tuple(splits), outputs, truths),
        notes=tuple(dict.fromkeys(notes)),
        scores=scores[chosen] if given else as_scores(keypoints[chosen]),
    )


def _scores(outputs: Sequence[Outputs]) -> NDArray[np.float64]:
    """The scores (N, K) of all rows, 0 without any. Raises UserError if only some outputs have them."""
    without = [output.source for output in outputs if output.scores is None]
    if without and len(without) < len(outputs):
        others = ", ".join(output.source for output in outputs if output.scores is not None)
        raise UserError(f"{others} has scores, {', '.join(without)} has none; expected scores in all files or in none")
    return np.concatenate(
        [np.zeros(output.keypoints.shape[:2]) if output.scores is None else output.scores for output in outputs]
    )


def _first_splits(truths: Truths) -> dict[str, Split]:
    """Each image with the first split that lists it."""
    splits: dict[str, Split] = {}
    for split, truth in truths.items():
        for image_id in truth.ids:
            splits.setdefault(image_id, split)
    return splits


def _called(truths: Truths, split: Split | None) -> str:
    """The name of a split in messages."""
    return "the task" if split is None else truths[split].name or f"split '{split}'"


def _check_complete(
    found: Mapping[str, object], truths: Truths, outputs: Sequence[Outputs], notes: Sequence[str]
) -> None:
    for split, truth in truths.items():
        missing = [image_id for image_id in truth.ids if image_id not in found]
        if missing:
            sources = ", ".join(dict.fromkeys(output.source for output in outputs))
            names = next((output.names for output in outputs if output.names), None)
            example = f"; the file's names look like '{names[0]}'" if names and len(missing) == len(truth.ids) else ""
            known = "".join(f"; {note}" for note in notes)
            raise UserError(
                f"{sources}: no keypoints for {len(missing):,} of {len(truth.ids):,} images of "
                f"{_called(truths, split)}, first '{missing[0]}'{example}{known}"
            )


def _rows(output: Outputs, truths: Truths) -> _Rows:
    if output.names is not None:
        return _by_name(output, truths)
    if output.landmarks is not None:
        return _by_landmarks(output, truths)
    return _by_place(output, truths)


def _by_landmarks(output: Outputs, truths: Truths) -> _Rows:
    match = match_landmarks(output, truths[output.split] if output.split else _all_images(truths))
    return _Rows(match.ids, match.report(output.source))


def _all_images(truths: Truths) -> SplitTruth:
    """The images of all splits as one, each image once."""
    splits = _first_splits(truths)
    kept = {
        split: [row for row, image_id in enumerate(truth.ids) if splits[image_id] == split]
        for split, truth in truths.items()
    }
    return SplitTruth(
        ids=tuple(truths[split].ids[row] for split, rows in kept.items() for row in rows),
        landmarks=np.concatenate([truths[split].landmarks[rows] for split, rows in kept.items()]),
        visible=np.concatenate([truths[split].visible[rows] for split, rows in kept.items()]),
    )


def _by_place(output: Outputs, truths: Truths) -> _Rows:
    count = len(output.keypoints)
    candidates = [output.split] if output.split else list(truths)
    fitting = [split for split in candidates if len(truths[split].ids) == count]
    if len(fitting) == 1:
        note = (
            f"{output.source}: names no images; its {count:,} rows are taken in the order of "
            f"{_called(truths, fitting[0])}"
        )
        return _Rows(list(truths[fitting[0]].ids), [note])
    if fitting:
        raise UserError(
            f"{output.source}: names no images, and both splits have {count:,}; write regress:FILE or test:FILE"
        )
    wanted = " or ".join(
        f"{_called(truths, split)} ({len(ids):,}, from '{ids[0]}' to '{ids[-1]}')"
        for split in candidates
        if (ids := truths[split].ids)
    )
    raise UserError(
        f"{output.source}: names no images and has {count:,} rows; expected a row per image of {wanted}, in that order"
    )


def _by_name(output: Outputs, truths: Truths) -> _Rows:
    """Join by the full name, with or without its suffix, if that finds any image; else by the file name.

    If one full name is an image's id, no row is joined by its file name alone: it could be another image's.
    """
    names = output.names or ()
    if len(names) != len(output.keypoints):
        raise UserError(
            f"{output.source}: has {len(names):,} names for {len(output.keypoints):,} rows, expected one per row"
        )
    every = tuple(_first_splits(truths))
    for key in (_plain, _bare):
        found = _look_up(names, every, key)
        if any(found):
            held = set(truths[output.split].ids if output.split else every)
            return _used(output, truths, names, [image_id if image_id in held else None for image_id in found])
    return _used(output, truths, names, _by_part(output, names, truths))


def _by_part(output: Outputs, names: Sequence[str], truths: Truths) -> list[str | None]:
    """Join by the file name, with or without its suffix, whichever matches more rows.

    If the names match both splits, they belong to the split with the smaller share of images left out.
    """
    readings: list[tuple[tuple[int, int, float], list[str | None]]] = []
    for split in [output.split] if output.split else [None, *truths]:
        ids = truths[split].ids if split else tuple(_first_splits(truths))
        for level, key in enumerate((_file, _stem)):
            found = _look_up(names, ids, key)
            matched = [image_id for image_id in found if image_id is not None]
            readings.append(((len(matched), -level, len(set(matched)) / len(ids)), found))
    best = max(rank for rank, _ in readings)
    if not best[0]:
        example = next(iter(_first_splits(truths)))
        raise UserError(f"{output.source}: names no image of the task; it has '{names[0]}', the task '{example}'")
    chosen, *others = [found for rank, found in readings if rank == best]
    if any(found != chosen for found in others):
        raise UserError(f"{output.source}: its names match both splits equally well; write regress:FILE or test:FILE")
    return chosen


def _used(output: Outputs, truths: Truths, names: Sequence[str], found: list[str | None]) -> _Rows:
    extra = [name for name, image_id in zip(names, found, strict=True) if image_id is None]
    if not extra:
        return _Rows(found, [])
    where = _called(truths, output.split)
    return _Rows(found, [f"{output.source}: {len(extra):,} rows belong to no image of {where}, first '{extra[0]}'"])


def _look_up(names: Sequence[str], ids: Iterable[str], key: Callable[[str], str]) -> list[str | None]:
    """The image with the same ``key`` as each name; None if several images or several names have that key."""
    parts = {image_id: key(image_id) for image_id in ids}
    counts, called = Counter(parts.values()), Counter(map(key, set(names)))
    known = {part: image_id for image_id, part in parts.items() if counts[part] == 1 and called[part] == 1}
    return [known.get(key(name)) for name in names]


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _bare(name: str) -> str:
    path = PurePosixPath(_plain(name))
    return str(path).removesuffix(path.suffix)


def _file(name: str) -> str:
    return PurePosixPath(_plain(name)).name


def _stem(name: str) -> str:
    return PurePosixPath(_plain(name)).stem
