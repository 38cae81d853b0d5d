"""Errors per image that were damaged, made again from the kept predictions of their cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.records.store import Store, copy_files, write_record
from benchmarks.registry import opener
from benchmarks.run.scoring import scores_of, write_errors
from benchmarks.run.units.claims import Claims
from benchmarks.tables.recompute import at_hand, current_scores, differences
from benchmarks.tables.verify import choices_of
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from datasets.base import KeypointDataset


def why_not(store: Store, record: ResultRecord, root: Path | None) -> str:
    """The reason why a cell cannot be scored here, or ''."""
    if current_scores(record) != list(record.scores):
        return "its scores are of other versions of their protocols"
    return _dataset(store, record, root)[0]


def score_again(store: Store, record: ResultRecord, root: Path | None) -> str:
    """Write the errors per image of a cell again; its scores stay. Returns the reason if that is impossible.

    Raises UserError if the run directory cannot be written.
    """
    folder = store.cells / record.cell_id
    reason, dataset = _dataset(store, record, root)
    if dataset is None:
        return reason
    if wrong := next(differences(record, folder, dataset), ""):
        return wrong
    scores, test = scores_of(folder, dataset, [found.protocol for found in record.scores])
    with Claims(store.output).taken(f"score--{record.cell_id}") as held:
        if not held:
            return "another process scores it"
        with store.staged(folder) as filling:
            copy_files(folder, filling)
            write_errors(filling, scores, test)
            write_record(filling, record)
    return ""


def _dataset(store: Store, record: ResultRecord, root: Path | None) -> tuple[str, KeypointDataset | None]:
    return at_hand(record, store.cells / record.cell_id, opener(root, choices_of(record)))
