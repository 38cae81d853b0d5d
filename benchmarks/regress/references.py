"""The committed references: a JSON file a part of the grid, and the log of when and why they were rewritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import UserError, first_line
from benchmarks.regress.measures import BY_HAND, GONE, NEW, Finding, Value
from benchmarks.run.cells import content_hash
from leaderboard.files import write_atomically

LOG = "log.json"
KEPT = 20  # findings of a part that the log keeps
_SHORT = {NEW: "new", GONE: "gone", BY_HAND: "changed by hand"}

Metrics = dict[str, Value]


@dataclass(frozen=True)
class References:
    """All references: cells by id, each with its values by metric, and what each part was made with."""

    cells: dict[str, Metrics] = field(default_factory=dict)
    made_with: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_hand: tuple[str, ...] = ()


def part_of(cell: str) -> str:
    """The part of the grid that a cell belongs to: what its id has before the first slash."""
    return cell.partition("/")[0]


def read_references(folder: Path) -> References:
    """What is committed in a folder; ``by_hand`` names the parts whose file is not as the log left it.

    Raises UserError for a file that cannot be read.
    """
    entries = read_log(folder)
    last = {part: digest for entry in entries for part, digest in entry["parts"].items()}
    found, by_hand = References(), []
    for path in _files(folder):
        content = _read(path)
        try:
            cells = {cell: {name: _value(value) for name, value in m.items()} for cell, m in content["cells"].items()}
            found.made_with[path.stem] = dict(content["made_with"])
            digest = content_hash(content)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _unreadable(path, error) from error
        found.cells.update(cells)
        strangers = [cell for cell in cells if part_of(cell) != path.stem]
        if strangers or last.get(path.stem) != digest:
            by_hand.append(path.stem)
    return References(found.cells, found.made_with, tuple(by_hand))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The log's entries, oldest first; none where there is no log. Raises UserError for one that cannot be read."""
    path = folder / LOG
    if not path.exists():
        return []
    entries = _read(path)
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        raise _unreadable(path, ValueError("no list of entries with date, reason and parts"))
    return entries


def _is_entry(entry: Any) -> bool:
    whole = isinstance(entry, dict) and {"date", "reason", "parts"} <= entry.keys()
    return whole and isinstance(entry["parts"], dict)


def write_references(
    folder: Path,
    cells: Mapping[str, Metrics],
    findings: Mapping[str, Sequence[Finding]],
    made_with: Mapping[str, Any],
    date: str,
    reason: str,
) -> None:
    """Rewrite the parts that ``findings`` names, with those of ``cells`` that are theirs, and log why.

    A part without any cells is removed. Raises LeaderboardError where nothing can be written, UserError where the
    log cannot be read.
    """
    entries = read_log(folder)
    parts: dict[str, str | None] = {}
    for part in sorted(findings):
        path = folder / f"{part}.json"
        own = {cell: metrics for cell, metrics in cells.items() if part_of(cell) == part}
        if not own:
            path.unlink(missing_ok=True)
            parts[part] = None
            continue
        content = {"made_with": dict(made_with), "cells": own}
        write_atomically(path, _text(content))
        parts[part] = content_hash(_read(path))
    moved = {part: _lines(found) for part, found in sorted(findings.items())}
    entry = {"date": date, "reason": reason, "parts": parts, "moved": moved}
    write_atomically(folder / LOG, json.dumps([*entries, entry], indent=1, ensure_ascii=False) + "\n")


def _lines(findings: Sequence[Finding]) -> list[str]:
    lines = [
        f"{found.cell} {found.metric}: "
        + (_SHORT.get(found.meaning, "") if found.difference is None else f"{found.reference:.9g} -> {found.now:.9g}")
        for found in findings[:KEPT]
    ]
    return lines + ([f"and {len(findings) - KEPT} more"] if len(findings) > KEPT else [])


def _text(content: Mapping[str, Any]) -> str:
    """Sorted JSON with a line for each number, and one for each row of keypoints."""
    cells = []
    for cell, metrics in sorted(content["cells"].items()):
        lines = [f"   {json.dumps(name)}: {_shown(value)}" for name, value in sorted(metrics.items())]
        cells.append(f"  {json.dumps(cell)}: {{\n" + ",\n".join(lines) + "\n  }")
    made_with = json.dumps(content["made_with"], sort_keys=True)
    return '{\n "cells": {\n' + ",\n".join(cells) + f'\n }},\n "made_with": {made_with}\n}}\n'


def _shown(value: Value) -> str:
    if not isinstance(value, tuple):
        return json.dumps(int(value) if value.is_integer() else value, allow_nan=False)
    return "[\n" + ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in value) + "\n   ]"


def _value(value: Any) -> Value:
    return tuple(tuple(float(number) for number in row) for row in value) if isinstance(value, list) else float(value)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.glob("*.json") if path.name != LOG)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is no file of references ({first_line(error)}); restore it from version control")
