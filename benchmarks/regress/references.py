"""The committed references: a JSON file for each part of the grid, and a log with date and reason of each update."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from benchmarks.errors import UserError, first_line
from benchmarks.run.cells import content_hash
from leaderboard.files import write_atomically

LOG = "log.json"
KEPT = 20  # findings of a part that the log keeps

Metrics = dict[str, Any]  # a cell's values by name: numbers, settings, or rows of keypoints
_Read = TypeVar("_Read")


class Part(BaseModel):
    """The file of a part: its cells, and the machine and libraries that it was made with."""

    model_config = ConfigDict(extra="forbid")

    cells: dict[str, Metrics]
    made_with: dict[str, Any]


class Entry(BaseModel):
    """An entry of the log: the rewritten parts with the hash of each file (None: removed), and what moved."""

    model_config = ConfigDict(extra="forbid")

    date: str
    reason: str
    parts: dict[str, str | None]
    moved: dict[str, list[str]]


@dataclass(frozen=True)
class References:
    """All references: cells by id, what each part was made with, and the parts that were changed ``by_hand``."""

    cells: dict[str, Metrics] = field(default_factory=dict)
    made_with: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()


def part_of(cell: str) -> str:
    """The part of the grid that a cell belongs to: its id up to the first slash."""
    return cell.partition("/")[0]


def read_references(folder: Path) -> References:
    """Read the references of a folder; ``by_hand`` names the parts whose file differs from its hash in the log.

    Raises UserError for a file that cannot be read.
    """
    left = {part: digest for entry in read_log(folder) for part, digest in entry.parts.items()}
    found, by_hand = References(), []
    for path in sorted(set(folder.glob("*.json")) - {folder / LOG}):
        part = read_json(path, Part)
        found.cells.update(part.cells)
        found.made_with[path.stem] = part.made_with
        if left.get(path.stem) != _digest(part) or any(part_of(cell) != path.stem for cell in part.cells):
            by_hand.append(path.stem)
    return References(found.cells, found.made_with, tuple(by_hand))


def read_log(folder: Path) -> list[Entry]:
    """Read the log's entries, oldest first; none if there is no log. Raises UserError if it cannot be read."""
    path = folder / LOG
    return read_json(path, list[Entry]) if path.exists() else []


def read_json(path: Path, kind: type[_Read]) -> _Read:
    """Read a JSON file of that kind. Raises UserError for one that is unreadable or of another kind."""
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}); restore it from version control") from error


def write_references(
    folder: Path,
    cells: Mapping[str, Metrics],
    moved: Mapping[str, Sequence[str]],
    made_with: Mapping[str, Any],
    date: str,
    reason: str,
) -> None:
    """Rewrite the parts in ``moved``, and log the reason with the first lines of each; a part without cells is removed.

    Raises LeaderboardError if a file cannot be written, UserError if the log cannot be read.
    """
    entries = read_log(folder)
    digests: dict[str, str | None] = {}
    for name in sorted(moved):
        path = folder / f"{name}.json"
        part = Part(cells={cell: cells[cell] for cell in cells if part_of(cell) == name}, made_with=dict(made_with))
        if part.cells:
            write_atomically(path, _text(part))
        else:
            path.unlink(missing_ok=True)
        digests[name] = _digest(part) if part.cells else None
    lines = {name: _cut(moved[name]) for name in sorted(moved)}
    entry = Entry(date=date, reason=reason, parts=digests, moved=lines)
    log = [each.model_dump() for each in (*entries, entry)]
    write_atomically(folder / LOG, json.dumps(log, indent=1, ensure_ascii=False) + "\n")


def _digest(part: Part) -> str:
    return content_hash(part.model_dump())


def _cut(lines: Sequence[str]) -> list[str]:
    return [*lines[:KEPT], *([f"and {len(lines) - KEPT} more"] if len(lines) > KEPT else [])]


def _text(part: Part) -> str:
    """Sorted JSON with a line for each value, and one for each row of keypoints."""
    cells = []
    for cell, metrics in sorted(part.cells.items()):
        lines = [f"   {json.dumps(name)}: {_shown(value)}" for name, value in sorted(metrics.items())]
        cells.append(f"  {json.dumps(cell)}: {{\n" + ",\n".join(lines) + "\n  }")
    made_with = json.dumps(part.made_with, sort_keys=True)
    return '{\n "cells": {\n' + ",\n".join(cells) + f'\n }},\n "made_with": {made_with}\n}}\n'


def _shown(value: Any) -> str:
    if not (isinstance(value, list) and value and isinstance(value[0], list)):
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in value) + "\n   ]"
