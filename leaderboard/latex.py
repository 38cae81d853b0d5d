"""Tables as LaTeX for a paper: booktabs, the best values in bold, notes below the table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from leaderboard import markdown, misalignment
from leaderboard.errors import LeaderboardError
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PairRow, Row
from leaderboard.text import printable

_SIGNS = {
    **{sign: f"\\{sign}" for sign in "%&#_${}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
    **{"†": r"$^\dagger$", "‡": r"$^\ddagger$", "§": r"$^\S$", "¶": r"$^\P$", "◊": r"$^\diamond$", "–": "--"},
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def to_latex(rows: Sequence[Row], title: str = "", columns: Sequence[str] = ()) -> str:
    """The measured rows as a LaTeX table, followed by one of the published rows; ``title`` is the caption.

    ``columns`` are first words of headings, such as 'cub_001' and 'seeds': only these columns are kept, in this order.
    Raises LeaderboardError for a column that the table of measured rows does not have.
    """
    measured = [row for row in rows if row.kind in MEASURED]
    reported = [row for row in rows if row.kind == "reported"]
    parts = [_table(*markdown.measured_grid(measured), title, columns)] if measured else []
    if reported:
        caption = f"{title}: reported by the papers, as printed" if title else "Reported by the papers, as printed"
        header, lines, notes = markdown.reported_grid(reported)
        there = ["supervision", *(name for name in columns if name in _first_words(header))]
        parts.append(_table(header, lines, notes, caption, there if columns else ()))
    return "\n".join(parts) if parts else f"% {printable(title)}: nothing measured yet\n"


def pairs_to_latex(rows: Sequence[PairRow], title: str = "", columns: Sequence[str] = ()) -> str:
    """The same for pairs of tasks, aligned and wild."""
    if not rows:
        return f"% {printable(title)}: nothing measured yet\n"
    return _table(*misalignment.grid_of(rows), title, columns)


def latex(text: str) -> str:
    """The text as LaTeX shows it; markdown's bold becomes ``\\textbf``."""
    before, *rest = printable(text).split("**")
    plain = [_SIGN.sub(lambda found: _SIGNS[found[0]], part) for part in (before, *rest)]
    return "".join(rf"\textbf{{{part}}}" if index % 2 else part for index, part in enumerate(plain))


def _table(
    header: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str], title: str, columns: Sequence[str]
) -> str:
    kept = [0, *(index for name in columns for index in _places(header, name))] if columns else range(len(header))
    alignment = "".join("l" if header[index] in markdown.TEXT_COLUMNS else "r" for index in kept)
    body = []
    for line in lines:
        if len(line) > 1 and not any(line[1:]):  # the name of a group
            body += [r"\midrule", rf"\multicolumn{{{len(kept)}}}{{l}}{{\emph{{{latex(line[0])}}}}} \\"]
        else:
            body.append(" & ".join(latex(line[index]) for index in kept) + r" \\")
    below = [r"\par\smallskip\footnotesize\raggedright", " \\\\\n".join(map(latex, notes))] if notes else []
    return "\n".join(
        [
            r"\begin{table}  % needs \usepackage{booktabs}",
            r"\centering",
            *([rf"\caption{{{latex(title)}}}"] if title else []),
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(latex(header[index]) for index in kept) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            r"\end{table}",
            "",
        ]
    )


def _places(header: Sequence[str], name: str) -> list[int]:
    """The columns whose headings begin with this word. Raises LeaderboardError if there is none."""
    first = _first_words(header)
    if name not in first[1:]:
        raise LeaderboardError(f"the table has no column '{name}'; it has {', '.join(dict.fromkeys(first[1:]))}")
    return [index for index, word in enumerate(first) if word == name and index]


def _first_words(header: Sequence[str]) -> list[str]:
    return [heading.split()[0].rstrip(",") for heading in header]
