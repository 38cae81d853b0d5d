"""The table of correlations between measures without landmarks and the error of landmarks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from leaderboard.correlation import AGREEMENT, Correlation
from leaderboard.errors import LeaderboardError

PlainFormat = Literal["table", "md", "csv", "json"]
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
    header = ("measure", "within tasks", "overall, on ranks", "tasks", "methods on tasks")
    lines = [
        (
            f"`{each.measure}`" if format == "md" else each.measure,
            _value(each.within, each.within_interval),
            _value(each.overall, each.overall_interval),
            each.tasks,
            each.points,
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


def read_agreements(path: Path) -> Mapping[tuple[str, str], float]:
    """The distances that ``agreement --format json`` wrote, by task and label; none without the file.

    Raises LeaderboardError for a file that is no such list.
    """
    try:
        return {(str(row["task"]), str(row["label"])): float(row["distance"]) for row in json.loads(path.read_bytes())}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LeaderboardError(
            f"{path} is no list of agreements ({error}); write it again with python -m benchmarks agreement --format "
            f"json --output {path}"
        ) from error


def _value(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _sentences(found: Sequence[Correlation]) -> str:
    """What the table says, in words."""
    lines = [
        "Spearman's rank correlation between a measure and the error, signed so that 1 means that methods which are "
        "better by the measure have the smaller errors. In brackets: 95 % interval by bootstrap over tasks. Methods "
        "that learn without landmarks alone, on tasks with three or more of them.",
    ]
    if any(each.measure == AGREEMENT for each in found):
        lines.append(f"`{AGREEMENT}` is the distance of matched keypoints of several seeds.")
    if sure := [each.measure for each in found if each.within_interval and each.within_interval[0] > 0]:
        lines.append(f"Orders methods as the error does more often than chance: {', '.join(sure)}.")
    else:
        lines.append("None of them orders methods as the error does: no interval within tasks lies above 0.")
    if against := [each.measure for each in found if each.within_interval and each.within_interval[1] < 0]:
        lines.append(f"Orders them the other way round: {', '.join(against)}.")
    return "  \n".join(lines) + "\n"
