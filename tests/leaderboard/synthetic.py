"""Made-up records and suites."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from leaderboard import readme
from leaderboard.load import list_text
from leaderboard.records import Failure, ResultRecord, ScoreRecord
from leaderboard.suites import Suite, TableKind

KINDS: dict[str, TableKind] = {"ablation": "ablation", "misalignment": "pairs"}


def score_of(value: float, half: float = 0.5, **changes: Any) -> ScoreRecord:
    fields: dict[str, Any] = {
        "protocol": "sk/side",
        "protocol_version": 1,
        "value": value,
        "unit": "% side",
        "higher_is_better": False,
        "ci_low": value - half,
        "ci_high": value + half,
        "n_fit": 30,
        "n_test": 28,
        "rank": 8,
        "condition": 3.0,
        "rank_deficient": False,
        "rows": (30, 12),
        "per_landmark": (value, None),
    }
    return ScoreRecord(**(fields | changes))


def suites(**tasks: tuple[str, ...]) -> dict[str, Suite]:
    """Suites of these names, with the kinds that the names have in the paper."""
    return {name: Suite(name=name, tasks=each, kind=KINDS.get(name, "plain")) for name, each in tasks.items()}


def record(
    method: str, task: str, value: float | None, seed: int = 0, score: dict[str, Any] | None = None, **changes: Any
) -> ResultRecord:
    """A done cell with one score, or with value None a failed one."""
    fields: dict[str, Any] = {
        "status": "failed" if value is None else "done",
        "schema_version": 4,  # of older versions, without digests
        "cell_id": f"{method}--{task}--mini--s{seed}--{len(changes):08x}",
        "method": method,
        "method_label": method.title(),
        "method_version": "1",
        "method_config": {},
        "method_identity": {},
        "is_floor": method in ("centre", "grid"),
        "supervision": "unsupervised",
        "task": task,
        "suites": ("wild",),
        "dataset": f"mini_{task}",
        "fit_dataset": f"mini_{task}",
        "dataset_digests": {"test": "abc"},
        "num_keypoints": 4,
        "profile": "mini",
        "seed": seed,
        "n_images_limit": None,
        "scores": () if value is None else (score_of(value, **(score or {})),),
        "seconds": {} if value is None else {"fit": 3.0, "predict": 1.0, "score": 0.5},
        "failure": Failure(type="ValueError", message="no light", traceback="at line 1") if value is None else None,
    }
    return ResultRecord(**(fields | changes))


def save_results(records: Iterable[ResultRecord], path: Path) -> None:
    """Write records as a committed list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(list_text(records), encoding="utf-8")


def commit(
    pages: Sequence[Path], records: Iterable[ResultRecord], suites: readme.Suites, results: Path, replace: bool = False
) -> dict[Path, int]:
    """Write the committed lists alone; returns their numbers of records."""
    lists = readme.merged_lists(pages, records, suites, results, replace)
    for file, merged in lists.items():
        save_results(merged.records, file)
    return {file: len(merged.records) for file, merged in lists.items()}
