"""The BibTeX entries of the methods and datasets of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.registry import METHODS, method_class, opener
from benchmarks.tasks import TASKS, Profile
from datasets.base import DatasetError
from leaderboard.exports.bibtex import Entry, of_citation, of_system, to_bibtex
from leaderboard.literature import systems
from leaderboard.rows import PairRow, Row


def bibliography(rows: Iterable[Row | PairRow], data_root: Path | None) -> str:
    """A .bib file with each method of the rows that has a paper, and each dataset, once."""
    found = list(rows)
    lacking: list[str] = []
    entries = [*_methods(found, lacking), *_datasets(found, data_root, lacking)]
    return to_bibtex(entries, [f"no citation: {', '.join(dict.fromkeys(lacking))}"] if lacking else [])


def _methods(rows: Iterable[Row | PairRow], lacking: list[str]) -> Iterator[Entry]:
    """The entries of methods and systems; names of methods without a paper are added to ``lacking``."""
    here = {card.trained_here: card for card in systems().values() if card.trained_here}
    for name in sorted({(row.method, row.label.partition(" (")[0]) for row in rows}):
        method, label = name
        system = systems().get(method) or here.get(method)
        if system is not None:
            yield of_system(system)
            continue
        card = method_class(method).card if method in METHODS.entries else None
        if card is None or card.paper is None:
            lacking.append(label)
        else:
            yield Entry("misc", method, {"title": card.name, "year": str(card.year or ""), "note": card.paper})


def _datasets(rows: Iterable[Row | PairRow], data_root: Path | None, lacking: list[str]) -> Iterator[Entry]:
    """The entries of datasets, those that keypoints are learned on too."""
    datasets = opener(data_root)
    for name in sorted({name for row in rows for name in _names(row)}):
        try:
            card = datasets(name).card
        except (DatasetError, UserError, OSError):
            lacking.append(name)
        else:
            yield of_citation(name, card.title, card.citation)


def _names(row: Row | PairRow) -> Iterator[str]:
    profile: Profile = "mini" if row.profile == "mini" else "paper"
    for task in (row.task,) if isinstance(row, Row) else (row.aligned_task, row.wild_task):
        if task in TASKS:
            yield from (TASKS[task].dataset_id(profile), TASKS[task].fit_dataset_id(profile))
