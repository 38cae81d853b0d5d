"""Facts about measured rows that only the registered methods and datasets know: training data, and flags."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from benchmarks.records.digests import source_digests
from benchmarks.registry import DATASETS, METHODS, method_class, open_dataset
from leaderboard.flags import OTHER_DATA, OTHER_SOURCE, in_order
from leaderboard.row_kinds import kind_of
from leaderboard.rows import PairRow, Row
from methods.frozen import NOTHING

if TYPE_CHECKING:
    from leaderboard.records import ResultRecord
    from methods.frozen import FrozenData

AnyRow = TypeVar("AnyRow", Row, PairRow, Row | PairRow)


def with_facts(rows: Iterable[AnyRow]) -> list[AnyRow]:
    """The rows with what their frozen parts were trained on, and with the flags for other data and another source.

    A row of a method that is not registered, of keypoints from elsewhere or of pairs of tasks stays as it is.
    """
    return [_with_facts(row) if isinstance(row, Row) and row.cells else row for row in rows]


def _with_facts(row: Row) -> Row:
    flags = [*row.flags, *[OTHER_DATA] * any(map(_on_other_data, row.cells))]
    flags += [OTHER_SOURCE] * any(map(_of_other_source, row.cells))
    last = row.cells[-1]
    frozen = _frozen(last.method, json.dumps(last.method_config, sort_keys=True)) if _is_ours(last) else None
    if frozen is None and row.kind == "trained" and row.frozen_parameters == 0:
        frozen = NOTHING
    if frozen is None:
        return replace(row, flags=in_order(flags)) if len(flags) > len(row.flags) else row
    return replace(
        row,
        flags=in_order(flags),
        frozen_data=frozen.name,
        frozen_labels=frozen.labels,
        test_in_frozen_data=frozen.contains(last.dataset),
    )


def _is_ours(record: ResultRecord) -> bool:
    return kind_of(record) == "trained" and record.method in METHODS.entries


@cache
def _frozen(method: str, config: str) -> FrozenData | None:
    """What the frozen part of a method with this config was trained on; None if that is unknown."""
    cls = method_class(method)
    try:
        return cls.frozen_data(cls.Config(**json.loads(config)))
    except (TypeError, ValueError):  # settings of another version of the method
        return None


def _of_other_source(record: ResultRecord) -> bool:
    """Whether the method's source files are not those that a record was measured with, if it names them."""
    before = record.digests.source if record.digests else {}
    return bool(before) and _is_ours(record) and before != source_digests(record.method)


def _on_other_data(record: ResultRecord) -> bool:
    """Whether a split's digest differs from the reference of its dataset's card, if that has one."""
    names = {"fit": record.fit_dataset, "regress": record.dataset, "test": record.dataset}
    return any(
        record.dataset_digests.get(split) not in (None, expected)
        for split, name in names.items()
        for expected in [_references(name).get(split)]
        if expected is not None
    )


@cache
def _references(dataset: str) -> dict[str, str]:
    """The reference digests of a registered dataset, by split."""
    if dataset not in DATASETS.entries:
        return {}
    return {str(split): digest for split, digest in open_dataset(dataset, None).card.digests.items()}
