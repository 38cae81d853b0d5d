"""Find images by names that another system wrote: Windows paths, absolute paths, URLs."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote

_ELSEWHERE = re.compile(r"/|[A-Za-z0-9]+:/")


def find_files(names: Iterable[str], folders: Sequence[Path]) -> dict[str, Path]:
    """The file of each name in the first folder that has it; if none has it, its path in the first folder.

    Tried in turn: the name; the name with / for \\; its suffix in lower or upper case; with %20 and the like decoded,
    accents composed or decomposed; and, for an absolute path or a URL, the longest run of its last parts that is a
    file. Two names never get the same file by their last parts.
    """
    names = tuple(dict.fromkeys(names))
    readings = {name: list(_readings(name)) for name in names}
    found = {name: path for name in names if (path := _first(readings[name], folders)) is not None}
    guessed = {name: path for name in names if name not in found if (path := _by_tail(readings[name][-1], folders))}
    used = Counter([*found.values(), *guessed.values()])
    found |= {name: path for name, path in guessed.items() if used[path] == 1}
    return {name: found.get(name, folders[0] / name) for name in names}


def advice(name: str, folders: Sequence[Path]) -> str:
    """Advice for a missing image of this name."""
    looked = f"looked for in {', '.join(str(folder) for folder in folders)}"
    if _ELSEWHERE.match(name.replace("\\", "/")):
        kind = "an address" if re.match(r"\w\w+:/", name) else "a path of another system"
        return f"{looked}; the name is {kind}: write it as it is from the json's folder"
    return f"{looked}; put it back, or take its entry out"


def _readings(name: str) -> Iterable[str]:
    plain = unquote(name.replace("\\", "/"))
    stem, dot, ending = plain.rpartition(".")
    yield from (name, name.replace("\\", "/"), f"{stem}{dot}{ending.lower()}", f"{stem}{dot}{ending.upper()}")
    yield from (unicodedata.normalize("NFC", plain), unicodedata.normalize("NFD", plain), plain)


def _first(names: Iterable[str], folders: Sequence[Path]) -> Path | None:
    places = (os.path.join(folder, name) for name in dict.fromkeys(names) for folder in folders)  # noqa: PTH118  (fast)
    return next((Path(place) for place in places if os.path.isfile(place)), None)  # noqa: PTH113  (any name will do)


def _by_tail(name: str, folders: Sequence[Path]) -> Path | None:
    if not _ELSEWHERE.match(name):
        return None
    parts = [part for part in re.split(r"[/?=&]", name) if part not in ("", ".", "..")]
    return _first(("/".join(parts[start:]) for start in range(len(parts))), folders)
