"""The rows that papers print (``published.csv``), each with what is known about how it was measured.

Printed columns are less uniform than their tables suggest: Tai-Chi's mixes a sum of l2 with a sum of
absolute errors, Human3.6M's pixels with percent. So a row carries the protocol that made it where that is
known, "as printed" where it is not, and a note wherever it cannot be compared with a measured value.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaderboard.kinds import is_supervised
from leaderboard.literature import system_of

PUBLISHED = Path(__file__).parent / "published.csv"
AS_PRINTED = "as printed"

_COMPARISON_TABLES = ("1", "2", "3", "5", "text")
_ABLATION_TABLES = ("4",)
_HIGHER_IS_BETTER = ("PCK%",)
_LABELS = {
    "SK ours": "Stable Keypoints",
    "SK ours, 100 images": "Stable Keypoints",
    "AutoLink-dagger [13]": "AutoLink, thickness tuned [13]",
    "Full": "Stable Keypoints",
    "w/o test-time ensembling": "Stable Keypoints, without test-time ensembling",
    "w/o furthest point sampling (k=K)": "Stable Keypoints, without furthest point sampling",
    "w/o upsampling Q": "Stable Keypoints, without query upsampling",
    "w/o equivariance": "Stable Keypoints, without equivariance",
}
_TASKS = {
    "h36m": "human36m",
    "h36m_unaligned": "human36m_unaligned",
    "taichi->h36m_unaligned": "taichi_to_human36m_unaligned",
    "cub->taichi": "cub_aligned_to_taichi",
    "celeba->taichi": "celeba_wild_to_taichi",
    "celeba->cub": "celeba_wild_to_cub_all",
}


def published_facts() -> list[dict[str, str]]:
    """The lines of ``published.csv`` as they stand.

    table, method, supervision, task, K, metric, value and note are the papers'; protocol is the one that made the value
    (or 'as printed'), unit its unit, ``basis`` how that is known (code: the code that made it was read; reproduced: its
    formula gives the printed digits; inferred; unknown), and ``differs`` what is known to differ, and why.
    """
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def reported_rows(
    suite_tasks: Sequence[str], protocol: str | None = None, variants: bool = False
) -> list[dict[str, Any]]:
    """What Stable Keypoints prints for these tasks, task by task in the order of its tables.

    That is Tables 1, 2, 3 and 5 and section 4.3 (learned on 100 images), or with ``variants`` the ablations of Table 4.

    With ``protocol`` (a name or a family such as 'autolink') only what was made by it; the solver that the code
    of the family released does not make it another.
    """
    tables = _ABLATION_TABLES if variants else _COMPARISON_TABLES
    facts = [fact for fact in published_facts() if fact["table"] in tables]
    found = [_reported(fact) for task in suite_tasks for fact in facts if task_of(fact) == task]
    if protocol in (None, "all"):
        return found
    names = {row["protocol"]: (row["protocol"], row["protocol"].replace("_released/", "/")) for row in found}
    return [row for row in found if any(belongs(name, str(protocol)) for name in names[row["protocol"]])]


def belongs(name: str, protocol: str) -> bool:
    """Whether a protocol's name is the one asked for, or of the family asked for."""
    return name == protocol or name.split("/")[0] == protocol


def task_of(fact: dict[str, str]) -> str:
    """The task that a line of ``published.csv`` is about."""
    if fact["task"] == "celeba_wild":
        return f"celeba_wild_k{fact['K']}{'_fit100' if fact['method'].endswith(' 100 images') else ''}"
    return _TASKS.get(fact["task"], fact["task"])


def label_of(fact: dict[str, str]) -> str:
    """The method of a line of ``published.csv`` as tables call it."""
    return _LABELS.get(fact["method"], fact["method"])


def _reported(fact: dict[str, str]) -> dict[str, Any]:
    return {
        "method": system_of(fact["method"]),
        "label": label_of(fact),
        "task": task_of(fact),
        "profile": "paper",
        "kind": "reported",
        "status": "done",
        "protocol": fact["protocol"],
        "metric": fact["metric"],
        "value": float(fact["value"]),
        "printed": fact["value"],
        "unit": fact["unit"],
        "higher_is_better": fact["metric"] in _HIGHER_IS_BETTER,
        "supervision": fact["supervision"],
        "supervised": is_supervised(fact["supervision"]),
        "is_floor": False,
        "note": _note(fact),
    }


def _note(fact: dict[str, str]) -> str | None:
    """Protocol and differences in one line; None where there is nothing to say."""
    known = "" if fact["protocol"] == AS_PRINTED else fact["protocol"]
    return ": ".join(part for part in (known, fact["differs"]) if part) or None
