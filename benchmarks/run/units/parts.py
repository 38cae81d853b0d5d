"""The files of partial predictions: the names of parts, which tell their rows, and what a folder of parts belongs to.

``partial/<fit id>/<name>/00000256-00000512.parquet`` has the keypoints of the images 256 to 511 of a split, and
``partial/<fit id>/<name>.json`` says which split of which dataset that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.tasks import plain_name
from leaderboard.digests import content_digest
from leaderboard.files import replacing

if TYPE_CHECKING:
    from benchmarks.run.cells import Cell

_PART = re.compile(r"(\d{8,})-(\d{8,})\.parquet")


class About(BaseModel):
    """The content of ``<name>.json``, beside the folder ``name`` of parts.

    ``belongs_to`` is that of ``belongs_to``, and ``images`` the number of images of the ``split``. ``digest`` is that
    of all these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    belongs_to: dict[str, Any]
    split: str
    images: int
    num_keypoints: int
    digest: str = ""


def belongs_to(cell: Cell, fit_digest: str | None) -> dict[str, Any]:
    """Everything that the keypoints of a cell depend on, except the images' ids and the number of keypoints."""
    return {
        "fit": cell.fit_id,
        "fit_digest": fit_digest,
        "config": cell.config,
        "source": cell.source,
        "dataset": plain_name(cell.dataset),
        "digests": cell.digests,
    }


def write_about(folder: Path, about: About) -> None:
    """Write ``<name>.json`` beside a folder of parts, unless it is there. Raises OSError if that fails."""
    path = folder.with_name(f"{folder.name}.json")
    if path.exists():
        return
    sealed = about.model_copy(update={"digest": content_digest(about)})
    with replacing(path) as partial:
        partial.write_text(sealed.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_about(folder: Path) -> About:
    """What is written about a folder of parts. Raises ValueError, with the reason, if that is missing or damaged."""
    path = folder.with_name(f"{folder.name}.json")
    try:
        about = About.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("is missing") from None
    except (OSError, ValidationError):
        raise ValueError("cannot be read") from None
    if about.digest != content_digest(about):
        raise ValueError("has changed since it was written")
    if about.name != folder.name:
        raise ValueError(f"belongs to another folder, {about.name}")
    return about


def part_name(first: int, last: int) -> str:
    """The name of the part with the rows ``first`` to ``last`` (exclusive)."""
    return f"{first:08d}-{last:08d}.parquet"


def rows_of(name: str) -> tuple[int, int] | None:
    """The rows ``first`` and ``last`` (exclusive) of a part by its name; None for any other file."""
    found = _PART.fullmatch(name)
    return (int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) else None


def parts_by_first(names: Iterable[str]) -> dict[int, list[int]]:
    """The last rows (exclusive) of the parts in a folder by their first rows, the longest part first."""
    found: dict[int, list[int]] = {}
    for first, last in filter(None, map(rows_of, names)):
        found.setdefault(first, []).append(last)
    return {first: sorted(lasts, reverse=True) for first, lasts in found.items()}


def end_of(parts: Mapping[int, list[int]], first: int, last: int) -> int:
    """The row up to which parts follow one another from ``first`` on, at most ``last``."""
    row = first
    while row < last and row in parts:
        row = parts[row][0]
    return min(row, last)


def count_images(parts: Mapping[int, list[int]]) -> int:
    """The number of rows that at least one part has."""
    count = end = 0
    for first, lasts in sorted(parts.items()):
        count += max(0, lasts[0] - max(first, end))
        end = max(end, lasts[0])
    return count
