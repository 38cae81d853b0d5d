"""The table of correlations between measures without landmarks and the error of landmarks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from leaderboard.correlation import AGREEMENT, Cells, Correlation
from leaderboard.errors import LeaderboardError

PlainFormat = Literal["table", "md", "csv", "json"]
LEVEL = 0.05
_STYLE = {"table": "simple", "md": "github"}
NONE_YET = (
    "No committed result has measures without landmarks yet; the next `python -m benchmarks leaderboard --update docs "
    "--runs DIR` adds them.\n"
)


def render(found: Sequence[Correlation], format: PlainFormat) -> str:
    """The correlations as one text; a table ends with sentences that say what it shows."""
    plain = [asdict(each) for each in found]
    if format == "json":
        return json.dumps(plain, indent=1) + "\n"
    if format == "csv":
        return csv_text([each.name for each in fields(Correlation)], [list(each.values()) for each in plain])
    header = ("measure", "correlation", "p", "tasks", "methods")
    lines = [
        (
            f"`{each.measure}`" if format == "md" else each.measure,
            f"{each.within:.2f}",
            f"{each.p:.3f}",
            each.tasks,
            each.methods,
        )
        for each in found
    ]
    return grid(header, lines, format) + "\n" + _sentences(found)


def csv_text(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Lines as csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()


def grid(header: Sequence[str], lines: Sequence[Sequence[object]], format: PlainFormat) -> str:
    """Lines as a table for the terminal or for markdown; columns after the first are aligned to the right."""
    aligned = ("left", *["right"] * (len(header) - 1))
    return tabulate(lines, header, _STYLE[format], disable_numparse=True, colalign=aligned) + "\n"


def read_agreements(path: Path) -> dict[Cells, float]:
    """The distances that ``agreement --format json`` wrote, by the cells of each row; none without the file.

    Raises LeaderboardError for a file that is no such list.
    """
    try:
        rows = json.loads(path.read_bytes())
        return {frozenset((str(id), str(date)) for id, date in row["cells"]): float(row["distance"]) for row in rows}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LeaderboardError(
            f"{path} is no list of agreements ({error}); write it again with python -m benchmarks agreement --format "
            f"json --output {path}"
        ) from error


def _sentences(found: Sequence[Correlation]) -> str:
    """What the table says, in words."""
    lines = [
        "correlation: mean over tasks of Spearman's rank correlation of the measure with the error across methods; 1 "
        "means that methods which are better by the measure have the smaller errors. Only methods that learn without "
        "landmarks, and tasks that all of these methods have",
        "p: the chance of a correlation as far from 0 if the measure said nothing about a method, by exchanging the "
        "methods' measures with each other, the same on every task; adjusted for the number of measures (Holm)",
    ]
    if any(each.measure == AGREEMENT for each in found):
        lines.append(f"{AGREEMENT}: the distance of matched keypoints of several seeds")
    sure = [each for each in found if each.p < LEVEL]
    alike, against = [[each.measure for each in sure if sign * each.within > 0] for sign in (1, -1)]
    text = ""
    if alike:
        text += f"These order methods as the error does (p < {LEVEL:g}): {', '.join(alike)}.\n"
    if against:
        text += f"These order them the other way round (p < {LEVEL:g}): {', '.join(against)}.\n"
    if not sure:
        text = f"For no measure can it be told that it orders methods as the error does (p < {LEVEL:g}).\n"
    return "  \n".join(lines) + "\n\n" + text
