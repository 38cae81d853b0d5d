"""Aggregation of records over seeds: one row per method, task and protocol, with its interval."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from leaderboard.ablations import change, description, full_key, with_ablations, without_ablations
from leaderboard.costs import costs
from leaderboard.flags import flags_of
from leaderboard.image_errors import ErrorsOf, image_errors
from leaderboard.intervals import half_width, range_of_two
from leaderboard.origins import each_once, origin_of
from leaderboard.published import belongs
from leaderboard.records import ResultRecord, ScoreRecord
from leaderboard.row_kinds import kind_of
from leaderboard.rows import Row
from metrics.protocols import PROTOCOLS

Group = tuple[str, str, str, int | None, str]  # kind, method, label, limit, settings: equal for the seeds of a row
_HASH = re.compile("[0-9a-f]{40,64}")
# Condition number of a design above which rounding of keypoints to 1e-6 of the image can move its weights at will
NEARLY_SINGULAR = 1e6


def measured_rows(
    records: Iterable[ResultRecord],
    suite_tasks: Sequence[str],
    profile: str,
    protocol: str | None = None,
    ablations: bool = False,
    errors: ErrorsOf | None = None,
) -> list[Row]:
    """Rows of the kinds 'trained' and 'scored' for the tasks, in their order; see ``leaderboard.tables.rows``.

    Without ``ablations`` full methods only; with it methods that have ablations, the ablations, and floors.

    Cells form one row if everything but the seed is equal, settings that the method changes by dataset excepted. If a
    seed was run again after the data, or a setting by dataset, had changed, the latest record counts. A task on which
    all seeds failed has one row of status 'failed'.
    """
    chosen = each_once(record for record in records if record.task in suite_tasks and record.profile == profile)
    wanted = sorted(
        with_ablations(chosen) if ablations else without_ablations(chosen),
        key=lambda record: (str(record.provenance.get("date", "")), record.cell_id),
    )
    groups = _groups(wanted)
    labels = _labels(wanted, groups)
    by_task: dict[str, dict[Group, dict[int, ResultRecord]]] = {}
    for record in wanted:
        seeds = by_task.setdefault(record.task, {}).setdefault(groups[id(record)], {})
        seeds.pop(record.seed, None)
        seeds[record.seed] = record
    table = []
    for task in suite_tasks:
        cells = by_task.get(task, {})
        full = _full(cells.values()) if ablations else {}
        for group, seeds in cells.items():
            latest = [*seeds.values()][-1]
            together = [record for record in seeds.values() if _made_on(record) == _made_on(latest)]
            beside = full.get(full_key(latest), {}) if latest.variant else {}
            table.extend(_cell_rows(labels[group], together, protocol, beside, errors))
    return table


def _full(cells: Iterable[dict[int, ResultRecord]]) -> dict[str, dict[int, ResultRecord]]:
    """The records of full methods by seed, by the key that they share with their ablations."""
    return {full_key(latest): seeds for seeds in cells if not (latest := [*seeds.values()][-1]).variant}


def _groups(records: Iterable[ResultRecord]) -> dict[int, Group]:
    """The group of each record, by the record's id; equal settings are sorted once."""
    found, texts = dict[int, Group](), dict[str, str]()
    for record in records:
        settings = _settings(record)
        if (plain := repr(settings)) not in texts:
            texts[plain] = json.dumps(settings, sort_keys=True)
        found[id(record)] = (
            kind_of(record),
            record.method,
            record.method_label,
            record.n_images_limit,
            texts[plain],
        )
    return found


def _made_on(record: ResultRecord) -> tuple[dict[str, str], dict[str, Any]]:
    """The data and settings by dataset, which the seeds of a row must share."""
    return record.dataset_digests, record.by_dataset


def _settings(record: ResultRecord) -> dict[str, Any]:
    """The settings that distinguish rows of one method.

    Scored records have no identity here, because their files differ between tasks. Settings by dataset have the values
    of other datasets.
    """
    identity = {} if kind_of(record) == "scored" else record.method_identity
    return {**record.method_config, **record.by_dataset, **identity, "version": record.method_version}


def _labels(records: Iterable[ResultRecord], groups: Mapping[int, Group]) -> dict[Group, str]:
    """The label of each group: method label, settings that differ between groups of that label, and the limit.

    Settings that vary by dataset are named too.
    """
    by_dataset: dict[Group, set[str]] = {}
    namesakes: dict[tuple[str, str, int | None], dict[Group, dict[str, Any]]] = {}
    for record in records:
        called, group = (kind_of(record), record.method_label, record.n_images_limit), groups[id(record)]
        by_dataset.setdefault(group, set()).update(record.by_dataset)
        if group not in namesakes.setdefault(called, {}):
            namesakes[called][group] = {"method": record.method, **_settings(record)}
    labels = {}
    for (_, label, limit), own in namesakes.items():
        names = sorted({name for settings in own.values() for name in settings})
        differing = [name for name in names if len({repr(s.get(name)) for s in own.values()}) > 1]
        for group, settings in own.items():
            told_apart = ", ".join(f"{name}={_short(settings.get(name))}" for name in differing)
            varying = ", ".join(sorted(by_dataset[group]))
            marks = [f"[{told_apart}]"] * bool(told_apart) + [f"({varying} by dataset)"] * bool(varying)
            marks += [f"(limit {limit})"] * (limit is not None)
            labels[group] = " ".join([label, *marks])
    return labels


def _short(value: Any) -> Any:
    """A setting in a label; a hash is cut to eight digits."""
    return value[:8] if isinstance(value, str) and _HASH.fullmatch(value) else value


def _cell_rows(
    label: str,
    group: Sequence[ResultRecord],
    protocol: str | None,
    full: Mapping[int, ResultRecord],
    errors: ErrorsOf | None,
) -> list[Row]:
    """One row per chosen protocol of the finished seeds, or one row for a cell that failed.

    For an ablation ``full`` has the records of the full method by seed. ``errors`` reads the errors per image.
    """
    done = [record for record in group if record.status == "done"]
    first = group[0]
    common: dict[str, Any] = {
        "method": first.method,
        "label": label,
        "task": first.task,
        "profile": first.profile,
        "kind": kind_of(first),
        "status": "done" if done else "failed",
        "supervision": first.supervision,
        "supervised": first.supervised,
        "is_floor": first.is_floor,
        "limit": first.n_images_limit,
        "seeds": len(done),
        "failed_seeds": len(group) - len(done),
        "failure": next((record.failure.message for record in group if record.failure is not None), None),
        **costs(group),
        **description(first),
    }
    if not done:
        return [Row(**common, flags=flags_of(group))]
    own = {record.seed: record for record in done}
    return [
        Row(
            **common,
            **_over_seeds(scores),
            **change(name, done, full),
            **_origins([own[seed] for seed in scores], scores.values()),
            images=errors and partial(image_errors, {seed: own[seed] for seed in scores}, name, errors),
        )
        for name, scores in _by_protocol(done, protocol).items()
    ]


def _origins(records: Sequence[ResultRecord], scores: Iterable[ScoreRecord]) -> dict[str, Any]:
    """The records of a row's seeds, with their commits and flags, as fields of the row."""
    flags = flags_of(records, any(map(is_outdated, scores)))
    return {"cells": tuple(records), "commits": [origin_of(record) for record in records], "flags": flags}


def _by_protocol(done: Sequence[ResultRecord], protocol: str | None) -> dict[str, dict[int, ScoreRecord]]:
    """The chosen scores of finished seeds, by protocol and seed."""
    found: dict[str, dict[int, ScoreRecord]] = {}
    for record in done:
        for score in _chosen(record.scores, protocol):
            found.setdefault(score.protocol, {})[record.seed] = score
    return found


def _chosen(scores: Sequence[ScoreRecord], protocol: str | None) -> Sequence[ScoreRecord]:
    """The scores under the protocol asked for: None for the headline (the first score), 'all', an id or a family."""
    if protocol is None:
        return scores[:1]
    return [score for score in scores if protocol == "all" or belongs(score.protocol, protocol)]


def is_outdated(score: ScoreRecord) -> bool:
    """Whether a score is of another version of its protocol than the current one, or of an unknown protocol."""
    return score.protocol not in PROTOCOLS or score.protocol_version != PROTOCOLS[score.protocol].version


def _over_seeds(by_seed: Mapping[int, ScoreRecord]) -> dict[str, Any]:
    """Mean over seeds with an interval over test images and seeds, as fields of a row.

    All seeds are tested on the same images, so the images' part is the mean of the seeds' own intervals. The seeds'
    part, Student's t over their spread, is independent of it and added in quadrature; two seeds have their range
    instead. Without any part there is no interval. No metric is below 0, and no interval either.
    """
    scores = list(by_seed.values())
    value = fmean(score.value for score in scores)
    spread = half_width([score.value for score in scores])
    below = fmean(0.0 if score.ci_low is None else score.value - score.ci_low for score in scores)
    above = fmean(0.0 if score.ci_high is None else score.ci_high - score.value for score in scores)
    low, high = value - (below**2 + spread**2) ** 0.5, value + (above**2 + spread**2) ** 0.5
    varies = high > low
    seeds_low, seeds_high = range_of_two([score.value for score in scores]) or (None, None)
    first = scores[0]
    return {
        "protocol": first.protocol,
        "protocol_version": first.protocol_version,
        "value": value,
        "by_seed": {seed: score.value for seed, score in by_seed.items()},
        "images_half": (below + above) / 2,
        "unit": first.unit,
        "higher_is_better": first.higher_is_better,
        "ci_low": max(low, 0.0) if varies else None,
        "ci_high": high if varies else None,
        "half": (high - low) / 2 if varies else None,
        "seeds_low": seeds_low,
        "seeds_high": seeds_high,
        "n_fit": first.n_fit,
        "n_test": first.n_test,
        "rank_deficient": any(score.rank_deficient for score in scores),
        "nearly_singular": any((score.condition or 0) > NEARLY_SINGULAR for score in scores),
        "outdated": any(map(is_outdated, scores)),
    }
