"""The lists in README.md and docs/ of what is registered, as markdown tables.

Only what this repository brings is listed, not the plugins of installed packages: the text must be the same on every
machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.describe.task import suite_summary
from benchmarks.registry import DATASETS, FORMATS, METHODS, SOURCES, Entry, Registry, method_class
from benchmarks.tasks import SUITES, TASKS, records_of_packages
from datasets.base import SPLITS, DatasetCard
from leaderboard.literature import systems
from metrics.protocols import PROTOCOLS, Protocol

NOTHING = "–"


def _methods(baselines: bool) -> str:
    found = [(entry, method_class(entry.name).card) for entry in _own(METHODS)]
    if baselines:
        lines = [(_code(entry.name), card.name, card.summary) for entry, card in found if card.is_floor]
        return _table(("baseline", "in tables", "keypoints"), lines)
    lines = [(_code(entry.name), entry.summary, card.paper or NOTHING) for entry, card in found if not card.is_floor]
    return _table(("method", "what it is", "paper"), lines)


def _datasets() -> str:
    lines = []
    for entry in _own(DATASETS):
        counterpart = f"mini_{entry.name}"
        if not entry.name.startswith("mini_"):
            card = _card(entry)
            shown = _code(counterpart) if counterpart in DATASETS.entries else NOTHING
            root = ", ".join(map(_code, _top_level(card)))
            lines.append((_code(entry.name), entry.summary, root, *_size(card), shown))
    header = ("dataset", "what it is", "under the data root", "landmarks", "fit / regress / test", "counterpart")
    return _table(header, lines)


def _mini_datasets() -> str:
    found = [entry for entry in _own(DATASETS) if entry.name.startswith("mini_")]
    lines = [(_code(entry.name), entry.summary, *_size(_card(entry))) for entry in found]
    return _table(("synthetic dataset", "what it is", "landmarks", "fit / regress / test"), lines)


def _card(entry: Entry) -> DatasetCard:
    card: DatasetCard = DATASETS.load(entry.name)(None).card
    return card


def _size(card: DatasetCard) -> tuple[str, str]:
    """Number of landmarks, and of images in each split."""
    return str(len(card.landmark_names)), " / ".join(f"{card.counts[split]:,}" for split in SPLITS)


def _top_level(card: DatasetCard) -> list[str]:
    """Files and folders that the dataset needs directly under the data root."""
    lines = [line for line in card.tree.splitlines() if line and not line.startswith(" ")]
    return list(dict.fromkeys(line.split()[0].split("/")[0] for line in lines))


def _tasks() -> str:
    lines = []
    for task in (TASKS[name] for name in TASKS if name not in _packaged()):
        learned = _code(task.fit_on) if task.fit_on else NOTHING
        learned = f"{task.fit_images} images" if task.fit_images is not None else learned
        headline = task.protocols[0]
        unit = _unit(PROTOCOLS[headline])
        lines.append((_code(task.id), _code(task.dataset), str(task.num_keypoints), learned, _code(headline), unit))
    return _table(("task", "measured on", "K", "learned on, if different", "headline protocol", "unit"), lines)


def _suites() -> str:
    return _table(
        ("suite", "tasks"), [(_code(name), suite_summary(name)) for name in SUITES if name not in _packaged()]
    )


def _formats() -> str:
    lines = []
    for entry in _own(FORMATS):
        card = FORMATS.load(entry.name).card
        lines.append((_code(entry.name), card.name, card.files))
    return _table(("format", "name", "files"), lines)


def _sources() -> str:
    return _table(("name", "what is read"), [(_code(f"{entry.name}:"), entry.summary) for entry in _own(SOURCES)])


def _protocols() -> str:
    lines = [(_code(name), found.summary, _unit(found)) for name, found in PROTOCOLS.items()]
    return _table(("protocol", "error", "unit"), lines)


def _unit(protocol: Protocol) -> str:
    """The unit, with an arrow that says which direction is better, as in the headings of tables."""
    return f"{protocol.unit} {'↑' if protocol.higher_is_better else '↓'}"


def _systems() -> str:
    readers = {name: FORMATS.load(name).card.systems for name in FORMATS.entries}
    lines = []
    for card in systems().values():
        formats = [_code(name) for name, read in readers.items() if card.id in read]
        lines.append((_code(card.id), card.summary, ", ".join(formats) or NOTHING))
    return _table(("system", "paper", "format of its outputs"), lines)


LISTS: Mapping[str, Callable[[], str]] = {
    "methods": lambda: _methods(baselines=False),
    "baselines": lambda: _methods(baselines=True),
    "datasets": _datasets,
    "mini_datasets": _mini_datasets,
    "sources": _sources,
    "tasks": _tasks,
    "suites": _suites,
    "protocols": _protocols,
    "formats": _formats,
    "systems": _systems,
}


def _own(registry: Registry) -> list[Entry]:
    """The entries of a registry that stand in this repository's own table."""
    return [entry for entry in registry.entries.values() if entry.owner.endswith("/__init__.py")]


def _packaged() -> set[str]:
    """Names of the tasks and suites of installed packages."""
    return {record.name for _, record in records_of_packages()}


def _code(name: str) -> str:
    return f"`{name}`"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A markdown table, without padding so that one long cell does not change every line."""
    shown = [[re.sub(r"[|*<]", r"\\\g<0>", cell) for cell in line] for line in (header, ["---"] * len(header), *lines)]
    return "".join(f"| {' | '.join(line)} |\n" for line in shown)
