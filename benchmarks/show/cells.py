"""Helpers for pictures of a cell: its method's class, its title, and its dataset."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from benchmarks.registry import METHODS, method_class, open_dataset
from benchmarks.run.cells import CHOICES
from datasets.base import Choices

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import KeypointDataset, Split
    from leaderboard.records import ResultRecord
    from methods.base import Method


def method_of(record: ResultRecord) -> type[Method] | None:
    """The class of a record's method; None for imported keypoints and for a method that is not installed."""
    return method_class(record.method) if record.method in METHODS.entries else None


def label(record: ResultRecord) -> str:
    """The method as tables call it, with the limit on images under which the cell was run."""
    return record.method_label + (f", {record.n_images_limit} images a split" if record.n_images_limit else "")


def heading(record: ResultRecord) -> str:
    """The title of a picture of one cell."""
    return f"{label(record)}, {record.task}, {record.profile} profile, seed {record.seed}"


def fit_id(record: ResultRecord) -> str:
    """The id of the fit that a cell used. Raises UserError if the record lacks it."""
    found = record.provenance.get("fit_id")
    if not found:
        raise UserError("its record does not name its fit; run the cell with --overwrite all")
    return str(found)


@cache
def _custom(name: str, choices: Choices) -> KeypointDataset:
    """Custom data with the choices under which a cell was run, each once."""
    return open_dataset(name, None, choices)


def open_same(datasets: Open, record: ResultRecord, name: str, split: Split) -> KeypointDataset:
    """The dataset of that name. Raises UserError if it is missing or its split differs from the record's."""
    chosen = record.provenance.get(CHOICES)
    if isinstance(chosen, dict):
        file = chosen.get("split")
        dataset = _custom(name, Choices(Path(file) if file else None, chosen.get("interocular")))
    else:
        dataset = datasets(name)
    found, reason = dataset.available()
    if not found:
        raise UserError(reason)
    digest, expected = dataset.digest(split), record.dataset_digests[split]
    if digest != expected:
        raise UserError(
            f"{name} has changed since the cell was run: digest of its {split} split is {digest[:8]}, "
            f"expected {expected[:8]}; run it again"
        )
    return dataset
