"""From records of single cells to one row a method, task and protocol: the mean over seeds with its interval."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from leaderboard.intervals import half_width
from leaderboard.kinds import is_supervised, kind_of
from leaderboard.origins import origin_of
from leaderboard.published import belongs
from leaderboard.records import ResultRecord, ScoreRecord
from leaderboard.variants import change, fields, full_key, with_variants, without_variants
from metrics.protocols import PROTOCOLS

Variant = tuple[str, str, str, int | None, str]
_HASH = re.compile("[0-9a-f]{40,64}")


def measured_rows(
    records: Iterable[ResultRecord],
    suite_tasks: Sequence[str],
    profile: str,
    protocol: str | None = None,
    variants: bool = False,
) -> list[dict[str, Any]]:
    """Rows of the kinds 'trained' and 'scored' for the tasks, in their order; see ``leaderboard.tables.rows``.

    Methods as they are, or with ``variants`` those that have ablations, these, and floors.

    Cells belong together when all but the seed is equal, aside from settings that the method has by dataset. Where
    a seed was run again on data, or with settings by dataset, that changed since, the record of the latest date
    counts. A task whose seeds all failed has one row of status 'failed'.
    """
    chosen = (record for record in records if record.task in suite_tasks and record.profile == profile)
    wanted = sorted(
        with_variants(chosen) if variants else without_variants(chosen),
        key=lambda record: (str(record.provenance.get("date", "")), record.cell_id),
    )
    labels = _labels(wanted)
    table = []
    for task in suite_tasks:
        cells: dict[Variant, dict[int, ResultRecord]] = {}
        for record in wanted:
            if record.task == task:
                seeds = cells.setdefault(_variant(record), {})
                seeds.pop(record.seed, None)
                seeds[record.seed] = record
        full = {full_key(latest): seeds for seeds in cells.values() if not (latest := [*seeds.values()][-1]).variant}
        for variant, seeds in cells.items():
            latest = [*seeds.values()][-1]
            group = [record for record in seeds.values() if _made_on(record) == _made_on(latest)]
            beside = full.get(full_key(latest), {}) if latest.variant else {}
            table.extend(_cell_rows(labels[variant], group, protocol, beside))
    return table


def _variant(record: ResultRecord) -> Variant:
    settings = json.dumps(_settings(record), sort_keys=True)
    return kind_of(record), record.method, record.method_label, record.n_images_limit, settings


def _made_on(record: ResultRecord) -> tuple[dict[str, str], dict[str, Any]]:
    """What the seeds of a row must have in common."""
    return record.dataset_digests, record.by_dataset


def _settings(record: ResultRecord) -> dict[str, Any]:
    """What tells variants of a method apart.

    The files of scored predictions differ from task to task, so not they; settings by dataset are as elsewhere.
    """
    identity = {} if kind_of(record) == "scored" else record.method_identity
    return {**record.method_config, **record.by_dataset, **identity, "version": record.method_version}


def _labels(records: Iterable[ResultRecord]) -> dict[Variant, str]:
    """What to call each variant: the label, the limit, and the settings that tell it from its namesakes of its kind.

    Settings that vary by dataset are named too.
    """
    by_dataset: dict[Variant, set[str]] = {}
    namesakes: dict[tuple[str, str, int | None], dict[Variant, dict[str, Any]]] = {}
    for record in records:
        called = kind_of(record), record.method_label, record.n_images_limit
        by_dataset.setdefault(_variant(record), set()).update(record.by_dataset)
        namesakes.setdefault(called, {})[_variant(record)] = {"method": record.method, **_settings(record)}
    labels = {}
    for (_, label, limit), variants in namesakes.items():
        names = sorted({name for settings in variants.values() for name in settings})
        differing = [name for name in names if len({repr(s.get(name)) for s in variants.values()}) > 1]
        for variant, settings in variants.items():
            told_apart = ", ".join(f"{name}={_short(settings.get(name))}" for name in differing)
            varying = ", ".join(sorted(by_dataset[variant]))
            marks = [f"[{told_apart}]"] * bool(told_apart) + [f"({varying} by dataset)"] * bool(varying)
            marks += [f"(limit {limit})"] * (limit is not None)
            labels[variant] = " ".join([label, *marks])
    return labels


def _short(value: Any) -> Any:
    """A setting as labels have it: of a hash the first eight digits."""
    return value[:8] if isinstance(value, str) and _HASH.fullmatch(value) else value


def _cell_rows(
    label: str, group: Sequence[ResultRecord], protocol: str | None, full: Mapping[int, ResultRecord]
) -> list[dict[str, Any]]:
    """One row for each protocol asked for that the done seeds were scored under, or one for a cell that failed.

    ``full`` has, for a variant, the records of the method as it is by their seed.
    """
    done = [record for record in group if record.status == "done"]
    failures = [record.failure.message for record in group if record.failure is not None]
    first = group[0]
    common = {
        "method": first.method,
        "label": label,
        "task": first.task,
        "profile": first.profile,
        "kind": kind_of(first),
        "status": "done" if done else "failed",
        "supervision": first.supervision,
        "supervised": is_supervised(first.supervision),
        "is_floor": first.is_floor,
        "limit": first.n_images_limit,
        "seeds": len(done),
        "failed_seeds": len(group) - len(done),
        "failure": failures[0] if failures else None,
        "seconds": fmean(sum(record.seconds.values()) for record in done) if done and first.seconds else None,
    } | fields(first)
    by_protocol: dict[str, dict[int, ScoreRecord]] = {}
    for record in done:
        for score in _chosen(record.scores, protocol):
            by_protocol.setdefault(score.protocol, {})[record.seed] = score
    if not done:
        return [common]
    origins = {record.seed: origin_of(record) for record in done}
    return [
        common | _over_seeds(scores) | change(name, done, full) | {"commits": [origins[seed] for seed in scores]}
        for name, scores in by_protocol.items()
    ]


def _chosen(scores: Sequence[ScoreRecord], protocol: str | None) -> Sequence[ScoreRecord]:
    """The task's headline, which stands first, 'all', one by its name, or those of a family such as 'sanchez'."""
    if protocol is None:
        return scores[:1]
    return [score for score in scores if protocol == "all" or belongs(score.protocol, protocol)]


def _version(protocol: str) -> int | None:
    """The version of a protocol that this code computes; None for one it does not have."""
    return PROTOCOLS[protocol].version if protocol in PROTOCOLS else None


def _over_seeds(by_seed: Mapping[int, ScoreRecord]) -> dict[str, Any]:
    """Mean over seeds, and an interval for both what the images and what the seeds leave open.

    The test images are the same for every seed, so their share is the mean of the seeds' own intervals; the
    seeds' share, Student's t over their spread, is independent of it, and added in quadrature. ``by_seed`` and
    ``images_half``, half the images' share, are for ``leaderboard.misalignment``.
    """
    scores = list(by_seed.values())
    value = fmean(score.value for score in scores)
    spread = half_width([score.value for score in scores])
    below = fmean(score.value - score.ci_low for score in scores)
    above = fmean(score.ci_high - score.value for score in scores)
    first = scores[0]
    return {
        "protocol": first.protocol,
        "protocol_version": first.protocol_version,
        "value": value,
        "by_seed": {seed: score.value for seed, score in by_seed.items()},
        "images_half": (below + above) / 2,
        "unit": first.unit,
        "higher_is_better": first.higher_is_better,
        "ci_low": value - (below**2 + spread**2) ** 0.5,
        "ci_high": value + (above**2 + spread**2) ** 0.5,
        "n_fit": first.n_fit,
        "n_test": first.n_test,
        "rank_deficient": any(score.rank_deficient for score in scores),
        "outdated": any(score.protocol_version != _version(score.protocol) for score in scores),
    }
