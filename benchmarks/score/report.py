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

from benchmarks.run.scoring import absent_counts, absent_notes, left_out_notes, no_value_notes, without_value
from leaderboard.intervals import NOTHING_VARIES
from leaderboard.markdown import MISSING
from leaderboard.text import printable
from metrics.absent import absent
from metrics.protocols import PROTOCOLS, RECOMMENDED, value_text

if TYPE_CHECKING:
    from benchmarks.importing.tasks import TaskData
    from benchmarks.score.inputs import Inputs
    from benchmarks.score.options import ScoreOptions
    from metrics.scoring import Score

_WIDTH, _DECIMALS = 80, 3
_CITE = "* recommended: cite this, beside the protocol of the paper that you compare with"
_DEFICIENT = "† the regression is rank deficient: of all least-squares solutions the one of least norm is used"


@dataclass(frozen=True)
class Result:
    """The options, the inputs, the protocols chosen, and the scores, of which the first is the headline."""

    options: ScoreOptions
    inputs: Inputs
    data: TaskData | None
    protocols: Sequence[str]
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
        "notes": _notes(result),
        "scores": [score.summary() for score in result.scores],
    }
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_table(result: Result) -> str:
    """Plain-text tables of the scores, of one protocol's landmarks, and of errors by number of labelled images."""
    inputs, scores = result.inputs, result.scores
    console = Console(file=io.StringIO(), width=_WIDTH, highlight=False, markup=False, color_system=None)
    counts = f"{len(inputs.fit.ids):,} images to fit on, {len(inputs.test.ids):,} to test"
    points = f"K={inputs.test.keypoints.shape[1]}, L={len(inputs.landmark_names)}"
    where = [f"task {result.data.task.id}, {result.data.remark}"] if result.data else []
    for line in [*where, f"{counts}; {points}", *_notes(result)]:
        console.print(line, soft_wrap=True)
    console.print("", _scores(scores))
    for line in _legend(scores):
        console.print(line)
    cited = next((score for score in scores if score.protocol in RECOMMENDED), scores[0])
    curves = [score for score in scores if score.curve]
    tables = [_landmarks(cited, inputs.landmark_names), *([_curves(curves)] if curves else []), _regressions(scores)]
    for table in tables:
        console.print("", table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(printable(line).rstrip() + "\n" for line in text.split("\n")[:-1])


def _notes(result: Result) -> list[str]:
    """Notes on how the files were read, on images left out, on absent keypoints and on protocols without a value."""
    inputs = result.inputs
    gaps = absent_counts({"regress": absent(inputs.fit.keypoints), "test": absent(inputs.test.keypoints)})
    no_value = no_value_notes(without_value(result.protocols, result.scores))
    return [*inputs.notes, *left_out_notes(result.scores), *absent_notes(gaps), *no_value]


def _legend(scores: Sequence[Score]) -> list[str]:
    """What the marks of the table mean, and what its reader must not compare."""
    lines = [_CITE] * any(score.protocol in RECOMMENDED for score in scores)
    biased = [score.protocol for score in scores if PROTOCOLS[score.protocol].intercept]
    if biased and len(biased) < len(scores):
        have = "have" if len(biased) > 1 else "has"
        lines.append(
            f"{', '.join(biased)} {have} a bias in the regression, the others have none: the same points can differ by "
            "a factor of 2, so compare numbers of one protocol alone."
        )
    lines += [_DEFICIENT] * any(score.rank_deficient for score in scores)
    return lines + [f"{MISSING} {NOTHING_VARIES}"] * any(score.ci_low is None for score in scores)


def _grid(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0), pad_edge=False)
    for column in columns:
        left = column in ("protocol", "regression", "unit") or column.startswith(("landmark (", "keypoint ("))
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "unit")
    return table


def _scores(scores: Sequence[Score]) -> Table:
    table = _grid("protocol", "value", "95 % interval", "unit")
    for score in scores:
        table.add_row(
            f"{score.protocol}{' *' if score.protocol in RECOMMENDED else ''}",
            f"{_text(score, score.value)}{'†' if score.rank_deficient else ''}",
            _interval(score),
            f"{score.unit} {'↑' if score.higher_is_better else '↓'}",
        )
    return table


def _regressions(scores: Sequence[Score]) -> Table:
    """Rank, condition number and number of rows of each regression."""
    table = _grid("regression", "rank", "condition", "rows")
    for score in scores:
        kept = PROTOCOLS[score.protocol].landmarks
        rows = [int(count) for count in (score.rows if kept is None else score.rows[list(kept)])]
        table.add_row(
            score.protocol,
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
