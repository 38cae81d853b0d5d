"""Which image each row of somebody's output is of: by name, by landmarks, or by its place where the counts agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from methods.adapters.base import SPLITS, Outputs, Split, SplitTruth
from methods.adapters.matching import match_landmarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Truths = Mapping[Split, SplitTruth]


@dataclass(frozen=True)
class Joined:
    """Keypoints (N, K, 2) of every image of both splits, each once; ``notes`` say what is to be known of the joining.

    ``splits`` has for each image the first split that lists it.
    """

    ids: tuple[str, ...]
    splits: tuple[Split, ...]
    keypoints: NDArray[np.float64]
    notes: tuple[str, ...]

    def of(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """Keypoints of these images."""
        rows = {image_id: row for row, image_id in enumerate(self.ids)}
        return self.keypoints[[rows[image_id] for image_id in ids]]


@dataclass(frozen=True)
class _Rows:
    """The image of each row of an output, None where there is none."""

    ids: list[str | None]
    notes: list[str]


def join(outputs: Sequence[Outputs], truths: Truths) -> Joined:
    """Every image with its keypoints.

    Raises UserError where an image has none, or rows that differ, and where it cannot be told what the rows are of.
    """
    found: dict[str, tuple[NDArray[np.float64], str]] = {}
    notes: list[str] = []
    for output in outputs:
        rows = _rows(output, truths)
        notes += [*output.notes, *rows.notes]
        for image_id, points in zip(rows.ids, output.keypoints, strict=True):
            if image_id is None:
                continue
            before, source = found.setdefault(image_id, (points, output.source))
            if not np.array_equal(before, points):
                raise UserError(
                    f"{output.source}: image '{image_id}' has other keypoints than {_earlier(source, output)}; "
                    "expected one row an image"
                )
    _check_complete(found, truths, [output.source for output in outputs], notes)
    splits = _first_splits(truths)
    return Joined(
        ids=tuple(splits),
        splits=tuple(splits.values()),
        keypoints=np.stack([found[image_id][0] for image_id in splits]),
        notes=tuple(dict.fromkeys(notes)),
    )


def _earlier(source: str, output: Outputs) -> str:
    return "in an earlier row" if source == output.source else f"in {source}"


def _first_splits(truths: Truths) -> dict[str, Split]:
    """The images of both splits, each with the first that lists it."""
    splits: dict[str, Split] = {}
    for split in SPLITS:
        for image_id in truths[split].ids:
            splits.setdefault(image_id, split)
    return splits


def _check_complete(found: Mapping[str, object], truths: Truths, sources: Sequence[str], notes: Sequence[str]) -> None:
    for split, truth in truths.items():
        missing = [image_id for image_id in truth.ids if image_id not in found]
        if missing:
            what = f"no keypoints for {len(missing):,} of {len(truth.ids):,} images of split '{split}'"
            known = "".join(f"; {note}" for note in notes)
            raise UserError(f"{', '.join(dict.fromkeys(sources))}: {what}, first '{missing[0]}'{known}")


def _rows(output: Outputs, truths: Truths) -> _Rows:
    if output.names is not None:
        return _by_name(output, truths)
    if output.landmarks is not None:
        return _by_landmarks(output, truths)
    return _by_place(output, truths)


def _by_landmarks(output: Outputs, truths: Truths) -> _Rows:
    match = match_landmarks(output, truths[output.split] if output.split else _both(truths))
    return _Rows(match.ids, match.report(output.source))


def _both(truths: Truths) -> SplitTruth:
    """The images of both splits as one, each once."""
    seen: set[str] = set()
    kept: dict[Split, list[int]] = {}
    for split in SPLITS:
        ids = truths[split].ids
        kept[split] = [row for row, image_id in enumerate(ids) if image_id not in seen]
        seen |= set(ids)
    return SplitTruth(
        ids=tuple(truths[split].ids[row] for split in SPLITS for row in kept[split]),
        landmarks=np.concatenate([truths[split].landmarks[kept[split]] for split in SPLITS]),
        visible=np.concatenate([truths[split].visible[kept[split]] for split in SPLITS]),
    )


def _by_place(output: Outputs, truths: Truths) -> _Rows:
    count = len(output.keypoints)
    counts = {split: len(truths[split].ids) for split in ([output.split] if output.split else SPLITS)}
    fitting = [split for split, number in counts.items() if number == count]
    if len(fitting) == 1:
        note = f"{output.source}: names no images; its {count:,} rows are taken in the order of split '{fitting[0]}'"
        return _Rows(list(truths[fitting[0]].ids), [note])
    if fitting:
        raise UserError(
            f"{output.source}: names no images, and both splits have {count:,}; say which it is of: regress:FILE or "
            "test:FILE"
        )
    held = " and ".join(f"'{split}' has {number:,}" for split, number in counts.items())
    raise UserError(
        f"{output.source}: has {count:,} rows and names no images, and split {held}; expected one row an image in the "
        "split's order"
    )


def _by_name(output: Outputs, truths: Truths) -> _Rows:
    """By the whole name, with its ending or without, where that names any image; else by a part of it.

    Whole names are never taken for parts: an image that the task has is not another of the same file name.
    """
    names = output.names or ()
    if len(names) != len(output.keypoints):
        raise UserError(
            f"{output.source}: has {len(names):,} names for {len(output.keypoints):,} rows, expected as many"
        )
    every = tuple(_first_splits(truths))
    for key in (_plain, _bare):
        found = _look_up(names, every, key)
        if any(found):
            held = set(truths[output.split].ids if output.split else every)
            return _used(output, names, [image_id if image_id in held else None for image_id in found])
    return _used(output, names, _by_part(output, names, truths))


def _by_part(output: Outputs, names: Sequence[str], truths: Truths) -> list[str | None]:
    """By the file's name, or that without its ending, whichever fits most rows.

    What fits both splits is of the one that it leaves fewest images of.
    """
    readings: list[tuple[tuple[int, int, float], list[str | None]]] = []
    for split in [output.split] if output.split else [None, *SPLITS]:
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
        raise UserError(f"{output.source}: its names fit both splits alike; say which: regress:FILE or test:FILE")
    return chosen


def _used(output: Outputs, names: Sequence[str], found: list[str | None]) -> _Rows:
    extra = [name for name, image_id in zip(names, found, strict=True) if image_id is None]
    where = f"split '{output.split}'" if output.split else "the task"
    note = f"{output.source}: {len(extra):,} rows are of no image of {where}, first '{extra[0]}'" if extra else ""
    return _Rows(found, [note] if note else [])


def _look_up(names: Sequence[str], ids: Iterable[str], key: Callable[[str], str]) -> list[str | None]:
    """The image of each name by a part of both, as far as that part tells images apart, and names too."""
    parts = {image_id: key(image_id) for image_id in ids}
    counts, called = Counter(parts.values()), Counter(map(key, set(names)))
    known = {part: image_id for image_id, part in parts.items() if counts[part] == 1 and called[part] == 1}
    return [known.get(key(name)) for name in names]


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _bare(name: str) -> str:
    return str(PurePosixPath(_plain(name)).with_suffix(""))


def _file(name: str) -> str:
    return PurePosixPath(_plain(name)).name


def _stem(name: str) -> str:
    return PurePosixPath(_plain(name)).stem
