"""Descriptions of methods, of formats of other systems' outputs, and of systems of the literature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.describe.settings_table import settings_text
from benchmarks.printing import columns
from benchmarks.registry import FORMATS, IMPORTED, METHODS, method_class
from leaderboard.literature import UNKNOWN, systems
from leaderboard.published import AS_PRINTED, printed_in, published_facts

if TYPE_CHECKING:
    from leaderboard.literature import SystemCard
    from methods.base import Method
    from methods.frozen import FrozenData


def method_card(name: str) -> str:
    """Card, code and settings of a method."""
    cls = method_class(name)
    plain = cls.card.model_dump(exclude={"frozen"})
    card = [(key, str(value)) for key, value in plain.items() if value is not None]
    card += _frozen(cls)
    card += [("own baseline", cls.floor)] if cls.floor else []
    card.append(("code", f"{METHODS.origin(name)}, version {cls.version}"))
    text = f"method {name}\n{columns(card)}"
    return f"{text}\n\n{settings_text(name, cls)}" if cls.Config.model_fields else text


def _frozen(cls: type[Method]) -> Iterator[tuple[str, str]]:
    """What the frozen part was trained on, for each choice of it, and whether that can contain test images."""
    from methods.base import Method

    setting, lines = cls.Config.of_frozen, []
    for found in dict.fromkeys(cls.card.frozen.values()):
        values = [value for value, each in cls.card.frozen.items() if each == found]
        lines += [f"{setting}={value}" for value in values] if setting else []
        lines += [("  " if setting else "") + line for line in _frozen_lines(found)]
    if setting or not cls.card.frozen:
        own = getattr(cls.frozen_data, "__func__", None) is not getattr(Method.frozen_data, "__func__", None)
        said = "the column frozen_data of a table says what is known" if own else "what it was trained on is not known"
        lines.append(f"{f'other values of {setting}: ' if setting else ''}{said}")
    yield from zip(["frozen part", *[""] * len(lines)], lines, strict=False)


def _frozen_lines(found: FrozenData) -> list[str]:
    """What the data of a frozen part is, whether it may contain test images, and where these facts are from."""
    if not found.part:
        return [found.name]
    may = [f"may contain the test images of {', '.join(found.may_contain)}"] if found.may_contain else []
    never = ["contains no test images"] if found.without == ("",) else []
    lines = [f"{found.part}, trained on {found.name}; labels: {found.labels}", *may, *never]
    return [*lines, f"source: {found.source}"]


def format_card(name: str) -> str:
    """Card, options and code of a format of other systems' outputs."""
    cls = FORMATS.load(name)
    card = {key: value for key, value in cls.card.model_dump().items() if value}
    lines = [(key, ", ".join(value) if isinstance(value, tuple) else str(value)) for key, value in card.items()]
    lines += [(f"--option {option}", meaning) for option, meaning in cls.options.items()]
    lines.append(("read by", FORMATS.origin(name)))
    return f"format {name}\n{columns(lines)}"


def imported_card(name: str) -> str:
    """Method and tasks of the keypoints in ``imported:FOLDER``. Raises MethodError if the folder has none."""
    from methods.imported import records

    found = records(Path(name.removeprefix(IMPORTED)))
    lines = [("name", found[0].method), ("supervision", found[0].supervision)]
    for record in found:
        files = ", ".join(file.name for file in record.files[:4]) + (" ..." if len(record.files) > 4 else "")
        task = f"{record.task} ({record.profile})"
        lines.append((task, f"K={record.num_keypoints}, {record.format} from {files}"))
        lines += [("", f"note: {note}") for note in record.notes]
    return f"method {name}\n{columns(lines)}"


def system_card(name: str) -> str:
    """Paper, code, formats and published results of a system of the literature."""
    card = systems()[name]
    lines = [
        ("name", card.name),
        ("title", card.title),
        ("authors", card.authors),
        ("published", " ".join(str(part) for part in (card.venue, card.year) if part != UNKNOWN) or UNKNOWN),
        ("paper", card.paper),
        ("supervision", card.supervision),
        ("saw landmarks", "yes" if card.saw_landmarks else "no"),
        ("code", card.code),
        ("licence of code", card.code_licence),
        ("outputs read by", ", ".join(_adapters(name))),
        ("trained here as", card.trained_here or "not yet: import its outputs, or score them"),
    ]
    lines += [("remark", card.remark)] if card.remark else []
    return f"system {name}\n{columns(lines)}\n\npublished rows\n{columns(_rows(card)) or '  none'}"


def _adapters(system: str) -> list[str]:
    """Formats that the system's own code writes, and the neutral format, which suits every system."""
    return [name for name in FORMATS.entries if system in FORMATS.load(name).card.systems] + ["neutral"]


def _rows(card: SystemCard) -> Iterator[tuple[str, str]]:
    """Published results of a system, one a line, then the notes on how they were computed, without repetition."""
    facts = [fact for fact in published_facts() if fact["system"] == card.id]
    notes = list(dict.fromkeys(fact["differs"] for fact in facts))
    for fact in facts:
        known = "" if fact["protocol"] == AS_PRINTED else f", {fact['protocol']}"
        task = f"{fact['task']} K={fact['K']}" if fact["K"] else f"{fact['task']}, K not stated"
        value = f"{fact['value']} {fact['unit']}{known}"
        yield (
            printed_in(fact),
            f"{fact['label']}, {fact['supervision']}, {task}: {value} ({notes.index(fact['differs']) + 1})",
        )
    for number, note in enumerate(notes, start=1):
        yield f"({number})", note
