"""The results that a site shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.run.examples import Examples
from benchmarks.tables.facts import with_facts
from leaderboard.image_errors import ErrorsOf
from leaderboard.records import ResultRecord
from leaderboard.rows import PairRow, Row
from leaderboard.suites import TableKind
from leaderboard.tables import TABLES


@dataclass(frozen=True)
class Results:
    """Records with the errors per image, if these are known, and the example images of their tasks.

    ``repeated`` has the records with those of other commits, of which each table chooses; see ``each_once``.
    """

    records: Sequence[ResultRecord]
    errors: ErrorsOf | None
    examples: Sequence[Examples]
    repeated: Sequence[ResultRecord] = ()

    def rows(
        self, tasks: Sequence[str], profile: str, protocol: str | None = None, kind: TableKind = "plain"
    ) -> list[Row]:
        """The rows of a table of tasks, measured and published ones."""
        found = with_facts(TABLES[kind].rows(self.repeated or self.records, tasks, profile, protocol, self.errors))
        return [row for row in found if isinstance(row, Row)]

    def pairs(self, tasks: Sequence[str], profile: str) -> list[PairRow]:
        """The rows of a table of pairs of tasks."""
        found = TABLES["pairs"].rows(self.repeated or self.records, tasks, profile)
        return [row for row in found if isinstance(row, PairRow)]
