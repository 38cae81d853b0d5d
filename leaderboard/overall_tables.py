"""Overall rankings as markdown, LaTeX, HTML, csv or json, and on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from rich.console import Console
from rich.text import Text

from leaderboard import columns as named
from leaderboard.errors import LeaderboardError
from leaderboard.exports.html import table as html_table
from leaderboard.flags import LEGEND
from leaderboard.latex import table as latex_table
from leaderboard.markdown import MISSING, Grid, grid
from leaderboard.overall import INTERVAL, RULE, OverallRow, Ranking
from leaderboard.plain import to_csv, to_json
from leaderboard.tables import Format
from leaderboard.terminal import Column, print_below, print_columns
from leaderboard.text import markdown, printable

FIELDS = ("suite", "profile", "label", "method", "skill", "skill_half", "wins", "missing", "flags")
NOTHING = "No method can be ranked yet."


def render(found: Sequence[Ranking], format: Format = "md", columns: Sequence[str] = ()) -> str:
    """The rankings one after the other; csv and json have a row for each method and suite, with a field for each task.

    ``columns`` names the columns or fields. Raises LeaderboardError for an unknown format, and for a column that no
    ranking has.
    """
    named.check(columns, available(found, format))
    if format == "md":
        return "\n".join(_markdown(each, _there(each, columns)) for each in found)
    if format == "latex":
        return "\n".join(_latex(each, _there(each, columns)) for each in found)
    if format == "html":
        return "\n".join(html_table(*_grid(each, _there(each, columns)), each.title) for each in found)
    if format == "every-eval-ever":
        raise LeaderboardError("a ranking is no score of one task; leave --overall out")
    if format not in get_args(Format):
        raise LeaderboardError(f"unknown format '{format}', expected one of {', '.join(get_args(Format))}")
    rows = [_fields(each, row) for each in found for row in each.rows]
    fields = named.chosen_fields(available(found, format), columns)
    if format == "csv":
        return to_csv([{name: row.get(name) for name in fields} for row in rows], fields)
    return to_json([{name: row[name] for name in fields if name in row} for row in rows])


def print_ranking(console: Console, found: Ranking, columns: Sequence[str] = ()) -> None:
    """Print a ranking on a terminal, methods down, in as many blocks of columns as its width needs."""
    console.print(Text(printable(found.title), style="bold"))
    header, lines, notes = _grid(found, _there(found, columns))
    if lines:
        labels, *cells = zip(*lines, strict=True)
        across = [Column(heading, list(each)) for heading, each in zip(header[1:], cells, strict=True)]
        print_columns(console, header[0], list(labels), across)
    print_below(console, notes, [])


def available(found: Sequence[Ranking], format: Format = "md") -> list[str]:
    """The names of columns, or of fields in csv and json, that can be chosen for these rankings."""
    tasks = dict.fromkeys(task for each in found for task in each.tasks)
    return [*(FIELDS if format in ("csv", "json") else ("skill", "wins")), *tasks]


def _there(found: Ranking, columns: Sequence[str]) -> list[str]:
    """The named columns that a ranking has."""
    return [name for name in columns if name in (named.ALL, *available([found]))]


def _markdown(found: Ranking, columns: Sequence[str]) -> str:
    header, lines, notes = _grid(found, columns)
    table = [grid(header, [[markdown(line[0]), *line[1:]] for line in lines])] if lines else []
    return "\n\n".join([f"### {markdown(found.title)}", *table, "  \n".join(map(markdown, notes))]) + "\n"


def _latex(found: Ranking, columns: Sequence[str]) -> str:
    if not found.rows:
        return f"% {printable(found.title)}: {NOTHING}\n"
    return latex_table(*_grid(found, columns), found.title)


def _grid(found: Ranking, columns: Sequence[str]) -> Grid:
    header = ["method", "skill (%) ↑", "wins (%) ↑", *found.tasks]
    lines = []
    for row in found.rows:
        value = MISSING if row.skill is None else f"{row.skill:.1f}" + (f" ±{row.half:.1f}" if row.half else "")
        wins = MISSING if row.wins is None else f"{row.wins:.0f}"
        lines.append([row.shown, value, wins, *("missing" if each is None else f"{each:.1f}" for each in row.skills)])
    header, lines = named.chosen(header, lines, columns, MISSING)
    lacking = [f"The mean pose (method grid) is missing on {', '.join(found.no_floor)}."] if found.no_floor else []
    rule = [RULE, INTERVAL] if found.rows else [NOTHING]
    flags = [text for mark, text in LEGEND.items() if any(mark in row.shown for row in found.rows)]
    return header, lines, [*rule, *flags, *lacking]


def _fields(found: Ranking, row: OverallRow) -> dict[str, Any]:
    return {
        "suite": found.suite,
        "profile": found.profile,
        "label": row.label,
        "method": row.method,
        "skill": row.skill,
        "skill_half": row.half or None,
        "wins": row.wins,
        "missing": list(row.missing),
        "flags": list(row.flags),
        **dict(zip(found.tasks, row.skills, strict=True)),
    }
