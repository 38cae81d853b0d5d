"""The options of ``score``, and the small languages that some of them are written in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from benchmarks.errors import UserError, near_match

Normaliser = Literal["interocular", "side", "box", "none"]


@dataclass(frozen=True)
class ScoreOptions:
    """The options as given."""

    fit_pred: str | None = None
    fit_gt: str | None = None
    test_pred: str | None = None
    test_gt: str | None = None
    visible: str | None = None
    fit_visible: str | None = None
    test_visible: str | None = None
    order: str = "xy"
    range: str = "unit"
    gt_order: str | None = None
    gt_range: str | None = None
    normalizer: str | None = None
    boxes: str | None = None
    pairs: str | None = None
    groups: str | None = None
    task: str | None = None
    predictions: tuple[str, ...] = ()
    profile: str | None = None
    data_root: Path | None = None
    protocol: tuple[str, ...] = ()
    resamples: int = 10_000
    seed: int = 0
    format: str = "table"
    output: Path | None = None
    record: Path | None = None
    method: str | None = None
    supervision: str = "unsupervised"


def two_files(text: str) -> tuple[str, str]:
    """``FIT,TEST``, or one file that holds the arrays ``fit`` and ``test``."""
    first, comma, second = text.partition(",")
    if Path(text).is_file() or not comma:
        return f"{text}:fit", f"{text}:test"
    return first.strip(), second.strip()


def parse_normaliser(text: str) -> tuple[Normaliser, tuple[int, int] | None]:
    """What errors are divided by, and the two eye landmarks where they are given.

    Raises UserError for another form, or for one landmark as both eyes.
    """
    kind, colon, rest = text.partition(":")
    known: tuple[Normaliser, ...] = get_args(Normaliser)
    for name in known:
        if kind == name and not colon:
            return name, None
    eyes = re.fullmatch(r"(\d+),(\d+)", rest)
    if kind != "interocular" or not eyes:
        forms = "interocular:A,B (two landmarks, counted from 0), side, box or none"
        raise UserError(f"--normalizer {text}: expected {forms}{near_match(kind, known) if not colon else ''}")
    if int(eyes[1]) == int(eyes[2]):
        raise UserError(f"--normalizer {text}: expected two different landmarks as eyes")
    return "interocular", (int(eyes[1]), int(eyes[2]))


def parse_pairs(text: str) -> tuple[tuple[int, int], ...]:
    """Left and right landmarks, ``1-6,2-7``, counted from 0. Raises UserError for another form."""
    pairs = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", part)
        if not found:
            raise UserError(f"--pairs {text}: got '{part}', expected landmarks counted from 0, such as 1-6,2-7")
        pairs.append((int(found[1]), int(found[2])))
    return tuple(pairs)
