"""The three kinds of rows, and the marks behind a label that tell them apart in a table.

``kind`` of a row is one of

* ``reported``: printed in a paper, never computed here;
* ``scored``: keypoints that somebody else's system left in files, measured here;
* ``trained``: fitted on the images and run here, floors too.

A row is *supervised* where its method saw landmarks in training, of whatever kind the row is. Such rows stand in a
group of their own, are never best and take no place among the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from leaderboard.records import ResultRecord

Kind = Literal["reported", "scored", "trained"]
MEASURED: tuple[Kind, ...] = ("scored", "trained")  # here, on the same images by the same code

SCORED_MARK = "◊"
SUPERVISED_MARK = "¶"
LEGEND = {
    SCORED_MARK: f"{SCORED_MARK} scored: keypoints from elsewhere, measured here; rows without it were trained here",
    SUPERVISED_MARK: f"{SUPERVISED_MARK} supervised: saw landmarks in training; a ceiling, never best and never ranked",
}
_SAW_LANDMARKS = re.compile(r"(?<![a-z])(?<!self[- ])supervised|paired gt")  # not 'unsupervised', nor 'unpaired'


def kind_of(record: ResultRecord) -> Kind:
    """Whether the keypoints of a record were made here."""
    return "scored" if record.provenance.get("kind") == "scored" else "trained"


def is_supervised(supervision: str) -> bool:
    """Whether a supervision, as cards and papers word it, means that landmarks were seen in training.

    'supervised', 'semi-supervised' and 'paired gt' do; 'unsupervised', 'self-supervised' and silhouettes do not.
    """
    return _SAW_LANDMARKS.search(supervision.lower()) is not None


def marks(row: Mapping[str, Any]) -> str:
    """The marks of a row."""
    return SCORED_MARK * (row["kind"] == "scored") + SUPERVISED_MARK * bool(row["supervised"])


def shown(row: Mapping[str, Any]) -> str:
    """What a table calls a row: its label and its marks."""
    found = marks(row)
    return f"{row['label']} {found}" if found else str(row["label"])
