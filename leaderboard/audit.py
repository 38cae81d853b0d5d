"""The audit of published rows: which protocol made each, how that is known, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from leaderboard.errors import LeaderboardError
from leaderboard.markdown import grid
from leaderboard.plain import to_csv, to_json
from leaderboard.published import AS_PRINTED, belongs, printed_in, published_facts, saw_landmarks, stated_k
from leaderboard.row_kinds import LEGEND, SUPERVISED_MARK

FIELDS = ("table", "method", "supervision", "task", "K", "metric", "value", "unit", "protocol", "basis", "differs")
_BASES = {
    "code": "the code that made it was read",
    "reproduced": "the formula gives the printed digits",
    "inferred": "from rows beside it or from its source, not verified",
    "unknown": "nothing says how it was computed",
}


def audit(tasks: Sequence[str] | None = None, format: str = "md", protocol: str | None = None) -> str:
    """The published rows of the tasks (None: of all) as markdown, csv or json.

    ``protocol`` is the id of a protocol or a family; None and 'all' keep every row.

    Raises LeaderboardError for an unknown format.
    """
    chosen = [
        fact
        for fact in published_facts()
        if (tasks is None or fact["task"] in tasks)
        and (protocol in (None, "all") or belongs(fact["protocol"], str(protocol)))
    ]
    if format == "md":
        return _markdown(chosen)
    plain = [{name: fact["label" if name == "method" else name] for name in FIELDS} for fact in chosen]
    if format == "csv":
        return to_csv(plain, FIELDS)
    if format == "json":
        return to_json(plain)
    raise LeaderboardError(f"unknown format '{format}', expected one of md, csv, json")


def _markdown(facts: Sequence[dict[str, str]]) -> str:
    marked = any(saw_landmarks(fact) for fact in facts)
    known = sum(fact["protocol"] != AS_PRINTED for fact in facts)
    legend = [f"{name}: {meaning}" for name, meaning in _BASES.items()] + [LEGEND[SUPERVISED_MARK]] * marked
    parts = [
        "### Published rows, and what is known of how they were computed",
        f"{len(facts)} rows; {known} carry a protocol that `describe` explains, the others stand as printed.  \n"
        + "  \n".join(legend),
    ]
    ordered = sorted(facts, key=_place)  # stable: within a task and metric, the order of the tables
    for (task, metric), group in groupby(ordered, key=_place):
        parts += [f"#### {task}, {metric}", _table(list(group))]
    return "\n\n".join(parts) + "\n"


def _place(fact: dict[str, str]) -> tuple[str, str]:
    return fact["task"], fact["metric"]


def _table(facts: Sequence[dict[str, str]]) -> str:
    """The rows of one task and metric, with numbered footnotes for what differs."""
    notes = list(dict.fromkeys(fact["differs"] for fact in facts))
    header = ["method", "supervision", "printed in", "K", "printed", "unit", "protocol", "known from", "note"]
    names = ("value", "unit", "protocol", "basis")
    lines = [
        [
            f"{fact['label']}{_mark(fact)}",
            *(fact["supervision"], printed_in(fact), stated_k(fact)),
            *(fact[name] for name in names),
            f"({notes.index(fact['differs']) + 1})",
        ]
        for fact in facts
    ]
    return "\n\n".join([grid(header, lines), "  \n".join(f"({i}) {note}" for i, note in enumerate(notes, start=1))])


def _mark(fact: dict[str, str]) -> str:
    return f" {SUPERVISED_MARK}" if saw_landmarks(fact) else ""
