"""The three kinds of rows, and the marks that show them in a table.

``kind`` of a row is one of

* ``reported``: printed in a paper, not computed here;
* ``scored``: keypoints that another system left in files, measured here;
* ``trained``: a method that was fitted and run here, floors included.

A row of any kind is *supervised* if its method saw landmarks in training. Supervised rows stand in a group of their
own, are never marked as best and do not count in the ranking of the others.
"""

from __future__ import annotations

from typing import Literal, Protocol

from leaderboard.records import ResultRecord

Kind = Literal["reported", "scored", "trained"]
MEASURED: tuple[Kind, ...] = ("scored", "trained")  # here, on the same images by the same code

SCORED_MARK = "◊"
SUPERVISED_MARK = "¶"
LEGEND = {
    SCORED_MARK: f"{SCORED_MARK} scored: keypoints from elsewhere, measured here; rows without it were trained here",
    SUPERVISED_MARK: f"{SUPERVISED_MARK} supervised: saw landmarks in training; never best and never ranked",
}


class Labelled(Protocol):
    """The fields of a row from which its label in a table is made."""

    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def supervised(self) -> bool: ...


def kind_of(record: ResultRecord) -> Kind:
    """Whether the keypoints of a record were made here or elsewhere."""
    return "scored" if record.provenance.get("kind") == "scored" else "trained"


def marks(row: Labelled) -> str:
    """The marks of a row."""
    return SCORED_MARK * (row.kind == "scored") + SUPERVISED_MARK * row.supervised


def shown(row: Labelled) -> str:
    """The label of a row in tables, with its marks."""
    found = marks(row)
    return f"{row.label} {found}" if found else row.label
