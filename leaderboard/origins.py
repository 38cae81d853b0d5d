"""The commits that results were measured with, and the line under a table whose results are not of one clean commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from leaderboard.kinds import shown
from leaderboard.records import ResultRecord

DIRTY = "-dirty"
UNKNOWN = "unknown"
_SHORT = 7  # digits of a commit in tables, as git abbreviates it


def origin_of(record: ResultRecord) -> str:
    """The short commit of a record, with '-dirty' after it where the code had uncommitted changes.

    'unknown' where the record does not say both, such as one measured in a downloaded archive without git.
    """
    commit, dirty = record.provenance.get("git_sha"), record.provenance.get("git_dirty")
    if not isinstance(commit, str) or not isinstance(dirty, bool):
        return UNKNOWN
    return commit[:_SHORT] + DIRTY * dirty


def origins_line(origins: Iterable[str]) -> str:
    """One line on results that are not all of one clean commit; '' where they are, or where there are none.

    ``origins`` has one entry a result, as ``origin_of`` gives it.
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


def table_line(rows: Sequence[Mapping[str, Any]], tasks: Sequence[str] = ("task",)) -> str:
    """The line of ``origins_line`` for the rows of a table; a result that has rows for several protocols counts once.

    ``tasks`` names the fields that say which tasks a row is of; ``commits`` of a row has one entry a result.
    """
    results: dict[tuple[str, ...], Sequence[str]] = {}
    for row in rows:
        key = (shown(row), *(row[name] for name in tasks))
        results[key] = max(results.get(key, ()), row["commits"] or (), key=len)
    return origins_line(origin for origins in results.values() for origin in origins)


def _of(count: int, found: Sequence[str]) -> str:
    results = "result" if len(found) == 1 else "results"
    return f"{count} of {len(found)} {results} {'was' if count == 1 else 'were'}"
