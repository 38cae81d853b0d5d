"""What ``submit`` prints: the rows of a submission beside the committed ones, or all that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.submit.card import Card
from benchmarks.submit.problems import Problem, listed
from leaderboard.comparisons import BEST, against
from leaderboard.image_errors import CellErrors, ErrorsOf
from leaderboard.plain import to_json
from leaderboard.records import ResultRecord
from leaderboard.rows import plain
from leaderboard.tables import render, rows

FENCE = "````"  # nothing between two of these is a link, a mention or HTML


@dataclass(frozen=True)
class Scored:
    """The card, the new records and the committed ones, notes, and the run directory that keeps the new records.

    ``errors`` are readers of the errors per image of the records.
    """

    card: Card
    records: tuple[ResultRecord, ...]
    committed: tuple[ResultRecord, ...]
    notes: tuple[str, ...]
    output: Path | None
    errors: Sequence[ErrorsOf | None] = ()

    def errors_of(self, record: ResultRecord, protocol: str) -> CellErrors | None:
        """The errors of a record from the first reader that has them."""
        found = (read(record, protocol) for read in self.errors if read is not None)
        return next((each for each in found if each is not None), None)


def scored(result: Scored, format: str) -> str:
    """The rows under the headline protocols as markdown, or under all protocols as JSON, with the facts of the card."""
    card = result.card
    tasks = [record.task for record in result.records]
    others = [record for record in result.committed if record.profile == card.profile]
    protocol = "all" if format == "json" else None
    found = against(rows([*others, *result.records], tasks, card.profile, protocol, errors=result.errors_of), BEST)
    if format == "json":
        return _json(card.name, card, [plain(row) for row in found], list(result.notes), [])
    facts = [
        f"{card.name}: {', '.join(tasks)} ({card.profile} profile)",
        f"by {', '.join(card.authors)}; submitted by {card.submitted_by} on {card.date}; licence {card.licence}",
        f"supervision {card.supervision}; saw landmarks: {'yes' if card.saw_landmarks else 'no'}; trained on "
        f"{card.trained_on}",
        *(f"note: {note}" for note in result.notes),
        *([f"kept in {result.output}"] if result.output else []),
    ]
    title = f"Rows of this submission beside the others ({card.profile} profile)"
    return f"{render(found, 'md', title)}\n{_fenced(facts)}"


def failed(name: str, problems: list[Problem], format: str) -> str:
    """All that is wrong, as lines of text or as JSON."""
    if format == "json":
        return _json(name, None, [], [], problems)
    count = f"{len(problems)} mistake{'s' * (len(problems) > 1)}"
    return "\n".join([f"{count} in the submission '{name}':", *(f"- {line}" for line in listed(problems))]) + "\n"


def _fenced(lines: list[str]) -> str:
    """Lines of text as a block of code, in which markdown means nothing."""
    return "\n".join([f"{FENCE}text", *(line.replace("`", "'") for line in lines), FENCE]) + "\n"


def _json(name: str, card: Card | None, found: list[dict[str, Any]], notes: list[str], problems: list[Problem]) -> str:
    document = {
        "name": name,
        "card": card.model_dump(mode="json", exclude={"predictions"}) if card else None,
        "rows": json.loads(to_json(found)),
        "notes": notes,
        "problems": [problem.plain() for problem in problems],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
