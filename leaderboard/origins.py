"""The commits that results were measured with, and the line below a table if these are not one clean commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from leaderboard.records import ResultRecord
from leaderboard.row_kinds import shown
from leaderboard.rows import PairRow, Row

DIRTY = "-dirty"
UNKNOWN = "unknown"
_SHORT = 7  # digits of a commit in tables, as git abbreviates it


def origin_of(record: ResultRecord) -> str:
    """The short commit of a record, followed by '-dirty' if the code had uncommitted changes.

    'unknown' if the record lacks either fact, as when the code was not a git checkout.
    """
    commit, dirty = record.provenance.get("git_sha"), record.provenance.get("git_dirty")
    if not isinstance(commit, str) or not commit.isalnum() or not isinstance(dirty, bool):
        return UNKNOWN
    return commit[:_SHORT] + DIRTY * dirty


def each_once(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The records with each cell of one commit; of several commits, that which most of the records are of.

    A table then shows results of one commit where a committed list has them, although lists of other tables have some
    of its cells from another commit.
    """
    found = list(records)
    if len({record.cell_id for record in found}) == len(found):
        return found
    counts = Counter(map(origin_of, found))
    chosen: dict[str, str] = {}
    for record in found:
        origin = origin_of(record)
        if counts[origin] > counts[chosen.setdefault(record.cell_id, origin)]:
            chosen[record.cell_id] = origin
    return [record for record in found if origin_of(record) == chosen[record.cell_id]]


def is_clean(record: ResultRecord) -> bool:
    """Whether the commit of a record is known and the code had no other changes."""
    origin = origin_of(record)
    return origin != UNKNOWN and not origin.endswith(DIRTY)


def is_submitted(record: ResultRecord) -> bool:
    """Whether a record is of a folder of ``submissions/``."""
    return "submission" in record.provenance


def origins_line(origins: Iterable[str]) -> str:
    """A line that says why results are not of one clean commit; '' if they are, or if there are none.

    ``origins`` has one entry per result, as ``origin_of`` gives it.
    """
    found = list(origins)
    dirty, unknown = sum(each.endswith(DIRTY) for each in found), found.count(UNKNOWN)
    commits = Counter(each.removesuffix(DIRTY) for each in found if each != UNKNOWN)
    parts = []
    if dirty:
        parts.append(f"{_of(dirty, found)} measured with uncommitted changes")
    if unknown:
        parts.append(f"{_of(unknown, found)} measured with code of an unknown commit")
    if len(commits) > 1:
        counts = ", ".join(f"{commit} ({count})" for commit, count in commits.most_common())
        parts.append(f"results of {len(commits)} commits: {counts}")
    elif commits and parts:
        parts.append(f"commit: {commits.most_common()[0][0]}")
    return "; ".join(parts)


def table_line(rows: Iterable[Row]) -> str:
    """The line of ``origins_line`` for a table; a result counts once, however many protocols it has rows for."""
    return _line((shown(row), row.task, row.commits or []) for row in rows)


def pair_line(rows: Iterable[PairRow]) -> str:
    """The same for a table of pairs of tasks."""
    return _line((shown(row), f"{row.aligned_task} {row.wild_task}", row.commits or []) for row in rows)


def _line(found: Iterable[tuple[str, str, list[str]]]) -> str:
    results: dict[tuple[str, str], list[str]] = {}
    for label, task, commits in found:
        results[label, task] = max(results.get((label, task), []), commits, key=len)
    return origins_line(origin for origins in results.values() for origin in origins)


def _of(count: int, found: list[str]) -> str:
    results = "result" if len(found) == 1 else "results"
    return f"{count} of {len(found)} {results} {'was' if count == 1 else 'were'}"
