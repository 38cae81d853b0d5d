"""What a run directory holds: cells, fits, checkpoints and unfinished predictions."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from benchmarks.records.digests import FIT
from benchmarks.records.listing import Folder
from benchmarks.records.store import RESULT
from benchmarks.run.units.parts import About, count_images, parts_by_first, read_about
from methods.checkpoints import FILE, steps_done

CHECKPOINTS = ".partial"  # end of the name of a folder with the checkpoints of a fit
_HEAD = 200  # bytes, which hold the status of a record
_STATUS = re.compile(rb'\{\s*(?:"schema_version":\s*\d+,\s*)?"status":\s*"(done|failed)"')


@dataclass(frozen=True)
class Cells:
    """The ids of the finished cells, the reasons of the failed ones by id, and the cells whose record is not there.

    ``predictions`` is the number of files of keypoints that the finished cells have, one for each split.
    """

    done: frozenset[str]
    failed: dict[str, str]
    unreadable: tuple[str, ...]
    predictions: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of an unfinished fit, with the steps that are done (None: unknown)."""

    fit: str
    steps: int | None


@dataclass(frozen=True)
class Unfinished:
    """Predictions that are not yet in a cell: ``predicted`` of the ``images`` of a split. ``parts`` are their rows.

    ``about`` is None, and ``images`` too, if the folder does not say what it belongs to.
    """

    fit: str
    parts: dict[int, list[int]]
    about: About | None

    @property
    def dataset(self) -> str:
        """The name of the images' dataset, '' if it is not known."""
        return str(self.about.belongs_to.get("dataset", "")) if self.about else ""

    @property
    def predicted(self) -> int:
        """The number of images whose keypoints are there."""
        return count_images(self.parts)

    @property
    def images(self) -> int | None:
        """The number of images of the split."""
        return self.about.images if self.about else None


def cells_in(output: Path, there: Folder) -> Cells:
    """The cells of a run directory by what the first lines of their records say."""
    done, failed, unreadable, predictions = set[str](), {}, [], 0
    for name, folder in sorted(there.inside("cells").folders.items()):
        path = output / "cells" / name / RESULT
        state = _state(path) if RESULT in folder.files else "unreadable"
        if state == "done":
            done.add(name)
            predictions += sum(file.startswith("predictions_") for file in folder.files)
        elif state == "failed":
            failed[name] = _reason(path)
        elif folder.size:
            unreadable.append(name)
    return Cells(frozenset(done), failed, tuple(unreadable), predictions)


def fits_in(there: Folder) -> set[str]:
    """The names of the fits that are kept."""
    return {name for name, folder in there.inside("fits").folders.items() if FIT in folder.files}


def sets_in_use(output: Path, cells: Cells) -> set[tuple[str, str]]:
    """The fit and the dataset of each recorded cell."""
    found = set()
    for name in [*cells.done, *cells.failed]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            record = from_json((output / "cells" / name / RESULT).read_bytes())
            found.add((str(record["provenance"]["fit_id"]), str(record["dataset"])))
    return found


def checkpoints_in(output: Path, there: Folder) -> list[Checkpoint]:
    """The checkpoints of fits that are not finished."""
    folders = there.inside("fits").folders
    return [
        Checkpoint(name.removesuffix(CHECKPOINTS), steps_done(output / "fits" / name / FILE))
        for name, folder in sorted(folders.items())
        if name.endswith(CHECKPOINTS) and folder.files and name.removesuffix(CHECKPOINTS) not in folders
    ]


def unfinished_in(output: Path, there: Folder) -> list[Unfinished]:
    """The predictions in ``partial/``, by fit and split."""
    found = []
    for fit, folder in sorted(there.inside("partial").folders.items()):
        for name, parts in sorted(folder.folders.items()):
            try:
                about = read_about(output / "partial" / fit / name)
            except ValueError:
                about = None
            found.append(Unfinished(fit, parts_by_first(parts.files), about))
    return found


def _state(path: Path) -> str:
    """The status of a record, from its first bytes or, where they are of another layout, from all of it."""
    try:
        with path.open("rb") as file:
            if found := _STATUS.match(file.read(_HEAD)):
                return found[1].decode()
        return str(from_json(path.read_bytes())["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def _reason(path: Path) -> str:
    try:
        return str(from_json(path.read_bytes())["failure"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return "its record cannot be read"
