"""The generated parts of a page such as README.md: written between markers, and checked for being fresh.

``<!-- leaderboard:PROFILE:SUITE -->`` begins a results table that ends with ``<!-- /leaderboard -->``. Its rows come
from the committed results, ``results/<suite>.<profile>.json``. ``PROFILE:SUITE:TASK,TASK`` shows only these tasks of
the suite. A block of pairs of tasks reads all result files of its profile, and has a file of its own only for tasks
that no other block shows.

``<!-- list:NAME -->`` begins a list that ends with ``<!-- /list -->``, such as that of the methods. The caller says
what lists there are and makes their text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

from leaderboard.errors import LeaderboardError
from leaderboard.files import write_atomically
from leaderboard.load import RESULTS, load_results, save_results
from leaderboard.origins import origin_of, origins_line
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.suites import Suite
from leaderboard.tables import TABLES, rows

Suites = Mapping[str, Suite]
Lists = Mapping[str, Callable[[], str]]  # the text of a list by its name
_BEGIN = re.compile(r"<!-- (leaderboard|list):([a-z0-9_:,]+) -->\n")


def commit(
    paths: Sequence[Path],
    records: Iterable[ResultRecord],
    suites: Suites,
    results: Path = RESULTS,
    warn: Callable[[str], None] | None = None,
) -> dict[Path, int]:
    """Make the records the committed results of the results tables in these pages.

    Returns the written files with their numbers of records. A record is taken if it is done, was run without
    ``--limit``, and belongs to the suite and profile of a table. The results of a table without any such record stay
    as they are. Before anything is written, ``warn`` is called if the committed results will not come from one clean
    commit. Raises LeaderboardError if no table has a record, for a missing page, a page without a results table and an
    unknown suite.
    """
    whole = [record for record in records if record.status == "done" and record.n_images_limit is None]
    lists = {}
    named = dict.fromkeys(board for path in paths for board in _boards(path, suites))
    blocks = [(profile, suites[suite]) for profile, suite in named]
    for profile, suite in blocks:
        plain = [each for there, each in blocks if there == profile and each.kind == "plain"]
        others = {task for each in plain for task in each.tasks}
        table = TABLES[suite.kind]
        tasks = table.kept_tasks(suite.tasks, others)
        chosen = table.records(record for record in whole if record.profile == profile and record.task in tasks)
        if chosen:
            lists[results / f"{suite.name}.{profile}.json"] = chosen
    if not lists:
        where = ", ".join(map(str, paths))
        raise LeaderboardError(f"none of the records is a finished cell, without --limit, of a block in {where}")
    if warn and (line := unclean(results, lists)):
        warn(line)
    for file, chosen in lists.items():
        save_results(chosen, file)
    return {file: len(chosen) for file, chosen in lists.items()}


def unclean(results: Path = RESULTS, instead: Mapping[Path, Sequence[ResultRecord]] | None = None) -> str:
    """A line that says why the committed results are not all of one clean commit, '' if they are.

    A result counts once per file that holds it. ``instead`` maps files to the records that will replace theirs.
    """
    lists = {file: load_results(results, file.stem) for file in sorted(results.glob("*.json"))} | dict(instead or {})
    return origins_line(origin_of(record) for records in lists.values() for record in records)


def gaps(records: Iterable[ResultRecord]) -> list[str]:
    """The cells that are missing if every method of the records should have every task with every seed."""
    there = {(record.method_label, record.task, record.seed) for record in records}
    labels, tasks, seeds = (sorted({cell[place] for cell in there}) for place in range(3))
    whole = product(labels, tasks, seeds)
    return [f"{label} on {task} with seed {seed}" for label, task, seed in whole if (label, task, seed) not in there]


def update(path: Path, suites: Suites, results: Path = RESULTS, lists: Lists | None = None) -> bool:
    """Rewrite the generated parts of a page; True if the page changed.

    Raises LeaderboardError for a missing page, a page without a block, an unknown suite, task or list, a block without
    its end, and a results table without results.
    """
    old = _read(path)
    new = "".join(fresh for _, _, fresh in _pieces(path, old, suites, results, lists or {}))
    if new != old:
        write_atomically(path, new)
    return new != old


def check(path: Path, suites: Suites, results: Path = RESULTS, lists: Lists | None = None) -> list[str]:
    """Names of the blocks that ``update`` would change, such as 'mini:wild'. Raises as ``update`` does."""
    pieces = _pieces(path, _read(path), suites, results, lists or {})
    return [name for name, present, fresh in pieces if present != fresh]


def has_block(path: Path, kinds: Sequence[str] = ("leaderboard", "list")) -> bool:
    """Whether a page has a generated part of these kinds. Raises LeaderboardError for a page that cannot be read."""
    return any(begin[1] in kinds for begin in _BEGIN.finditer(_read(path)))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LeaderboardError(
            f"cannot read {path} ({error}); name a markdown file with a block <!-- leaderboard:mini:wild -->"
        ) from error


def _boards(path: Path, suites: Suites) -> list[tuple[str, str]]:
    """Profile and suite of each results table of a page. Raises LeaderboardError for a page without any."""
    begins = [begin for begin in _BEGIN.finditer(_read(path)) if begin[1] == "leaderboard"]
    if not begins:
        raise LeaderboardError(_without_block(path))
    return [_parts(path, begin[2], suites)[:2] for begin in begins]


def _without_block(path: Path) -> str:
    return f"{path} has no block; add lines <!-- leaderboard:mini:wild --> and <!-- /leaderboard -->"


def _parts(path: Path, name: str, suites: Suites) -> tuple[str, str, Sequence[str]]:
    """Profile, suite and tasks named by a results table. Raises LeaderboardError for an unknown suite or task."""
    profile, _, rest = name.partition(":")
    suite, _, chosen = rest.partition(":")
    if suite not in suites:
        raise LeaderboardError(f"{path} has a block for suite '{suite}', expected one of {', '.join(suites)}")
    if chosen and suites[suite].kind == "pairs":
        raise LeaderboardError(f"{path}, block {name}: suite '{suite}' is of pairs; leave out ':{chosen}'")
    tasks = chosen.split(",") if chosen else suites[suite].tasks
    for task in tasks:
        if task not in suites[suite].tasks:
            raise LeaderboardError(
                f"{path}, block {name}: got task '{task}', expected one of {', '.join(suites[suite].tasks)}"
            )
    return profile, suite, tasks


def _pieces(path: Path, text: str, suites: Suites, results: Path, lists: Lists) -> list[tuple[str, str, str]]:
    """The text in order as (block name or '', what is there, what should be)."""
    pieces, position = [], 0
    for begin in _BEGIN.finditer(text):
        kind, name = begin.groups()
        marker = f"<!-- /{kind} -->"
        end = text.find(marker, begin.end())
        if end < 0 or _BEGIN.search(text, begin.end(), end):
            raise LeaderboardError(f"{path}: block {name} has no end; add a line {marker}")
        fresh = _block(path, name, suites, results) if kind == "leaderboard" else _list(path, name, lists)
        pieces.append(("", text[position : begin.end()], text[position : begin.end()]))
        pieces.append((name, text[begin.end() : end], f"\n{fresh}\n"))
        position = end
    if not pieces:
        raise LeaderboardError(_without_block(path))
    return [*pieces, ("", text[position:], text[position:])]


def _list(path: Path, name: str, lists: Lists) -> str:
    """What a list should hold."""
    if name not in lists:
        raise LeaderboardError(f"{path} has a block for a list '{name}', expected one of {', '.join(lists)}")
    return lists[name]()


def _block(path: Path, name: str, suites: Suites, results: Path) -> str:
    """What a results table should hold."""
    profile, suite, tasks = _parts(path, name, suites)
    table = TABLES[suites[suite].kind]
    records = load_results(results, f"{'*' if table.of_all_lists else suite}.{profile}")
    found = table.rows(records, tasks, profile)
    if not any(row.kind in MEASURED for row in found):
        raise LeaderboardError(
            f"{path}: no results for block {name} in {results}; save those of a run with --update {path} --runs DIR"
        )
    measured = rows(records, tasks, profile, ablations=table.ablations)
    outdated = sorted({str(row.protocol) for row in measured if row.outdated})
    if outdated:
        raise LeaderboardError(
            f"{path}: the results of block {name} are of other versions of {', '.join(outdated)}; run again (which "
            f"only scores anew) and save with --update {path} --runs DIR"
        )
    return table.render(found)
