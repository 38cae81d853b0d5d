"""Scores as a table for people, and as JSON with every number."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.run.scoring import left_out_notes
from leaderboard.intervals import NOTHING_VARIES
from leaderboard.markdown import MISSING
from leaderboard.text import printable
from metrics.protocols import PROTOCOLS, value_text

if TYPE_CHECKING:
    from benchmarks.importing.tasks import TaskData
    from benchmarks.score.inputs import Inputs
    from benchmarks.score.options import ScoreOptions
    from metrics.scoring import Score

_WIDTH = 120
_DECIMALS = 3
_DEFICIENT = "† the regression is rank deficient: of all least-squares solutions the one of least norm is used"


@dataclass(frozen=True)
class Result:
    """The options, the inputs and the scores, of which the first is the headline."""

    options: ScoreOptions
    inputs: Inputs
    data: TaskData | None
    scores: Sequence[Score]


def as_json(result: Result) -> str:
    """Strict JSON with conventions, counts, notes and all of each score except the errors of single images."""
    options, inputs = result.options, result.inputs
    plain = {
        "task": result.data.task.id if result.data else None,
        "profile": result.data.profile if result.data else None,
        "files": list(inputs.files),
        "range": options.range,
        "order": options.order,
        "gt_range": options.gt_range or options.range,
        "gt_order": options.gt_order or options.order,
        "n_fit": len(inputs.fit.ids),
        "n_test": len(inputs.test.ids),
        "num_keypoints": inputs.test.keypoints.shape[1],
        "landmarks": list(inputs.landmark_names),
        "resamples": options.resamples,
        "seed": options.seed,
        "notes": [*inputs.notes, *left_out_notes(result.scores)],
        "scores": [score.summary() for score in result.scores],
    }
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_table(result: Result) -> str:
    """Plain-text tables of the scores, of the headline's landmarks, and of errors by number of labelled images."""
    inputs = result.inputs
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, markup=False, color_system=None)
    counts = f"{len(inputs.fit.ids):,} images to fit on, {len(inputs.test.ids):,} to test"
    points = f"K={inputs.test.keypoints.shape[1]}, L={len(inputs.landmark_names)}"
    where = [f"task {result.data.task.id}, {result.data.remark}"] if result.data else []
    for line in [*where, f"{counts}; {points}", *inputs.notes, *left_out_notes(result.scores)]:
        console.print(line, soft_wrap=True)
    console.print()
    console.print(_scores(result.scores))
    if any(score.rank_deficient for score in result.scores):
        console.print(_DEFICIENT, soft_wrap=True)
    if any(score.ci_low is None for score in result.scores):
        console.print(f"{MISSING} {NOTHING_VARIES}", soft_wrap=True)
    console.print()
    console.print(_landmarks(result.scores[0], inputs.landmark_names))
    curves = [score for score in result.scores if score.curve]
    if curves:
        console.print()
        console.print(_curves(curves))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(printable(line).rstrip() + "\n" for line in text.split("\n")[:-1])


def _grid(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        left = column in ("protocol", "unit") or column.startswith(("landmark (", "keypoint ("))
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table


def _scores(scores: Sequence[Score]) -> Table:
    table = _grid("protocol", "value", "95 % interval", "unit", "rank", "condition", "rows")
    for score in scores:
        kept = PROTOCOLS[score.protocol].landmarks
        rows = [int(count) for count in (score.rows if kept is None else score.rows[list(kept)])]
        table.add_row(
            f"{score.protocol} {'↑' if score.higher_is_better else '↓'}",
            f"{_text(score, score.value)}{'†' if score.rank_deficient else ''}",
            _interval(score),
            score.unit,
            str(score.rank),
            MISSING if score.condition is None else f"{score.condition:.3g}",
            f"{rows[0]:,}" if len(set(rows)) == 1 else f"{min(rows):,} to {max(rows):,}",
        )
    return table


def _text(score: Score, value: float) -> str:
    return value_text(score.protocol, value, _DECIMALS)


def _interval(score: Score) -> str:
    if score.ci_low is None or score.ci_high is None:
        return MISSING
    return " to ".join(value_text(score.protocol, end, _DECIMALS, score.value) for end in (score.ci_low, score.ci_high))


def _landmarks(score: Score, names: Sequence[str]) -> Table:
    """The error of each landmark, or of each keypoint for a backward protocol."""
    plain: dict[str, Any] = score.summary()
    backward = PROTOCOLS[score.protocol].direction == "backward"
    table = _grid(f"{'keypoint' if backward else 'landmark'} ({score.protocol})", score.unit, "rows")
    shown = [str(keypoint) for keypoint in range(len(plain["rows"]))] if backward else names
    for name, error, count in zip(shown, plain["per_landmark"], plain["rows"], strict=True):
        table.add_row(name, MISSING if error is None else _text(score, error), f"{count:,}")
    return table


def _curves(scores: Sequence[Score]) -> Table:
    """Mean error and standard deviation over repeats for each number of labelled images."""
    counts = sorted({count for score in scores for count, _, _ in score.curve})
    table = _grid("labelled images", *(f"{score.protocol} ({score.unit})" for score in scores))
    for count in counts:
        found = [{labelled: (mean, spread) for labelled, mean, spread in score.curve}.get(count) for score in scores]
        table.add_row(f"{count:,}", *(MISSING if cell is None else f"{cell[0]:.3f} ±{cell[1]:.3f}" for cell in found))
    return table
