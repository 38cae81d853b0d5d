"""The leaderboard of a suite: its rows as plain data, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from leaderboard.aggregate import measured_rows
from leaderboard.errors import LeaderboardError
from leaderboard.markdown import to_markdown
from leaderboard.plain import to_csv, to_json
from leaderboard.published import reported_rows
from leaderboard.records import ResultRecord

Format = Literal["md", "csv", "json"]

# The fields that every row has; None where they do not apply.
FIELDS = (
    "method",
    "label",
    "task",
    "profile",
    "kind",
    "status",
    "protocol",
    "protocol_version",
    "metric",
    "value",
    "printed",
    "unit",
    "higher_is_better",
    "ci_low",
    "ci_high",
    "seeds",
    "failed_seeds",
    "n_fit",
    "n_test",
    "seconds",
    "supervision",
    "supervised",
    "is_floor",
    "limit",
    "rank_deficient",
    "outdated",
    "failure",
    "note",
    "variant",
    "change",
    "change_low",
    "change_high",
    "commits",
)
VARIANT_SUITES = ("ablation",)  # their tables hold the ablations of methods, and no other table does


def rows(
    records: Iterable[ResultRecord],
    suite_tasks: Sequence[str],
    profile: str,
    protocol: str | None = None,
    variants: bool = False,
) -> list[dict[str, Any]]:
    """One dict a method, task and protocol, with every name in ``FIELDS``, in the order of ``suite_tasks``.

    ``protocol`` is None for the headline of each task, 'all', the name of one, or a family such as 'autolink'.

    ``kind`` is 'trained' or 'scored' (records of this profile, averaged over seeds) or 'reported' (what papers print;
    in the 'paper' profile only), as ``leaderboard.kinds`` says; ``supervised`` is true where landmarks were seen in
    training. ``method`` of a reported row is the id of its card in ``literature.toml``. ``seeds`` counts those the
    value is a mean of, ``limit`` is the --limit that keeps a row out of any comparison, ``outdated`` says that the
    protocol has changed since, and ``seconds`` are those of fit, predict and score. ``commits`` has for each seed of
    the value the short commit it was measured with, as ``leaderboard.origins.origin_of`` words it.

    Without ``variants`` ablations are left out. With it there are only methods that have some, the ablations by
    their name in ``variant``, and floors; ``change`` is what the value has more than that of the method as it is,
    ``change_low`` and ``change_high`` its interval over seeds.
    """
    table = measured_rows(records, suite_tasks, profile, protocol, variants)
    if profile == "paper":
        table += reported_rows(suite_tasks, protocol, variants)
    return [{name: row.get(name) for name in FIELDS} for row in table]


def render(table_rows: Sequence[dict[str, Any]], format: Format = "md", title: str = "") -> str:
    """The rows as markdown tables, csv or a json list; ``title`` heads the markdown.

    Raises LeaderboardError for rows of several profiles or an unknown format.
    """
    profiles = sorted({row["profile"] for row in table_rows})
    if len(profiles) > 1:
        raise LeaderboardError(f"rows of the profiles {' and '.join(profiles)} in one table; choose one with --profile")
    if format == "md":
        return to_markdown(table_rows, title)
    if format == "csv":
        return to_csv(table_rows, FIELDS)
    if format == "json":
        return to_json(table_rows)
    raise LeaderboardError(f"unknown format '{format}', expected one of {', '.join(get_args(Format))}")
