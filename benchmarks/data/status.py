"""Which files of each dataset are found and which are missing, without opening an image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.errors import UserError
from benchmarks.registry import DATASETS, full_name, open_dataset
from benchmarks.settings import DATA_ROOT, choose_data_root
from datasets.base import SPLITS, DatasetError, KeypointDataset, Split
from datasets.reading.custom import CustomDataset
from datasets.reading.table import TableDataset

State = Literal["found", "partly", "missing"]


@dataclass(frozen=True)
class Found:
    """Files found of a dataset: the splits that have annotations, and the state of the images.

    ``lacks`` says what is missing, ``no_images`` which images are missing; both are '' if nothing is.
    """

    annotated: tuple[Split, ...]
    images: State
    lacks: str
    no_images: str

    @property
    def annotations(self) -> str:
        """'found' for all splits, 'missing' for none, or the names of the annotated splits."""
        if len(self.annotated) in (0, len(SPLITS)):
            return "found" if self.annotated else "missing"
        return ", ".join(self.annotated)


def find(dataset: KeypointDataset) -> Found:
    """Look for a dataset's files. Raises DatasetError if an annotation file that must be read is broken."""
    if isinstance(dataset, TableDataset) and not isinstance(dataset, CustomDataset):
        whole, reason = dataset.present()
    else:
        whole, reason = dataset.available()
    scorable, _ = dataset.annotated()
    annotated: tuple[Split, ...] = SPLITS if scorable else ()
    images: State = "found" if whole else "missing"
    lacks = "" if whole else reason.removeprefix(f"{dataset.card.id}: ").removesuffix(f"; {dataset.card.how_to_get}")
    no_images = lacks
    if isinstance(dataset, TableDataset) and dataset.root is not None:
        there = tuple(name for name in SPLITS if all(path.exists() for path in dataset.annotation_files(name)))
        annotated = there if scorable or there != SPLITS else ()
        folders = list(dataset.image_folders())
        missing = dataset.missing_images()
        images = "missing" if len(missing) == len(folders) else "partly" if missing else "found"
        no_images = f"no {missing[0]}" if missing else ""
    return Found(annotated, images, lacks, no_images)


def status(names: Sequence[str], data_root: Path | None, format: Literal["table", "json"] = "table") -> str:
    """A row for each named dataset, or for all that need files. Raises UserError for an unknown name."""
    root, source = choose_data_root(data_root)
    rows = [_row(name, root) for name in map(full_name, names or DATASETS.entries)]
    shown = rows if names else [row for row in rows if row["needs_files"]]
    if format == "json":
        return json.dumps({"data_root": root and str(root), "named_by": root and source, "datasets": shown}, indent=1)
    where = f"data root {root} (from {source})" if root else f"no data root: no --data-root and no {DATA_ROOT}"
    text = f"{where}\n\n{_table(shown, root)}\n"
    if len(shown) < len(rows):
        text += f"\n{len(rows) - len(shown)} mini datasets are rendered when needed and have no files."
    return f"{text}\ndata describe NAME says how to get a dataset; data verify NAME checks all of its files."


def _row(name: str, root: Path | None) -> dict[str, Any]:
    row = {"name": name, "annotations": "missing", "images": "missing", "counts": {}, "needs_files": True}
    try:
        dataset = open_dataset(name, root)
        row |= {"counts": dataset.card.counts, "needs_files": not open_dataset(name, None).available()[0]}
        found = find(dataset)
    except (UserError, DatasetError) as error:
        return row | {"lacks": str(error)}
    return row | {"annotations": found.annotations, "images": found.images, "lacks": found.lacks}


def _table(rows: Iterable[dict[str, Any]], root: Path | None) -> str:
    lines = [["dataset", "annotations", "images", *SPLITS, "lacks"]]
    for row in rows:
        counts = [str(row["counts"].get(name, "")) for name in SPLITS]
        lacks = (
            row["lacks"].replace(f"{root}/", "").removeprefix("no data root is set")
        )  # the first line of the report says so
        lines.append([row["name"], row["annotations"], row["images"], *counts, lacks])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
