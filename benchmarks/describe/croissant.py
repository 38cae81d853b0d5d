"""Dataset cards in Croissant, the metadata format of MLCommons (https://mlcommons.org/croissant).

A card knows no creators apart from the citation and no date of publication, which Croissant asks for; they are left
out. Files are named where the licence allows a direct download. Landmarks and splits are small record sets whose rows
stand in the description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.errors import UserError, unknown
from benchmarks.registry import DATASETS, full_name, is_custom, open_dataset
from benchmarks.settings import choose_data_root
from datasets.base import DatasetCard

VERSION = "http://mlcommons.org/croissant/1.1"
_TERMS = (
    *("citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes"),
    *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "separator", "source", "subField", "transform"),
)
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS},
}
_ADDRESS = re.compile(r"https?://[^\s,;)]+")
_TYPES = {".zip": "application/zip", ".tgz": "application/gzip", ".gz": "application/gzip", ".tar": "application/x-tar"}


def dataset_croissant(name: str, data_root: Path | None) -> str:
    """The description of a dataset as JSON-LD. Raises UserError for a name that is no dataset's."""
    if not is_custom(name) and name not in DATASETS.entries:
        raise unknown("dataset", name, DATASETS.entries)
    root, _ = choose_data_root(data_root)
    card = open_dataset(full_name(name), root).card
    if not card.title.strip():
        raise UserError(f"dataset {name} has no title, which Croissant needs; give its card one")
    return json.dumps(croissant(card), indent=2, ensure_ascii=False) + "\n"


def croissant(card: DatasetCard) -> dict[str, Any]:
    """A card as a Croissant dataset."""
    images = ", ".join(f"{count:,} to {split}" for split, count in card.counts.items())
    address = _ADDRESS.search(card.how_to_get) or (_ADDRESS.search(card.archive.url) if card.archive else None)
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": card.id,
        "alternateName": card.title,
        "description": f"{card.title}: {len(card.landmark_names)} landmarks; images: {images}. {card.preprocessing}",
        "conformsTo": VERSION,
        "license": {"@type": "sc:CreativeWork", "name": card.licence},
        "citeAs": card.citation,
        "keywords": ["keypoints", "landmarks"],
    }
    if address:
        found["url"] = address[0].rstrip(".")
    if card.archive:
        file = card.archive.url.rpartition("/")[2].partition("?")[0] or card.archive.folder
        found["distribution"] = [
            {
                "@type": "cr:FileObject",
                "@id": file,
                "name": file,
                "contentUrl": card.archive.url,
                "encodingFormat": _TYPES.get(Path(file).suffix, "application/octet-stream"),
                "sha256": card.archive.sha256,
            }
        ]
    splits = [{"name": split, "images": count} for split, count in card.counts.items()]
    landmarks = [{"index": index, "name": name} for index, name in enumerate(card.landmark_names)]
    found["recordSet"] = [
        _records(
            "splits", "Splits, with the number of images of each", {"name": "sc:Text", "images": "sc:Integer"}, splits
        )
    ]
    if landmarks:
        types = {"index": "sc:Integer", "name": "sc:Text"}
        found["recordSet"].append(_records("landmarks", "Landmarks, in their order", types, landmarks))
    return found


def _records(name: str, description: str, types: dict[str, str], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A record set whose rows stand in the description; a field has the name of its record set before its own."""
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{field}", "name": field, "dataType": kind}
            for field, kind in types.items()
        ],
        "data": [{f"{name}/{field}": value for field, value in row.items()} for row in rows],
    }
