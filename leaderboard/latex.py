"""Tables as LaTeX for a paper: booktabs, the best values in bold, notes below the table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from leaderboard import markdown, misalignment
from leaderboard.flags import FLAGS
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PairRow, Row
from leaderboard.text import printable

_FLAGS = [flag for flag in FLAGS.values() if flag.mark]
_SIGNS = {
    **{sign: f"\\{sign}" for sign in "%&#_${}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$", "±": r"$\pm$", "×": r"$\times$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"},
    **{
        "†": r"$^\dagger$",
        "‡": r"$^\ddagger$",
        "‖": r"$^\|$",
        "§": r"$^\S$",
        "¶": r"$^\P$",
        "◊": r"$^\diamond$",
        "–": "--",
    },
    **{flag.mark: rf"$^{{\mathrm{{{letter}}}}}$" for flag, letter in zip(_FLAGS, "ucrdsa", strict=True)},
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))


def to_latex(rows: Sequence[Row], title: str = "", columns: Sequence[str] = ()) -> str:
    """The measured rows as a LaTeX table, followed by one of the published rows; ``title`` is the caption.

    ``columns`` names the columns, such as 'cub_001' and 'seeds' (see ``leaderboard.columns``). Raises LeaderboardError
    for one that there is not.
    """
    measured = [row for row in rows if row.kind in MEASURED]
    reported = [row for row in rows if row.kind == "reported"]
    parts = [table(*markdown.measured_grid(measured, columns), title)] if measured else []
    if reported:
        caption = f"{title}: reported by the papers, as printed" if title else "Reported by the papers, as printed"
        parts.append(table(*markdown.reported_grid(reported, columns), caption))
    return "\n".join(parts) if parts else f"% {printable(title)}: nothing measured yet\n"


def pairs_to_latex(rows: Sequence[PairRow], title: str = "", columns: Sequence[str] = ()) -> str:
    """The same for pairs of tasks, aligned and wild."""
    if not rows:
        return f"% {printable(title)}: nothing measured yet\n"
    return table(*misalignment.grid_of(rows, columns), title)


def latex(text: str) -> str:
    """The text as LaTeX shows it; markdown's bold becomes ``\\textbf``."""
    before, *rest = printable(text).split("**")
    plain = [_SIGN.sub(lambda found: _SIGNS[found[0]], part) for part in (before, *rest)]
    return "".join(rf"\textbf{{{part}}}" if index % 2 else part for index, part in enumerate(plain))


def table(header: Sequence[str], lines: Sequence[Sequence[str]], notes: Sequence[str], title: str) -> str:
    """A LaTeX table of a grid as ``leaderboard.markdown`` makes it, with ``title`` as its caption."""
    alignment = "".join("l" if name in markdown.TEXT_COLUMNS else "r" for name in header)
    body = []
    for line in lines:
        if len(line) > 1 and not any(line[1:]):  # the name of a group
            body += [r"\midrule", rf"\multicolumn{{{len(header)}}}{{l}}{{\emph{{{latex(line[0])}}}}} \\"]
        else:
            body.append(" & ".join(map(latex, line)) + r" \\")
    below = [r"\par\smallskip\footnotesize\raggedright", " \\\\\n".join(map(latex, notes))] if notes else []
    return "\n".join(
        [
            r"\begin{table}  % needs \usepackage{booktabs}",
            r"\centering",
            *([rf"\caption{{{latex(title)}}}"] if title else []),
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            " & ".join(map(latex, header)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            r"\end{table}",
            "",
        ]
    )
