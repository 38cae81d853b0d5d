"""The columns of a table that readers choose by name, and those that a table has only if it is asked for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from leaderboard.errors import LeaderboardError
from leaderboard.rows import FIELDS, PAIR_FIELDS, PairRow, Row

ALL = "all"
KEYS = ("label", "task", "protocol")  # the fields that csv and json always have, so that rows can be told apart
PAIR_KEYS = ("label", "aligned_task", "wild_task", "protocol")


@dataclass(frozen=True)
class Extra:
    """A column that stands in a table only if it is asked for; ``cell`` makes the text of one method's rows, or ''."""

    heading: str
    cell: Callable[[Sequence[Row]], str]
    is_text: bool = False


def _texts(field: str) -> Callable[[Sequence[Row]], str]:
    return lambda rows: ", ".join(dict.fromkeys(str(value) for row in rows if (value := getattr(row, field))))


def _mean(field: str) -> Callable[[Sequence[Row]], str]:
    """The mean over the tasks; a task counts once, however many protocols it has rows for."""

    def cell(rows: Sequence[Row]) -> str:
        found = {row.task: getattr(row, field) for row in rows if getattr(row, field) is not None}
        return f"{fmean(found.values()):,.1f}" if found else ""

    return cell


def _range(field: str) -> Callable[[Sequence[Row]], str]:
    """A number that depends on the task, as by its K: the smallest and the largest."""

    def cell(rows: Sequence[Row]) -> str:
        found = [value for row in rows if (value := getattr(row, field)) is not None]
        ends = dict.fromkeys(f"{end(found):,.0f}" for end in (min, max)) if found else {}
        return " to ".join(ends)

    return cell


def _frozen(rows: Sequence[Row]) -> str:
    """What frozen parts were trained on, and on which tasks that may contain the test images."""
    parts = []
    for name in dict.fromkeys(row.frozen_data for row in rows if row.frozen_data):
        own = {row.task: row.test_in_frozen_data for row in rows if row.frozen_data == name}
        found = [
            text if set(own.values()) == {answer} else f"{text} of {', '.join(tasks)}"
            for answer, text in _ANSWERS.items()
            if (tasks := [task for task, there in own.items() if there == answer])
        ]
        parts.append(f"{name} ({'; '.join(found)})" if found and name != "none" else name)
    return ", ".join(parts)


def _labels(rows: Sequence[Row]) -> str:
    frozen = _texts("frozen_labels")([row for row in rows if row.frozen_labels != "none"])
    return "; frozen part: ".join(filter(None, [_texts("labels")(rows), frozen]))


_ANSWERS = {
    "may contain": "may contain the test images",
    "not known": "not known whether with the test images",
    "no": "without the test images",
}
EXTRAS: Mapping[str, Extra] = {
    "kind": Extra("kind", _texts("kind"), is_text=True),
    "supervision": Extra("supervision", _texts("supervision"), is_text=True),
    "labels": Extra("labels in training", _labels, is_text=True),
    "frozen_data": Extra("frozen part trained on", _frozen, is_text=True),
    "parameters": Extra("parameters learned", _range("parameters")),
    "frozen_parameters": Extra("parameters frozen", _range("frozen_parameters")),
    "fit_seconds": Extra("seconds a fit", _mean("fit_seconds")),
    "image_ms": Extra("ms an image", _mean("image_ms")),
    "peak_memory_mb": Extra("peak memory (MB)", _range("peak_memory_mb")),
    "hardware": Extra("hardware", _texts("hardware"), is_text=True),
    "flags": Extra("flags", lambda rows: ", ".join(dict.fromkeys(name for row in rows for name in row.flags)), True),
}
_NAMES = {extra.heading: name for name, extra in EXTRAS.items()}
TEXT_HEADINGS = tuple(extra.heading for extra in EXTRAS.values() if extra.is_text)


def extras(columns: Iterable[str]) -> list[Extra]:
    """The columns to add to a table: those that are named, or all."""
    named = set(columns)
    return [extra for name, extra in EXTRAS.items() if name in named or ALL in named]


def name_of(heading: str) -> str:
    """The name of a column: that of an extra one, else the first word of its heading, such as 'cub_001' or 'seeds'."""
    return _NAMES.get(heading) or heading.split()[0].rstrip(",")


def chosen(
    header: Sequence[str], lines: Sequence[Sequence[str]], columns: Sequence[str], empty: str
) -> tuple[list[str], list[list[str]]]:
    """A table with the named columns alone, in this order, after the first one; with all if there are no names.

    ``empty`` replaces an empty cell, except in lines without cells, which name groups. Raises LeaderboardError for a
    column that the table does not have.
    """
    if not columns or ALL in columns:
        return list(header), [list(line) for line in lines]
    check(columns, map(name_of, header[1:]))
    kept = [0, *(1 + place for place in places(header[1:], columns))]
    shown = [
        [line[index] or empty for index in kept] if any(line[1:]) else [line[0], *[""] * (len(kept) - 1)]
        for line in lines
    ]
    return [header[index] for index in kept], shown


def places(headings: Sequence[str], columns: Sequence[str]) -> list[int]:
    """The places of the named columns, in the order of the names; all of them for 'all'."""
    if ALL in columns:
        return list(range(len(headings)))
    names = [name_of(heading) for heading in headings]
    return [place for name in dict.fromkeys(columns) for place, own in enumerate(names) if own == name]


def chosen_fields(fields: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The fields of csv and json: those that tell rows apart, then the named ones in this order; without names all.

    Raises LeaderboardError for a field that there is not.
    """
    if not columns or ALL in columns:
        return list(fields)
    check(columns, fields)
    keys = PAIR_KEYS if "aligned_task" in fields else KEYS
    return list(dict.fromkeys([*(name for name in keys if name in fields), *columns]))


def check(columns: Iterable[str], there: Iterable[str]) -> None:
    """Raise LeaderboardError for the first column that is not there, with the list of those that are."""
    names = list(dict.fromkeys(there))
    for name in columns:
        if name not in (ALL, *names):
            found = ", ".join([*names, ALL])
            raise LeaderboardError(f"the table has no column '{name}'; it has {found}")


def fields_of(rows: Sequence[Row | PairRow]) -> Sequence[str]:
    """The fields of csv and json rows."""
    return PAIR_FIELDS if any(isinstance(row, PairRow) for row in rows) else FIELDS
