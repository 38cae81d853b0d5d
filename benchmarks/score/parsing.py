"""Parsers of those options of ``score`` that have a syntax of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from benchmarks.errors import UserError, near_match
from methods.adapters.conventions import RANGES, Convention, Order, parse_convention

Normaliser = Literal["interocular", "side", "box", "none"]


def convention(range_: str, order: str, option: str = "") -> Convention:
    """The convention of ``--range`` and ``--order``, or with the option 'gt-' of ``--gt-range`` and ``--gt-order``.

    Raises UserError for an unknown range or order.
    """
    orders: tuple[Order, ...] = get_args(Order)
    chosen = next((known for known in orders if known == order), None)
    if chosen is None:
        raise UserError(f"--{option}order {order}: expected {' or '.join(orders)}")
    found = parse_convention(range_, chosen)
    if found is None:
        hint = near_match(range_, RANGES)
        if range_.startswith("pixel"):
            hint = "; pixels takes the image's width and height"
        raise UserError(f"--{option}range {range_}: expected {', '.join(RANGES[:-1])} or {RANGES[-1]}{hint}")
    return found


def two_files(text: str) -> tuple[str, str]:
    """The sources of both sides from ``FIT,TEST``, or from one file with the arrays ``fit`` and ``test``."""
    first, comma, second = text.partition(",")
    if Path(text).is_file() or not comma:
        return f"{text}:fit", f"{text}:test"
    return first.strip(), second.strip()


def parse_normaliser(text: str) -> tuple[Normaliser, tuple[int, int] | None]:
    """The normaliser of errors, and the two eye landmarks if they are given.

    Raises UserError for another form, and for one landmark as both eyes.
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
    """Pairs of left and right landmarks from ``1-6,2-7``, counted from 0. Raises UserError for another form."""
    pairs = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", part)
        if not found:
            raise UserError(f"--pairs {text}: got '{part}', expected landmarks counted from 0, such as 1-6,2-7")
        pairs.append((int(found[1]), int(found[2])))
    return tuple(pairs)
