"""Flags of rows: what a reader should know of a result's provenance, with the marks that stand for it in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leaderboard.origins import DIRTY, UNKNOWN, origin_of

if TYPE_CHECKING:
    from leaderboard.records import ResultRecord
    from leaderboard.rows import Row


@dataclass(frozen=True)
class Flag:
    """``mark`` stands after a method's label, '' where tables show it in another way; ``text`` explains it."""

    mark: str
    text: str


UNCOMMITTED, SEVERAL_COMMITS, RESUMED = "uncommitted", "several_commits", "resumed"
ABSENT = "absent_keypoints"  # also the provenance key of their numbers
OTHER_DATA, OTHER_SOURCE, LIMITED, OLD_PROTOCOL = "other_data", "other_source", "limited", "old_protocol"
FLAGS: Mapping[str, Flag] = {
    UNCOMMITTED: Flag("ᵘ", "measured with uncommitted changes of the code"),
    SEVERAL_COMMITS: Flag("ᶜ", "measured with another commit than most of the table"),
    RESUMED: Flag("ʳ", "a fit was continued from a checkpoint; its seconds count from there"),
    OTHER_DATA: Flag("ᵈ", "measured on data whose digest is not that of the dataset's card"),
    OTHER_SOURCE: Flag("ˢ", "the method's source has changed since"),
    ABSENT: Flag("ᵃ", "some keypoints were not found; a rule of each protocol says how they count"),
    LIMITED: Flag("", "run on the first images of each split only"),  # (limit N) in the label
    OLD_PROTOCOL: Flag("", "scored under another version of the protocol"),  # § at the value
}
LEGEND = {flag.mark: f"{flag.mark} {flag.text}" for flag in FLAGS.values() if flag.mark}


def flags_of(records: Iterable[ResultRecord], outdated: bool = False) -> list[str]:
    """The flags that follow from the records of a row, in the order of ``FLAGS``."""
    found = {OLD_PROTOCOL} if outdated else set()
    for record in records:
        found |= {UNCOMMITTED} if origin_of(record).endswith(DIRTY) else set()
        found |= {RESUMED} if record.provenance.get("fit_resumed") is True else set()
        found |= {ABSENT} if record.provenance.get(ABSENT) else set()
        found |= {LIMITED} if record.n_images_limit is not None else set()
    return in_order(found)


def in_order(flags: Iterable[str]) -> list[str]:
    """The flags, each once, in the order of ``FLAGS``."""
    found = set(flags)
    return [name for name in FLAGS if name in found]


def with_commits(rows: Sequence[Row]) -> list[Row]:
    """The rows of a table; those with results of another commit than most of its results are flagged."""
    commits = Counter(each for row in rows for each in _commits(row))
    if len(commits) < 2:
        return list(rows)
    ((most, _),) = commits.most_common(1)
    return [
        replace(row, flags=in_order([*row.flags, SEVERAL_COMMITS])) if _commits(row) - {most} else row for row in rows
    ]


def _commits(row: Row) -> set[str]:
    return {each.removesuffix(DIRTY) for each in row.commits or [] if each != UNKNOWN}


def marks(flagged: Iterable[Sequence[str]]) -> str:
    """The marks of all the flags of some rows, in order, such as 'ᵘʳ'; '' for none."""
    return "".join(FLAGS[name].mark for name in in_order(name for flags in flagged for name in flags))
