"""The generated parts of a page such as README.md: written between markers, and checked for being fresh.

``<!-- leaderboard:PROFILE:SUITE -->`` begins a results table that ends with ``<!-- /leaderboard -->``. Its rows come
from the committed results, ``results/<suite>.<profile>.json``. ``PROFILE:SUITE:TASK,TASK`` shows only these tasks of
the suite. A block of pairs of tasks reads all result files of its profile, and has a file of its own only for tasks
that no other block shows.

``<!-- list:NAME -->`` begins a list that ends with ``<!-- /list -->``, such as that of the methods. The caller says
what lists there are and makes their text.

``<!-- correlation:PROFILE -->`` begins the table of correlations between measures without landmarks and the error, over
all committed results of a profile; it ends with ``<!-- /correlation -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from leaderboard.committed_errors import committed_errors, errors_text, path_beside
from leaderboard.correlation import correlations
from leaderboard.correlation_tables import NONE_YET, read_agreements
from leaderboard.correlation_tables import render as render_correlations
from leaderboard.errors import LeaderboardError
from leaderboard.files import write_together
from leaderboard.image_errors import ErrorsOf
from leaderboard.load import RESULTS, list_text, load_results
from leaderboard.merge import Merged, merge
from leaderboard.origins import is_clean, is_submitted, origin_of, origins_line
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.suites import Suite
from leaderboard.tables import TABLES, rows

Suites = Mapping[str, Suite]
Lists = Mapping[str, Callable[[], str]]  # the text of a list by its name
_BEGIN = re.compile(r"<!-- (leaderboard|list|correlation):([a-z0-9_:,]+) -->\n")


@dataclass(frozen=True)
class _Results:
    """The folder of the committed lists, with the content of those that are about to be written."""

    folder: Path
    texts: Mapping[Path, str] = field(default_factory=dict)


def merged_lists(
    paths: Sequence[Path],
    records: Iterable[ResultRecord],
    suites: Suites,
    results: Path = RESULTS,
    replace: bool = False,
) -> dict[Path, Merged]:
    """The committed lists behind the results tables of these pages with new records merged in; nothing is written.

    A record is taken if it is done, was run without ``--limit``, and belongs to the suite and profile of a table. It
    takes the place of the committed record of its cell (see ``leaderboard.merge``); all others are kept, or with
    ``replace`` removed. A list without any new record is left out. Raises LeaderboardError if no table has a record,
    for a missing page, a page without a results table and an unknown suite.
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
        own = [record for record in whole if record.profile == profile and record.task in tasks]
        old = load_results(results, f"{suite.name}.{profile}")
        shown = {id(record) for record in table.records([*own, *([] if replace else old)])}
        if chosen := [record for record in own if id(record) in shown]:
            lists[results / f"{suite.name}.{profile}.json"] = merge(old, chosen, replace)
    if not lists:
        where = ", ".join(map(str, paths))
        raise LeaderboardError(f"none of the records is a finished cell, without --limit, of a block in {where}")
    return lists


def unclean(results: Path = RESULTS, instead: Mapping[Path, Merged] | None = None) -> str:
    """A line that says which lists are not all of one clean commit, '' if each of them is.

    One list is behind one table, so that its rows are compared; another list may be of another commit. ``instead`` maps
    files to the lists that will replace theirs. A submitted row may be of any clean commit, because its predictions are
    kept and ``submit`` computes it again.
    """
    lists: dict[Path, Iterable[ResultRecord]] = {file: merged.records for file, merged in (instead or {}).items()}
    lists |= {file: load_results(results, file.stem) for file in results.glob("*.json") if file not in lists}
    own = {
        file.name: [record for record in records if not (is_submitted(record) and is_clean(record))]
        for file, records in sorted(lists.items())
    }
    lines = {name: origins_line(map(origin_of, records)) for name, records in own.items()}
    return "; ".join(f"{name}: {line}" for name, line in lines.items() if line)


def gaps(records: Iterable[ResultRecord]) -> list[str]:
    """The cells that are missing if every method of the records should have every task with every seed.

    A submitted row has the tasks that its contributor chose.
    """
    there = {(record.method_label, record.task, record.seed) for record in records if not is_submitted(record)}
    labels, tasks, seeds = (sorted({cell[place] for cell in there}) for place in range(3))
    whole = product(labels, tasks, seeds)
    return [f"{label} on {task} with seed {seed}" for label, task, seed in whole if (label, task, seed) not in there]


def update(
    paths: Sequence[Path],
    suites: Suites,
    results: Path = RESULTS,
    lists: Lists | None = None,
    new: Mapping[Path, Merged] | None = None,
    errors: ErrorsOf | None = None,
    beside: Mapping[Path, str] | None = None,
) -> dict[Path, bool]:
    """Rewrite the generated parts of pages, and the committed lists ``new`` with them: all of the files or none.

    ``errors`` reads the errors per image of the new records, which are kept beside the lists, so that tables show ties.
    ``beside`` has the texts of further files that change with them.
    Returns whether each page changed. Every text is made before the first file is written. Raises LeaderboardError for
    a missing page, a page without a block, an unknown suite, task or list, a block without its end, a results table
    without results, and a file that cannot be written; all files then stay as they were.
    """
    texts = {file: list_text(merged.records) for file, merged in (new or {}).items()}
    for file, merged in (new or {}).items():
        kept = committed_errors(file.parent, file.stem)
        if text := errors_text(merged.records, [errors, kept] if errors is not None else [kept]):
            texts[path_beside(file)] = text
    fresh, changed = {}, {}
    for path in paths:
        old = _read(path)
        text = "".join(part for _, _, part in _pieces(path, old, suites, _Results(results, texts), lists or {}))
        changed[path] = text != old
        if changed[path]:
            fresh[path] = text
    write_together({**texts, **(beside or {}), **fresh})
    return changed


def check(path: Path, suites: Suites, results: Path = RESULTS, lists: Lists | None = None) -> list[str]:
    """Names of the blocks that ``update`` would change, such as 'mini:wild'. Raises as ``update`` does."""
    pieces = _pieces(path, _read(path), suites, _Results(results), lists or {})
    return [name for name, present, fresh in pieces if present != fresh]


def has_block(path: Path, kinds: Sequence[str] = ("leaderboard", "list", "correlation")) -> bool:
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


def _pieces(path: Path, text: str, suites: Suites, results: _Results, lists: Lists) -> list[tuple[str, str, str]]:
    """The text in order as (block name or '', what is there, what should be)."""
    pieces, position = [], 0
    for begin in _BEGIN.finditer(text):
        kind, name = begin.groups()
        marker = f"<!-- /{kind} -->"
        end = text.find(marker, begin.end())
        if end < 0 or _BEGIN.search(text, begin.end(), end):
            raise LeaderboardError(f"{path}: block {name} has no end; add a line {marker}")
        if kind == "leaderboard":
            fresh = _block(path, name, suites, results)
        else:
            fresh = _list(path, name, lists) if kind == "list" else _correlations(name, results)
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


def _correlations(profile: str, results: _Results) -> str:
    """What a table of correlations should hold; a sentence where no result has the measures."""
    texts = {path: text for path, text in results.texts.items() if path.parent == results.folder}
    records = load_results(results.folder, f"*.{profile}", texts)
    agreements = read_agreements(results.folder / "agreement" / f"{profile}.json")
    found = correlations(records, profile, agreements)
    return render_correlations(found, "md") if found else NONE_YET


def _block(path: Path, name: str, suites: Suites, results: _Results) -> str:
    """What a results table should hold."""
    profile, suite, tasks = _parts(path, name, suites)
    table = TABLES[suites[suite].kind]
    lists = f"{'*' if table.of_all_lists else suite}.{profile}"
    records = load_results(
        results.folder, lists, {p: t for p, t in results.texts.items() if p.parent == results.folder}
    )
    errors = committed_errors(results.folder, lists, results.texts)
    found = table.rows(records, tasks, profile, errors=errors)
    if not any(row.kind in MEASURED for row in found):
        raise LeaderboardError(
            f"{path}: no results for block {name} in {results.folder}; save those of a run with --update {path} "
            "--runs DIR"
        )
    measured = rows(records, tasks, profile, ablations=table.ablations)
    outdated = sorted({str(row.protocol) for row in measured if row.outdated})
    if outdated:
        raise LeaderboardError(
            f"{path}: the results of block {name} are of other versions of {', '.join(outdated)}; run again (which "
            f"only scores anew) and save with --update {path} --runs DIR"
        )
    return table.render(found)
