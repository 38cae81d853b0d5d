"""Ablations in tables: the records that belong together, and the change that an ablation makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from leaderboard.intervals import ENOUGH_SEEDS, half_width
from leaderboard.records import ResultRecord


def with_ablations(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """Ablations, their full methods, and floors, on the tasks that have ablations."""
    records = list(records)
    full = {full_key(record) for record in records if record.variant}
    tasks = {record.task for record in records if record.variant}
    return [record for record in records if (record.is_floor and record.task in tasks) or full_key(record) in full]


def without_ablations(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The records that are no ablations."""
    return [record for record in records if record.variant is None]


def full_key(record: ResultRecord) -> str:
    """A key of task and method without the ablation's changes: equal for a full method and its ablations."""
    config = {**record.method_config, **(record.variant.full if record.variant else {})}
    content = [
        record.task,
        record.profile,
        record.method,
        record.method_version,
        config,
        record.method_identity,
        record.n_images_limit,
    ]
    return json.dumps(content, sort_keys=True)


def change(protocol: str, records: Sequence[ResultRecord], full: Mapping[int, ResultRecord]) -> dict[str, Any]:
    """Difference between an ablation and the full method (records by seed), as fields of a row.

    The mean of the differences paired by seed, over the seeds that both finished on the same data; from three seeds on
    with Student's 95 % interval over seeds. Test images are the same for both and are not resampled.
    """
    differences = []
    for record in records:
        other = full.get(record.seed)
        if other is not None and other.dataset_digests == record.dataset_digests:
            pair = _value(record, protocol), _value(other, protocol)
            differences += [pair[0] - pair[1]] if pair[0] is not None and pair[1] is not None else []
    if not differences:
        return {}
    mean, interval = fmean(differences), {}
    if len(differences) >= ENOUGH_SEEDS:
        half = half_width(differences)
        interval = {"change_low": mean - half, "change_high": mean + half}
    return {"change": mean, **interval}


def _value(record: ResultRecord, protocol: str) -> float | None:
    return next((score.value for score in record.scores if score.protocol == protocol), None)


def description(record: ResultRecord) -> dict[str, Any]:
    """The fields of a row that name its ablation and the settings that the method changes for its fit dataset."""
    notes = [record.variant.note] if record.variant and record.variant.note else []
    where = f"{record.method_label}, learned on {record.fit_dataset}"
    notes += [
        f"{where}: {name}={record.method_config[name]}, elsewhere {value}" for name, value in record.by_dataset.items()
    ]
    return {"variant": record.variant.name if record.variant else None, "note": "; ".join(notes) or None}
