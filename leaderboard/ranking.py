"""Which rows of a column take part in the ranking, which are bold, and the order of methods in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from leaderboard.row_kinds import MEASURED, shown
from leaderboard.rows import Row, known
from metrics.protocols import PROTOCOLS, value_text

Column = tuple[str, str | None]  # task and protocol; task and metric in the table of published rows

DECIMALS = 2


def best_first(rows: Sequence[Row], column: Column) -> list[Row]:
    """The comparable rows of a column, best first."""
    ranked = [row for row in rows if (row.task, row.protocol) == column and comparable(row) and row.status == "done"]
    return sorted(ranked, key=lambda row: -known(row.value) if row.higher_is_better else known(row.value))


def comparable(row: Row) -> bool:
    """Whether a row takes part in the ranking.

    Floors do not under a backward protocol, which predicts keypoints from landmarks: keypoints that never move would
    win.
    """
    protocol = PROTOCOLS.get(row.protocol or "")
    constant = row.is_floor and protocol is not None and protocol.direction == "backward"
    return row.limit is None and not row.outdated and not row.supervised and not constant


def best_rows(rows: Sequence[Row], column: Column) -> dict[str, bool]:
    """The rows of a column that are bold, by their labels; the value says whether the row ties with the best by test.

    These are the best one, all that print the same value, and all that cannot be told from it image by image. A row
    with a nearly singular regression ties with none: its error varies so much that it could be told from none.
    """
    ranked = best_first(rows, column)
    printed = {shown(row): value_text(row.protocol, known(row.value), DECIMALS) for row in ranked}
    bold = {label: False for label, value in printed.items() if value == printed[shown(ranked[0])]}
    singular = any(row.nearly_singular for row in ranked[:1])
    sound = [] if singular else [row for row in ranked if not row.nearly_singular]
    found = [(row, row.images()) for row in sound if row.images is not None] if len(sound) > 1 else []
    paired = [(row, images) for row, images in found if images is not None]
    if len(paired) > 1 and paired[0][0] is ranked[0]:
        from leaderboard.paired import best_and_ties, same_images

        alike = [(row, images) for row, images in paired if same_images(images, paired[0][1])]
        values = [known(row.value) for row, _ in alike]
        ties = best_and_ties([images for _, images in alike], values, bool(ranked[0].higher_is_better))
        bold |= {shown(alike[index][0]): True for index in ties}
    return bold


def marked(rows: Sequence[Row]) -> list[Row]:
    """The rows of one table, the measured ones with the fields ``best`` and ``tied``."""
    measured = [row for row in rows if row.kind in MEASURED and row.status == "done"]
    columns = dict.fromkeys((row.task, row.protocol) for row in measured)
    best = {column: best_rows(measured, column) for column in columns}
    found = []
    for row in rows:
        if row.kind in MEASURED and row.status == "done":
            bold = best[row.task, row.protocol]
            row = replace(row, best=shown(row) in bold, tied=bold.get(shown(row), False))
        found.append(row)
    return found


def bold_line(best: Mapping[Column, Mapping[str, bool]]) -> str:
    """The line that explains bold values."""
    if not any(any(found.values()) for found in best.values()):
        return "Best measured value in bold."
    return (
        "In bold: the best measured value of a column and, where errors per image are known, all methods that cannot "
        "be told from it on the same images; these share the first rank. Holm's method keeps the chance of any false "
        "difference in a column below 5 %."
    )


def ranked_labels(group: Sequence[Row], rows: Sequence[Row], best: Mapping[Column, Mapping[str, bool]]) -> list[str]:
    """Labels of a group, sorted by mean rank over the columns of all rows; a missing value has the last rank.

    Rows that tie with the best share its rank.
    """
    labels = list(dict.fromkeys(shown(row) for row in group))
    places, last = dict.fromkeys(labels, 0), len({shown(row) for row in rows})
    for column, bold in best.items():
        ordered = [shown(row) for row in best_first(rows, column)]
        for label in labels:
            place = ordered.index(label) if label in ordered else last
            places[label] += 0 if bold.get(label) else place
    return sorted(labels, key=lambda label: (places[label], label))
