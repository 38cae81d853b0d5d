"""The generated tables in a README: written between markers, and checked for being fresh.

A block begins with ``<!-- leaderboard:PROFILE:SUITE -->`` and ends with ``<!-- /leaderboard -->``. Its rows are
those of its committed results, ``results/<suite>.<profile>.json``; a block of pairs of tasks takes those of all files
of its profile, and has a file of its own only for tasks that no other block shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

from leaderboard.errors import LeaderboardError
from leaderboard.kinds import MEASURED
from leaderboard.load import RESULTS, load_results, save_results, write_atomically
from leaderboard.misalignment import PAIR_SUITES, misalignment_rows, render_misalignment
from leaderboard.origins import origin_of, origins_line
from leaderboard.records import ResultRecord
from leaderboard.tables import VARIANT_SUITES, render, rows
from leaderboard.variants import with_variants, without_variants

_BEGIN = re.compile(r"<!-- leaderboard:([a-z0-9_]+):([a-z0-9_]+) -->\n")
_END = "<!-- /leaderboard -->"


def commit(
    path: Path,
    records: Iterable[ResultRecord],
    suites: Mapping[str, Sequence[str]],
    results: Path = RESULTS,
    warn: Callable[[str], None] | None = None,
) -> dict[Path, int]:
    """Make the records the committed results of the file's blocks; gives the files written, with their records.

    A record counts where it is done, without a --limit, and of a task and profile that a block shows; the results
    of a block without any such record stay as they are. Before anything is written, ``warn`` is told where the
    committed results will not be of one clean commit. Raises LeaderboardError where no block has a record, for a
    missing file, one without a block, and an unknown suite.
    """
    whole = [record for record in records if record.status == "done" and record.n_images_limit is None]
    lists = {}
    blocks = _blocks(path, _read(path), suites)
    for profile, suite in blocks:
        chosen = _shown(whole, suite, _own_tasks(suite, profile, blocks, suites), profile)
        if chosen:
            lists[results / f"{suite}.{profile}.json"] = chosen
    if not lists:
        raise LeaderboardError(f"none of the records is a finished cell, without --limit, of a block in {path}")
    if warn and (line := unclean(results, lists)):
        warn(line)
    for file, chosen in lists.items():
        save_results(chosen, file)
    return {file: len(chosen) for file, chosen in lists.items()}


def unclean(results: Path = RESULTS, instead: Mapping[Path, Sequence[ResultRecord]] | None = None) -> str:
    """One line where the committed results are not all of one clean commit, '' where they are.

    A result counts once for each file that has it. ``instead`` maps files to the records that will be in them.
    """
    lists = {file: load_results(results, file.stem) for file in sorted(results.glob("*.json"))} | dict(instead or {})
    return origins_line(origin_of(record) for records in lists.values() for record in records)


def gaps(records: Iterable[ResultRecord]) -> list[str]:
    """The cells that are missing for every method of the records to have every task of theirs with every seed."""
    there = {(record.method_label, record.task, record.seed) for record in records}
    labels, tasks, seeds = (sorted({cell[place] for cell in there}) for place in range(3))
    whole = product(labels, tasks, seeds)
    return [f"{label} on {task} with seed {seed}" for label, task, seed in whole if (label, task, seed) not in there]


def _own_tasks(
    suite: str, profile: str, blocks: Sequence[tuple[str, str]], suites: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    """The tasks that a block keeps results of; one of pairs only those that no other block of its profile keeps."""
    if suite not in PAIR_SUITES:
        return suites[suite]
    others = {name for there, name in blocks if there == profile and name not in (*PAIR_SUITES, *VARIANT_SUITES)}
    return [task for task in suites[suite] if not any(task in suites[name] for name in others)]


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


def _shown(records: Iterable[ResultRecord], suite: str, tasks: Sequence[str], profile: str) -> list[ResultRecord]:
    """The records that a block shows."""
    found = [record for record in records if record.profile == profile and record.task in tasks]
    return with_variants(found) if suite in VARIANT_SUITES else without_variants(found)


def _blocks(path: Path, text: str, suites: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Profile and suite of each block, in order."""
    found = [(begin[1], begin[2]) for begin in _BEGIN.finditer(text)]
    if not found:
        raise LeaderboardError(f"{path} has no block; add lines <!-- leaderboard:mini:wild --> and {_END}")
    for _, suite in found:
        if suite not in suites:
            raise LeaderboardError(f"{path} has a block for suite '{suite}', expected one of {', '.join(suites)}")
    return found


def _pieces(path: Path, text: str, suites: Mapping[str, Sequence[str]], results: Path) -> list[tuple[str, str, str]]:
    """The text in order as (block name or '', what is there, what should be)."""
    pieces, position = [], 0
    for (profile, suite), begin in zip(_blocks(path, text, suites), _BEGIN.finditer(text), strict=True):
        name = f"{profile}:{suite}"
        end = text.find(_END, begin.end())
        if end < 0:
            raise LeaderboardError(f"{path}: block {name} has no end; add a line {_END}")
        fresh = _block(path, name, suites[suite], results)
        pieces.append(("", text[position : begin.end()], text[position : begin.end()]))
        pieces.append((name, text[begin.end() : end], f"\n{fresh}\n"))
        position = end
    return [*pieces, ("", text[position:], text[position:])]


def _block(path: Path, name: str, tasks: Sequence[str], results: Path) -> str:
    """What a block should hold."""
    profile, suite = name.split(":")
    paired = suite in PAIR_SUITES
    records = load_results(results, f"{'*' if paired else suite}.{profile}")
    table = rows(records, tasks, profile, variants=suite in VARIANT_SUITES)
    pairs = misalignment_rows(records, tasks, profile) if paired else []
    if not any(row["kind"] in MEASURED for row in (pairs if paired else table)):
        raise LeaderboardError(
            f"{path}: no results for block {name} in {results}; save those of a run with --update {path} --runs DIR"
        )
    outdated = sorted({row["protocol"] for row in table if row["outdated"]})
    if outdated:
        raise LeaderboardError(
            f"{path}: the results of block {name} are of other versions of {', '.join(outdated)}; run again (which "
            f"only scores anew) and save with --update {path} --runs DIR"
        )
    return render_misalignment(pairs) if paired else render(table)
