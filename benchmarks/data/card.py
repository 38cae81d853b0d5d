"""Descriptions of datasets, with the files that each expects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

from benchmarks.data.status import find
from benchmarks.errors import UserError
from benchmarks.printing import columns, paragraphs
from benchmarks.registry import dataset_origin, full_name, open_dataset
from benchmarks.settings import choose_data_root
from benchmarks.tasks import given_by, protocols_of
from datasets.base import DatasetError, KeypointDataset


def description(name: str, data_root: Path | None) -> str:
    """Card of a dataset and the state of its files. Raises UserError, with the nearest name, for an unknown one."""
    root, _ = choose_data_root(data_root)
    dataset = open_dataset(full_name(name), root)
    card = dataset.card
    fields = [*_fields(dataset), ("code", dataset_origin(name))]
    text = f"dataset {name}\n{columns(fields)}"
    if card.remarks:
        text += "\n\nremarks\n" + "\n".join(paragraphs(f"- {remark}", indent=2) for remark in card.remarks)
    return f"{text}\n\n{expected_tree(dataset)}" if card.tree else text


def expected_tree(dataset: KeypointDataset) -> str:
    """The files that the dataset expects under the data root."""
    where = f"under the data root {dataset.root}" if dataset.root else "under the data root, which is not set"
    return f"files expected {where}\n{indent(dataset.card.tree.rstrip(), '  ')}"


def _fields(dataset: KeypointDataset) -> Iterator[tuple[str, str]]:
    card = dataset.card
    names = card.landmark_names
    yield "title", card.title
    yield "found", _found(dataset)
    yield "images", ", ".join(f"{split} {count}" for split, count in card.counts.items())
    yield "landmarks", f"{len(names)}: {', '.join(names)}" if names else "none"
    yield "protocols", ", ".join(given_by(card, protocols_of(card), card.has_masks)) or "none"
    yield "left - right", ", ".join(f"{names[a]} - {names[b]}" for a, b in card.left_right_pairs) or "no pairs"
    yield "visibility", "annotated" if card.has_visibility else "all landmarks count"
    yield "boxes", "annotated" if card.has_boxes else "none"
    yield "preprocessing", card.preprocessing
    yield "licence", card.licence
    yield "citation", card.citation
    yield "how to get it", card.how_to_get
    if card.archive:
        yield "download", f"python -m benchmarks data fetch {card.id} downloads {card.archive.url}"
    for split, digest in card.digests.items():
        yield f"digest of {split}", f"{digest} (reference)"


def _found(dataset: KeypointDataset) -> str:
    try:
        found = find(dataset)
    except (DatasetError, UserError) as error:
        return str(error)
    return f"annotations {found.annotations}, images {found.images}" + (f": {found.lacks}" if found.lacks else "")
