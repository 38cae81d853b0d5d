"""Scores are computed again from the kept predictions before they are published."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks.errors import correctable, first_line
from benchmarks.records.store import predictions_path
from leaderboard.load import CURE
from leaderboard.records import ResultRecord, ScoreRecord
from leaderboard.text import printable
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import KeypointDataset, Split

SPLITS: tuple[Split, ...] = ("regress", "test")
ROUNDING = 1e-6  # relative: what processors and libraries may differ by
EXACT = ("unit", "higher_is_better", "n_fit", "n_test", "rank_deficient", "rows")


@dataclass
class Recomputed:
    """``agree`` counts the records whose scores are those of their predictions.

    ``refused`` has a line for each record whose scores are not, by cell id; ``unknown`` has the reasons why others
    could not be computed.
    """

    agree: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """What to print: how many records agree, and why others were not computed."""
        found = [f"the scores of {self.agree} records, computed again from their predictions, agree"] * bool(self.agree)
        return found + [
            printable(f"the scores of {count} records were not computed again: {reason}")
            for reason, count in self.unknown.items()
        ]


def recompute(runs: Path, records: Sequence[ResultRecord], datasets: Open) -> Recomputed:
    """Score the predictions of done records again, and compare the numbers, where their datasets are at hand."""
    found = Recomputed()
    with Console(stderr=True).status("computing scores again") as status:
        for number, record in enumerate(records, 1):
            status.update(f"computing scores again: {number} of {len(records)}")
            folder = runs / "cells" / record.cell_id
            reason, dataset = at_hand(record, folder, datasets)
            if dataset is None:
                found.unknown[reason] += 1
            elif wrong := next(differences(record, folder, dataset), ""):
                found.refused[record.cell_id] = printable(f"refused {folder}: {wrong}; {CURE}")
            else:
                found.agree += 1
    return found


def at_hand(record: ResultRecord, folder: Path, datasets: Open) -> tuple[str, KeypointDataset | None]:
    """The dataset that a record was measured on, or the reason why its scores cannot be computed, with None."""
    if not record.scores:
        return "they have no scores", None
    if not all(predictions_path(folder, split).exists() for split in _splits(record)):
        return "they are of an older version, and their predictions are missing", None
    try:
        dataset = datasets(record.dataset)
        there, reason = dataset.annotated()
        if not there:
            return f"{record.dataset} is not at hand ({reason})", None
        if any(dataset.digest(split) != record.dataset_digests.get(split) for split in SPLITS):
            return f"{record.dataset} is not at hand as it was measured on", None
    except _known() as error:
        return f"{record.dataset} is not at hand ({first_line(error)})", None
    return "", dataset


def _splits(record: ResultRecord) -> Iterator[str]:
    """The splits whose keypoints the scores of a record are computed from."""
    known = [PROTOCOLS.get(found.protocol) for found in record.scores]
    if any(protocol is None or protocol.regresses for protocol in known):
        yield "regress"
    yield "test"
    if any(protocol is not None and "model" in protocol.needs for protocol in known):
        yield "warped"


def current_scores(record: ResultRecord) -> list[ScoreRecord]:
    """The scores of a record under the present versions of their protocols, which can be computed again."""
    return [each for each in record.scores if _is_current(each)]


def differences(record: ResultRecord, folder: Path, dataset: KeypointDataset) -> Iterator[str]:
    """Yield a line for each number of a record that its predictions do not give."""
    from benchmarks.run.scoring import score_records, scores_of

    current = current_scores(record)
    try:
        fresh = {each.protocol: each for each in scores_of(folder, dataset, [each.protocol for each in current])[0]}
    except _known() as error:
        yield f"its predictions cannot be scored ({first_line(error)})"
        return
    for kept in current:
        if kept.protocol not in fresh:
            yield f"{kept.protocol} is {kept.value}, but its predictions give no value"
            continue
        (again,) = score_records([fresh[kept.protocol]])
        for name, one, other in _numbers(kept, again):
            if not _close(one, other, _rounding(kept.protocol)):
                yield f"{name} of {kept.protocol} is {one}, but its predictions give {other}"


def _known() -> tuple[type[Exception], ...]:
    """What goes wrong with files that were changed or are missing."""
    return (*correctable(), OSError, KeyError, ValueError)


def _is_current(score: ScoreRecord) -> bool:
    """Whether a score is of the present version of a known protocol."""
    protocol = PROTOCOLS.get(score.protocol)
    return protocol is not None and protocol.version == score.protocol_version


def _rounding(protocol: str) -> float:
    """How much of a value may differ: what is beyond the digits that its protocol has, such as of a float32 solver."""
    digits = PROTOCOLS[protocol].digits
    return ROUNDING if digits is None else 10.0**-digits


def _numbers(kept: ScoreRecord, again: ScoreRecord) -> Iterable[tuple[str, object, object]]:
    """The values to compare, each with its name; an interval without width is none, as in older records."""
    for name in EXACT:
        yield name, getattr(kept, name), getattr(again, name)
    yield "value", kept.value, again.value
    ends = (kept.ci_low, kept.ci_high) if kept.ci_low != kept.ci_high else (None, None)
    yield "the lower end of the interval", ends[0], again.ci_low
    yield "the upper end of the interval", ends[1], again.ci_high
    for name, one, other in (
        ("per_landmark", kept.per_landmark, again.per_landmark),
        ("curve", kept.curve, again.curve),
    ):
        flat = _flat(one), _flat(other)
        yield f"the length of {name}", len(flat[0]), len(flat[1])
        yield from ((name, a, b) for a, b in zip(*flat, strict=False))


def _flat(values: Iterable[object]) -> list[object]:
    return [each for value in values for each in (value if isinstance(value, tuple) else [value])]


def _close(one: object, other: object, rounding: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=rounding, abs_tol=1e-9)
    return one == other
