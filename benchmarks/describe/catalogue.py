"""The texts that ``list`` and ``describe`` print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.data.card import description as dataset_description
from benchmarks.describe.method import format_card, imported_card, method_card, system_card
from benchmarks.describe.protocol import protocol_card, protocol_error
from benchmarks.describe.task import suite_card, suite_summary, task_card, task_summary
from benchmarks.describe.text import Pairs, columns
from benchmarks.errors import UserError, unknown
from benchmarks.registry import DATASETS, FORMATS, METHODS, SOURCES, Registry, full_name, is_custom, is_imported
from benchmarks.settings import choose_data_root
from benchmarks.tasks import SUITES, TASKS, made_with_dataset
from leaderboard.literature import systems
from metrics.protocols import PROTOCOLS


def listing(kind: str | None) -> str:
    """Names and summaries of one kind, or of all kinds. Raises UserError for an unknown kind."""
    kinds: dict[str, Callable[[], Pairs]] = {
        "methods": lambda: _entries(METHODS),
        "datasets": lambda: [*_entries(DATASETS), *((f"{name}:", text) for name, text in _entries(SOURCES))],
        "tasks": lambda: ((task.id, task_summary(task)) for task in TASKS.values()),
        "suites": lambda: ((name, suite_summary(name)) for name in SUITES),
        "protocols": lambda: ((name, protocol_error(name)) for name in PROTOCOLS),
        "formats": lambda: _entries(FORMATS),
        "systems": lambda: ((card.id, card.summary) for card in systems().values()),
    }
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds)
    chosen = kinds if kind is None else {kind: kinds[kind]}
    return "\n\n".join(f"{name}\n{columns(pairs())}" for name, pairs in chosen.items())


def description(name: str, data_root: Path | None) -> str:
    """Descriptions of everything that has this name, such as a method and the format of the same name.

    Raises UserError for an unknown name, with the nearest known one.
    """
    root, _ = choose_data_root(data_root)
    parts = []
    if name in METHODS.entries:
        parts.append(method_card(name))
    if is_imported(name):
        parts.append(imported_card(name))
    elif is_custom(name) or name in DATASETS.entries:
        parts.append(dataset_description(full_name(name), root))
    if name in TASKS:
        parts.append(task_card(TASKS[name], root))
    if name in SUITES:
        parts.append(suite_card(name, root))
    if name in PROTOCOLS:
        parts.append(protocol_card(PROTOCOLS[name]))
    if name in FORMATS.entries:
        parts.append(format_card(name))
    if name in systems():
        parts.append(system_card(name))
    if not parts and (made := made_with_dataset(name)):
        raise UserError(f"'{name}' is the task of K={made[1]} keypoints on {made[0]}; describe that")
    if not parts:
        registered = [*METHODS.entries, *DATASETS.entries, *FORMATS.entries]
        raise unknown("name", name, [*registered, *TASKS, *SUITES, *PROTOCOLS, *systems()])
    return "\n\n".join(parts)


def _entries(registry: Registry) -> Pairs:
    return ((entry.name, entry.summary) for entry in registry.entries.values())
