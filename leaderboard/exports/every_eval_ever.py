"""Rows in the schema of Every Eval Ever, a shared format of evaluation results (https://evalevalai.com)."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Sequence
from typing import Any

from leaderboard.row_kinds import shown
from leaderboard.rows import Row, known

SCHEMA = "0.2.2"  # of eval.schema.json
HERE = "keypoint-benchmarks"
INTERVAL = "bootstrap over groups of test images; with three seeds or more, Student's t over seeds added in quadrature"


def to_every_eval_ever(rows: Sequence[Row], now: float | None = None) -> str:
    """One JSON object a line for each method, and for each published system as its paper prints it.

    ``now`` is the time that the objects say they were made at, in seconds since 1970 (default: the present time).
    Failed rows have no score and are left out.
    """
    methods: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        if row.status == "done":
            methods.setdefault((shown(row), row.supervision, row.kind == "reported"), []).append(row)
    made = str(int(time.time() if now is None else now))
    return "".join(f"{json.dumps(_log(own, made), ensure_ascii=False, allow_nan=False)}\n" for own in methods.values())


def _log(rows: Sequence[Row], made: str) -> dict[str, Any]:
    """The object of one method."""
    first = rows[0]
    reported = first.kind == "reported"
    results = [_result(row) for row in rows]
    content = hashlib.sha256(json.dumps(results, sort_keys=True).encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]+", "-", f"{first.label} {first.supervision}" if reported else first.label).strip("-")
    commits = sorted({commit for row in rows for commit in row.commits or ()})
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{HERE}/{first.profile}/{name}/{content}",
        "retrieved_timestamp": made,
        "source_metadata": {
            "source_name": HERE,
            "source_type": "documentation" if reported else "evaluation_run",
            "source_organization_name": HERE,
            "evaluator_relationship": "other" if reported else "third_party",
        },
        "model_info": {
            "name": first.label,
            "id": f"{HERE}/{name}",
            "additional_details": {
                "kind": first.kind,
                "supervision": first.supervision,
                "saw_landmarks": json.dumps(first.supervised),
                "baseline": json.dumps(first.is_floor),
            },
        },
        "eval_library": {
            "name": "unknown" if reported else HERE,
            "version": "unknown" if reported or not commits else f"commit {', '.join(commits)}",
        },
        "evaluation_results": results,
    }


def _result(row: Row) -> dict[str, Any]:
    """One score; errors have no upper bound, and so no ``score_type`` that would need one."""
    metric = {
        "metric_id": f"{HERE}.{row.protocol}",
        "metric_name": row.metric or row.protocol,
        "metric_unit": row.unit,
        "lower_is_better": not row.higher_is_better,
        "additional_details": _texts(protocol=row.protocol, protocol_version=row.protocol_version, differs=row.note),
    }
    details = _texts(
        profile=row.profile,
        printed=row.printed,
        seeds=row.seeds,
        failed_seeds=row.failed_seeds,
        images_to_regress_on=row.n_fit,
        limit=row.limit,
        outdated_protocol=row.outdated or None,
        rank_deficient=row.rank_deficient or None,
    )
    score: dict[str, Any] = {"score": known(row.value), "details": details}
    if row.ci_low is not None and row.ci_high is not None:
        ends = {"lower": row.ci_low, "upper": row.ci_high, "confidence_level": 0.95, "method": INTERVAL}
        score["uncertainty"] = {"confidence_interval": ends, "num_samples": row.n_test}
    return {
        "evaluation_name": row.task,
        "source_data": {"dataset_name": f"{row.task}, {row.profile} profile", "source_type": "other"},
        "metric_config": {name: value for name, value in metric.items() if value is not None},
        "score_details": score,
    }


def _texts(**values: object) -> dict[str, str]:
    """The values that are known, as the texts that the schema wants."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }
