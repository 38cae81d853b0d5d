"""Facts about image files without decoding them: headers, hashes, and which files are copies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from os.path import isfile  # False, and no error, for a name that no file can have
from pathlib import Path

from datasets.base import DatasetError
from datasets.photos import Look, look

THREADS = 8
SUFFIXES = (
    *(".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".pnm"),
    *(".ppm", ".tif", ".tiff", ".webp"),
)
Sizes = Sequence[tuple[int, int] | None]


def look_at(files: Sequence[Path], left_out: dict[Path, str]) -> dict[Path, Look]:
    """The headers of the image files that exist; the reason why one cannot be read is added to ``left_out``."""

    def one(path: Path) -> Look | str | None:
        try:
            return look(path) if isfile(path) else None  # noqa: PTH113
        except DatasetError as error:
            return str(error)

    paths = list(dict.fromkeys(files))
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(paths, pool.map(one, paths), strict=True))
    left_out |= {path: answer for path, answer in found.items() if isinstance(answer, str)}
    return {path: answer for path, answer in found.items() if isinstance(answer, Look)}


def is_upright(stated: tuple[int, int] | None, header: Look | None) -> bool:
    """Whether an image is turned by its EXIF orientation: yes, unless the stated size fits only the stored pixels."""
    return header is None or stated is None or stated == header.upright or stated != header.stored


def remarks_on_turned(files: Sequence[Path], stated: Sizes, looks: dict[Path, Look]) -> tuple[str, ...]:
    """Remarks on images with an EXIF orientation, and on files of several images."""
    turned: set[Path] = set()
    stored: set[Path] = set()
    for path, size in zip(files, stated, strict=True):
        header = looks.get(path)
        if header is not None and header.orientation != 1:
            (turned if is_upright(size, header) else stored).add(path)
    remarks = []
    if turned:
        remarks.append(
            f"images turned upright by their EXIF orientation: {len(turned)}; labels are taken to be on the upright "
            "image (if they are on the stored pixels, remove the orientation from the files)"
        )
    if stored:
        remarks.append(
            f"images not turned, whatever their EXIF orientation says: {len(stored)}; the width and height of their "
            "annotations are those of the stored pixels"
        )
    several = [path for path in dict.fromkeys(files) if path in looks and looks[path].several]
    if several:
        remarks.append(f"files of several images: {len(several)} (first {several[0].name}); the first image is taken")
    return tuple(remarks)


def find_copies(names: Sequence[str], files: Sequence[Path], hashes: FileHashes) -> tuple[dict[str, str], int]:
    """For each name, the first name with the same contents; and the number of copies."""
    by_size: dict[int, dict[str, Path]] = {}
    for name, path in zip(names, files, strict=True):
        if isfile(path):  # noqa: PTH113
            by_size.setdefault(path.stat().st_size, {})[name] = path
    alike = {name: path for group in by_size.values() if len(set(group.values())) > 1 for name, path in group.items()}
    contents = dict(zip(alike, hashes(tuple(alike.values())), strict=True))
    first: dict[str | None, str] = {}
    for name in sorted(contents):
        first.setdefault(contents[name], name)
    originals = {name: name for name in names} | {name: first[content] for name, content in contents.items()}
    return originals, sum(name != original for name, original in originals.items())


class FileHashes:
    """The sha256 of files, each read once; None for a missing file."""

    def __init__(self) -> None:
        self._known: dict[Path, str | None] = {}

    def __call__(self, files: Sequence[Path]) -> list[str | None]:
        """The hash of each file."""
        new = [path for path in dict.fromkeys(files) if path not in self._known]
        with ThreadPoolExecutor(THREADS) as pool:
            self._known |= dict(zip(new, pool.map(_sha256, new), strict=True))
        return [self._known[path] for path in files]


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
