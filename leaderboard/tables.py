"""The tables of a leaderboard: their rows, and their text in each format, for each kind of table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from leaderboard.ablations import with_ablations, without_ablations
from leaderboard.aggregate import measured_rows
from leaderboard.columns import chosen_fields, fields_of, name_of
from leaderboard.errors import LeaderboardError
from leaderboard.exports.every_eval_ever import to_every_eval_ever
from leaderboard.exports.html import pairs_to_html, to_html
from leaderboard.flags import with_commits
from leaderboard.image_errors import ErrorsOf
from leaderboard.latex import pairs_to_latex, to_latex
from leaderboard.markdown import column_names, reported_grid, to_markdown
from leaderboard.misalignment import grid_of, misalignment_rows
from leaderboard.misalignment import to_markdown as pairs_to_markdown
from leaderboard.plain import to_csv, to_json
from leaderboard.published import reported_rows
from leaderboard.records import ResultRecord
from leaderboard.row_kinds import MEASURED
from leaderboard.rows import PAIR_FIELDS, PairRow, Row, plain
from leaderboard.suites import TableKind

Format = Literal["md", "csv", "json", "latex", "html", "every-eval-ever"]


def rows(
    records: Iterable[ResultRecord],
    suite_tasks: Sequence[str],
    profile: str,
    protocol: str | None = None,
    ablations: bool = False,
    errors: ErrorsOf | None = None,
) -> list[Row]:
    """One row per method, task and protocol, in the order of ``suite_tasks``.

    Records of this profile give rows of the kinds 'trained' and 'scored', averaged over seeds; the 'paper' profile also
    has 'reported' rows. ``protocol`` is None for the headline of each task, 'all', a protocol's id, or a family such as
    'autolink'. ``ablations`` selects ablations, methods that have some, and floors instead of full methods. With
    ``errors``, rows can be compared image by image, and tables show which ones tie with the best.
    """
    table = measured_rows(records, suite_tasks, profile, protocol, ablations, errors)
    table = with_commits(table)
    return table + reported_rows(suite_tasks, protocol, ablations) if profile == "paper" else table


def render(rows: Sequence[Row | PairRow], format: Format = "md", title: str = "", columns: Sequence[str] = ()) -> str:
    """The rows in a format; ``title`` is the heading in markdown and the caption in LaTeX and HTML.

    ``columns`` names the columns, or the fields of csv and json (see ``leaderboard.columns``). Raises LeaderboardError
    for rows of several profiles, for an unknown format, for a column that there is not, and for pairs of tasks or a
    choice of columns in the format of Every Eval Ever.
    """
    profiles = sorted({row.profile for row in rows})
    if len(profiles) > 1:
        raise LeaderboardError(f"rows of the profiles {' and '.join(profiles)} in one table; choose one with --profile")
    of_pairs = [row for row in rows if isinstance(row, PairRow)]
    single = [row for row in rows if isinstance(row, Row)]
    if format == "md":
        return pairs_to_markdown(of_pairs, title, columns) if of_pairs else to_markdown(single, title, columns)
    if format == "latex":
        return pairs_to_latex(of_pairs, title, columns) if of_pairs else to_latex(single, title, columns)
    if format == "html":
        return pairs_to_html(of_pairs, title, columns) if of_pairs else to_html(single, title, columns)
    if format == "every-eval-ever":
        if of_pairs:
            raise LeaderboardError("pairs of tasks have no score of their own; name the tasks instead of the suite")
        if columns:
            raise LeaderboardError("the schema of Every Eval Ever has fixed fields; leave the columns out")
        return to_every_eval_ever(single)
    if format == "csv":
        return to_csv(_fields(rows, columns), chosen_fields(fields_of(rows), columns))
    if format == "json":
        return to_json(_fields(rows, columns))
    raise LeaderboardError(f"unknown format '{format}', expected one of {', '.join(get_args(Format))}")


def _fields(rows: Sequence[Row | PairRow], columns: Sequence[str]) -> list[dict[str, Any]]:
    names = chosen_fields(fields_of(rows), columns)
    return [{name: found[name] for name in names} for row in rows if (found := plain(row))]


def available(rows: Sequence[Row | PairRow], format: Format) -> Sequence[str]:
    """The names of columns, or of fields in csv and json, that can be chosen for these rows."""
    if format in ("csv", "json"):
        return fields_of(rows)
    if of_pairs := [row for row in rows if isinstance(row, PairRow)]:
        return list(map(name_of, grid_of(of_pairs)[0][1:]))
    measured = [row for row in rows if isinstance(row, Row) and row.kind in MEASURED]
    reported = [row for row in rows if isinstance(row, Row) and row.kind == "reported"]
    published = map(name_of, reported_grid(reported)[0][1:]) if reported else ()
    return list(dict.fromkeys([*column_names(measured), *published]))


class Table:
    """A table of full methods; the other kinds of tables override what differs."""

    ablations = False  # whether it shows ablations
    own_fields = False  # whether its rows have fields of their own, so that they cannot stand beside other tables
    of_all_lists = False  # whether it is made from the committed lists of all suites

    def records(self, records: Iterable[ResultRecord]) -> list[ResultRecord]:
        """The records that the table shows."""
        return with_ablations(records) if self.ablations else without_ablations(records)

    def rows(
        self,
        records: Sequence[ResultRecord],
        tasks: Sequence[str],
        profile: str,
        protocol: str | None = None,
        errors: ErrorsOf | None = None,
    ) -> Sequence[Row | PairRow]:
        """The rows of the table; the arguments are those of the function ``rows``."""
        return rows(records, tasks, profile, protocol, self.ablations, errors)

    def render(self, rows: Sequence[Any], format: Format = "md", title: str = "", columns: Sequence[str] = ()) -> str:
        """The text of the table; see the function ``render``."""
        return render(rows, format, title, columns)

    def is_new(self, records: Sequence[ResultRecord], tasks: Sequence[str], earlier: Collection[str]) -> bool:
        """Whether the table adds anything to tables of the tasks ``earlier``; ``records`` are those of ``tasks``."""
        return any(record.task not in earlier for record in records)

    def kept_tasks(self, tasks: Sequence[str], others: Collection[str]) -> Sequence[str]:
        """The tasks whose records its committed list holds; ``others`` are the tasks of plain tables."""
        return tasks


class AblationTable(Table):
    """Methods beside their ablations."""

    ablations = True

    def is_new(self, records: Sequence[ResultRecord], tasks: Sequence[str], earlier: Collection[str]) -> bool:
        """Whether there are ablations."""
        return any(record.variant for record in records)


class PairTable(Table):
    """Aligned against wild."""

    own_fields = True
    of_all_lists = True

    def rows(
        self,
        records: Sequence[ResultRecord],
        tasks: Sequence[str],
        profile: str,
        protocol: str | None = None,
        errors: ErrorsOf | None = None,
    ) -> Sequence[PairRow]:
        """One row per method, pair of tasks and protocol."""
        return misalignment_rows(records, tasks, profile, protocol)

    def render(
        self, rows: Sequence[PairRow], format: Format = "md", title: str = "", columns: Sequence[str] = ()
    ) -> str:
        """The text of the table."""
        if rows or format not in ("md", "csv"):
            return render(rows, format, title, columns)
        return pairs_to_markdown(rows, title, columns) if format == "md" else to_csv([], PAIR_FIELDS)

    def is_new(self, records: Sequence[ResultRecord], tasks: Sequence[str], earlier: Collection[str]) -> bool:
        """Whether any pair can be compared."""
        pairs = list(zip(tasks[::2], tasks[1::2], strict=True))
        profiles = {record.profile for record in records}
        return any(self.rows(records, pair, profile) for profile in profiles for pair in pairs)

    def kept_tasks(self, tasks: Sequence[str], others: Collection[str]) -> Sequence[str]:
        """The tasks that no plain table has; records of the others are read from its list."""
        return [task for task in tasks if task not in others]


TABLES: Mapping[TableKind, Table] = {"plain": Table(), "ablation": AblationTable(), "pairs": PairTable()}
