"""The rows that papers print (``published.csv``), each with what is known about its computation.

Printed columns are less uniform than they look: Tai-Chi's mixes sums of l2 with sums of absolute errors, Human3.6M's
mixes pixels with percent. A row therefore carries the protocol that made it if that is known, "as printed" otherwise,
and a note if it cannot be compared with a measured value.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from leaderboard.literature import UNKNOWN, systems
from leaderboard.rows import Row

PUBLISHED = Path(__file__).parent / "published.csv"
AS_PRINTED = "as printed"

_COMPARISON_TABLES = ("1", "2", "3", "5", "text", "DVE README", "MPAE README", "PDiscoFormer model zoo")
_ABLATION_TABLES = ("4",)
HIGHER_IS_BETTER = ("PCK%", "NMI", "ARI")
_REFERENCE = re.compile(r" \[[^\]]*\]$")


def published_facts() -> list[dict[str, str]]:
    """The lines of ``published.csv`` as dictionaries.

    table, supervision, K, metric, value and note are as in the papers. table is a table of Stable Keypoints, 'later'
    for the comparison of Tourani et al. 2025, or the document of another system, such as 'DVE README'; K is '' where
    the document does not state it. system is the id of a card in ``literature.toml``, label the method's name in tables
    with the year of the cited paper, task a task's id or, where this benchmark has no such task, the data's name.
    protocol is the one that made the value (or 'as printed') and unit its unit. basis says how that is known: code (the
    code that made it was read), reproduced (its formula gives the printed digits), inferred or unknown. differs says
    what makes the value not comparable.
    """
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return [{**fact, "label": _label(fact)} for fact in csv.DictReader(file)]


def printed_in(fact: dict[str, str]) -> str:
    """Where a value is printed: 'table 2', 'text', 'a later paper' or another system's document."""
    table = fact["table"]
    return f"table {table}" if table.isdigit() else "a later paper" if table == "later" else table


def _label(fact: dict[str, str]) -> str:
    """The label with the year of the paper in place of a reference to the bibliography of Stable Keypoints."""
    year = systems()[fact["system"]].year
    return _REFERENCE.sub("" if year == UNKNOWN else f" ({year})", fact["label"])


def saw_landmarks(fact: dict[str, str]) -> bool:
    """Whether the system of a published row saw landmarks in training. Raises KeyError for a system without a card."""
    return systems()[fact["system"]].saw_landmarks


def reported_rows(suite_tasks: Sequence[str], protocol: str | None = None, ablations: bool = False) -> list[Row]:
    """The rows that Stable Keypoints and the documents of other systems print for these tasks, task by task in order.

    Of Stable Keypoints these are Tables 1, 2, 3, 5 and section 4.3 (learned on 100 images), or with ``ablations`` those
    of Table 4. The comparison of Tourani et al. is in the audit alone.
    ``protocol`` (an id or a family such as 'autolink') keeps the rows that were made by it; a family includes its
    released solver.
    """
    tables = _ABLATION_TABLES if ablations else _COMPARISON_TABLES
    facts = [fact for fact in published_facts() if fact["table"] in tables]
    found = [_reported(fact) for task in suite_tasks for fact in facts if fact["task"] == task]
    if protocol in (None, "all"):
        return found
    return [row for row in found if _made_by(str(row.protocol), str(protocol))]


def _made_by(name: str, protocol: str) -> bool:
    return belongs(name, protocol) or belongs(name.replace("_released/", "/"), protocol)


def belongs(name: str, protocol: str) -> bool:
    """Whether a protocol's id is the given id or belongs to the given family."""
    return name == protocol or name.split("/")[0] == protocol


def _reported(fact: dict[str, str]) -> Row:
    return Row(
        method=fact["system"],
        label=fact["label"],
        task=fact["task"],
        profile="paper",
        kind="reported",
        status="done",
        protocol=fact["protocol"],
        metric=fact["metric"],
        value=float(fact["value"]),
        printed=fact["value"],
        unit=fact["unit"],
        higher_is_better=fact["metric"] in HIGHER_IS_BETTER,
        supervision=fact["supervision"],
        supervised=saw_landmarks(fact),
        is_floor=False,
        note=_note(fact),
    )


def _note(fact: dict[str, str]) -> str | None:
    """Protocol and differences in one line, None if there are none."""
    known = "" if fact["protocol"] == AS_PRINTED else fact["protocol"]
    return ": ".join(part for part in (known, fact["differs"]) if part) or None
