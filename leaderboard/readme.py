"""The generated tables in a README: written between markers, and checked for being fresh.

A block begins with ``<!-- leaderboard:PROFILE:SUITE -->`` and ends with ``<!-- /leaderboard -->``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from leaderboard.errors import LeaderboardError
from leaderboard.load import RESULTS, load_results, write_atomically
from leaderboard.tables import render, rows

_BEGIN = re.compile(r"<!-- leaderboard:([a-z0-9_]+):([a-z0-9_]+) -->\n")
_END = "<!-- /leaderboard -->"


def update(path: Path, suites: Mapping[str, Sequence[str]], results: Path = RESULTS) -> bool:
    """Rewrite the file's blocks from the committed results (``suites`` maps a name to its tasks); True if it changed.

    Raises LeaderboardError for a missing file, one without a block, an unknown suite, a block without its
    end or without results.
    """
    old = _read(path)
    pieces = _pieces(path, old, suites, results)
    new = "".join(fresh for _, _, fresh in pieces)
    if new != old:
        write_atomically(path, new)
    return new != old


def check(path: Path, suites: Mapping[str, Sequence[str]], results: Path = RESULTS) -> list[str]:
    """Names such as 'mini:wild' of the blocks that ``update`` would change. Raises as ``update`` does."""
    pieces = _pieces(path, _read(path), suites, results)
    return [name for name, present, fresh in pieces if present != fresh]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LeaderboardError(
            f"cannot read {path} ({error}); name a markdown file with a leaderboard block"
        ) from error


def _pieces(path: Path, text: str, suites: Mapping[str, Sequence[str]], results: Path) -> list[tuple[str, str, str]]:
    """The text in order as (block name or '', what is there, what should be)."""
    records = load_results(results)
    pieces, position = [], 0
    for begin in _BEGIN.finditer(text):
        profile, suite = begin.groups()
        name = f"{profile}:{suite}"
        if suite not in suites:
            raise LeaderboardError(f"{path} has a block for suite '{suite}', expected one of {', '.join(suites)}")
        end = text.find(_END, begin.end())
        if end < 0:
            raise LeaderboardError(f"{path}: block {name} has no end; add a line {_END}")
        table = rows(records, suites[suite], profile)
        if not any(row["kind"] == "measured" for row in table):
            raise LeaderboardError(
                f"{path}: no results for block {name} in {results}; commit the records of a run first"
            )
        pieces.append(("", text[position : begin.end()], text[position : begin.end()]))
        pieces.append((name, text[begin.end() : end], f"\n{render(table)}\n"))
        position = end
    if not pieces:
        raise LeaderboardError(f"{path} has no block; add lines <!-- leaderboard:mini:wild --> and {_END}")
    return [*pieces, ("", text[position:], text[position:])]
