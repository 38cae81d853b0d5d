"""The rows that papers print (``published.csv``), each with what is known about how it was measured.

Printed columns are less uniform than their tables suggest: Tai-Chi's mixes a sum of l2 with a sum of
absolute errors, Human3.6M's pixels with percent. So a row carries the protocol that made it where that is
known, "as printed" where it is not, and a note wherever it cannot be compared with a measured value.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PUBLISHED = Path(__file__).parent / "published.csv"
AS_PRINTED = "as printed"

_COMPARISON_TABLES = ("1", "2", "3", "5")
_LABELS = {"SK ours": "Stable Keypoints", "AutoLink-dagger [13]": "AutoLink, thickness tuned [13]"}
_TASKS = {
    "h36m": "human36m",
    "h36m_unaligned": "human36m_unaligned",
    "taichi->h36m_unaligned": "taichi_to_human36m_unaligned",
    "cub->taichi": "cub_aligned_to_taichi",
    "celeba->taichi": "celeba_wild_to_taichi",
    "celeba->cub": "celeba_wild_to_cub_all",
}


class Reading(NamedTuple):
    """How a printed number is to be read."""

    protocol: str
    unit: str
    note: str = ""
    higher_is_better: bool = False


_RELATIVE = Reading(AS_PRINTED, "px@128", "the cumulative error over 33.47, not a mean l2")
_STABLE_KEYPOINTS = {
    "IOD%": Reading("sk/interocular", "% IOD"),
    "norm L2%": Reading("sk/side", "% side", "the cleaned test lists of CMR: half of the images"),
    "L2": Reading("sk/human36m", "px@128"),
    "Cum": Reading("sk/cumulative", "px@256 summed"),
    "PCK%": Reading("sk/pck6", "PCK@6px %", "images normalised twice", higher_is_better=True),
    "Rel": _RELATIVE,
}
_OTHERS = {
    "IOD%": Reading(AS_PRINTED, "% IOD"),
    "norm L2%": Reading(AS_PRINTED, "%", "other crops, test images or normaliser than Stable Keypoints"),
    "L2": Reading(AS_PRINTED, "% side", "percent of the image side, where Stable Keypoints has pixels at 128"),
    "Cum": Reading(
        "siarohin", "px@256 summed", "sum of absolute errors, bias in the regression: about 1.3 times a sum of l2"
    ),
    "PCK%": Reading(AS_PRINTED, "PCK@6px %", higher_is_better=True),
    "Rel": _RELATIVE,
}
_EXCEPTIONS = {
    ("SK ours", "cub_aligned", "norm L2%"): Reading("sk/side", "% side", "unknown which of two sets of crops was used"),
    ("SK ours", "deepfashion", "Rel"): Reading(AS_PRINTED, "px", "unit in doubt, probably pixels at 256"),
    ("AutoLink [13]", "h36m_unaligned", "L2"): Reading(AS_PRINTED, "?", "unit unknown"),
    ("AutoLink", "taichi->h36m_unaligned", "L2"): Reading(AS_PRINTED, "?", "unit unknown"),
    ("AutoLink", "cub->taichi", "Cum"): Reading(
        AS_PRINTED, "px@256 summed", "sum of l2 or of absolute errors: unknown"
    ),
}


def published_facts() -> list[dict[str, str]]:
    """The lines of ``published.csv`` as they stand: table, method, supervision, task, K, metric, value, note."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reported_rows(suite_tasks: Sequence[str]) -> list[dict[str, Any]]:
    """What Tables 1, 2, 3 and 5 of Stable Keypoints print for these tasks, task by task in the tables' order."""
    facts = [fact for fact in published_facts() if fact["table"] in _COMPARISON_TABLES]
    return [_reported(fact) for task in suite_tasks for fact in facts if _task(fact) == task]


def _task(fact: dict[str, str]) -> str:
    if fact["task"] == "celeba_wild":
        return f"celeba_wild_k{fact['K']}"
    return _TASKS.get(fact["task"], fact["task"])


def _reported(fact: dict[str, str]) -> dict[str, Any]:
    readings = _STABLE_KEYPOINTS if fact["method"] == "SK ours" else _OTHERS
    reading = _EXCEPTIONS.get((fact["method"], fact["task"], fact["metric"]), readings[fact["metric"]])
    label = _LABELS.get(fact["method"], fact["method"])
    return {
        "method": label,
        "label": label,
        "task": _task(fact),
        "profile": "paper",
        "kind": "reported",
        "status": "done",
        "protocol": reading.protocol,
        "metric": fact["metric"],
        "value": float(fact["value"]),
        "printed": fact["value"],
        "unit": reading.unit,
        "higher_is_better": reading.higher_is_better,
        "supervision": fact["supervision"],
        "is_floor": False,
        "note": reading.note or None,
    }
