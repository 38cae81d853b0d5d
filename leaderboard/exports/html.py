"""Tables as plain HTML, to be pasted into a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboard import markdown, misalignment
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PairRow, Row
from leaderboard.text import printable

REPORTED = "Reported by the papers, as printed, never ranked with what is measured here"


def to_html(rows: Sequence[Row], title: str = "", columns: Sequence[str] = ()) -> str:
    """The measured rows as a table, followed by one of the published rows; ``title`` is the caption.

    ``columns`` names the columns (see ``leaderboard.columns``). Raises LeaderboardError for one that there is not.
    """
    measured = [row for row in rows if row.kind in MEASURED]
    reported = [row for row in rows if row.kind == "reported"]
    parts = [table(*markdown.measured_grid(measured, columns), title)] if measured else [_nothing(title)]
    if reported:
        parts.append(table(*markdown.reported_grid(reported, columns), f"{title}: {REPORTED}" if title else REPORTED))
    return "\n".join(parts)


def pairs_to_html(rows: Sequence[PairRow], title: str = "", columns: Sequence[str] = ()) -> str:
    """The same for pairs of tasks, aligned and wild."""
    return table(*misalignment.grid_of(rows, columns), title) if rows else _nothing(title)


def _nothing(title: str) -> str:
    return f"<p>{_text(f'{title}: nothing measured yet' if title else 'nothing measured yet')}.</p>\n"


def table(header: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str], title: str) -> str:
    """A grid as ``leaderboard.markdown`` makes it, as an HTML table with its notes below."""
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in header)
    body = []
    for line in lines:
        if len(line) > 1 and not any(line[1:]):  # the name of a group
            body.append(f'<tr><th scope="rowgroup" colspan="{len(header)}">{_text(line[0])}</th></tr>')
        else:
            cells = "".join(f"<td>{_text(cell)}</td>" for cell in line[1:])
            body.append(f'<tr><th scope="row">{_text(line[0])}</th>{cells}</tr>')
    below = ["<ul>", *(f"<li>{_text(note)}</li>" for note in notes), "</ul>"] if notes else []
    caption = [f"<caption>{_text(title)}</caption>"] if title else []
    opened = ["<table>", *caption, "<thead>", f"<tr>{head}</tr>", "</thead>", "<tbody>"]
    return "\n".join([*opened, *body, "</tbody>", "</table>", *below, ""])


def _text(text: str) -> str:
    """Escaped text; markdown's bold becomes ``strong``."""
    parts = [escape(part) for part in printable(text).split("**")]
    return "".join(f"<strong>{part}</strong>" if index % 2 else part for index, part in enumerate(parts))
