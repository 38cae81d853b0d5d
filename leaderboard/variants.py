"""Ablations in tables: which records belong together, and what a change is worth."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from leaderboard.intervals import half_width
from leaderboard.records import ResultRecord


def with_variants(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The variants, the cells of the methods that they are variants of, and floors, of the tasks that have variants."""
    records = list(records)
    full = {full_key(record) for record in records if record.variant}
    tasks = {record.task for record in records if record.variant}
    return [record for record in records if (record.is_floor and record.task in tasks) or full_key(record) in full]


def without_variants(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The records of methods as they are."""
    return [record for record in records if record.variant is None]


def full_key(record: ResultRecord) -> str:
    """Names task and method of a record, what an ablation changed put back: equal for a method and its variants."""
    config = {**record.method_config, **(record.variant.full if record.variant else {})}
    plain = [
        record.task,
        record.profile,
        record.method,
        record.method_version,
        config,
        record.method_identity,
        record.n_images_limit,
    ]
    return json.dumps(plain, sort_keys=True)


def change(
    protocol: str, records: Sequence[ResultRecord], full: Mapping[int, ResultRecord]
) -> dict[str, float | str | None]:
    """What a variant's value has more than the full method's (by its seed), as the fields of a row.

    The mean of the differences seed by seed, over the seeds that both have done on the same data, and from two seeds
    on Student's 95 % interval over them. The test images are the same for both and are not drawn anew.
    """
    differences = []
    for record in records:
        other = full.get(record.seed)
        if other is not None and other.dataset_digests == record.dataset_digests:
            pair = _value(record, protocol), _value(other, protocol)
            differences += [pair[0] - pair[1]] if pair[0] is not None and pair[1] is not None else []
    if not differences:
        return {}
    mean, found = fmean(differences), {}
    if len(differences) > 1:
        half = half_width(differences)
        found = {"change_low": mean - half, "change_high": mean + half}
    return {"change": mean, **found}


def _value(record: ResultRecord, protocol: str) -> float | None:
    return next((score.value for score in record.scores if score.protocol == protocol), None)


def fields(record: ResultRecord) -> dict[str, Any]:
    """What a row says of its variant and of the settings that its method has for the fit dataset alone."""
    notes = [record.variant.note] if record.variant and record.variant.note else []
    where = f"{record.method_label}, learned on {record.fit_dataset}"
    notes += [
        f"{where}: {name}={record.method_config[name]}, elsewhere {value}" for name, value in record.by_dataset.items()
    ]
    return {"variant": record.variant.name if record.variant else None, "note": "; ".join(notes) or None}
