"""What ``list`` and ``describe`` print: the registries, tasks, suites and protocols as plain text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from benchmarks.errors import unknown
from benchmarks.registry import DATASETS, METHODS, Registry, method_class, open_dataset
from benchmarks.settings import choose_data_root
from benchmarks.tasks import SUITES, TASKS, Profile, Task

Pairs = Iterable[tuple[str, str]]


def listing(kind: str | None) -> str:
    """The names of one kind, or of all kinds, each with what it is. Raises UserError for an unknown kind."""
    kinds: dict[str, Callable[[], Pairs]] = {
        "methods": lambda: _entries(METHODS),
        "datasets": lambda: _entries(DATASETS),
        "tasks": lambda: ((task.id, _task_summary(task)) for task in TASKS.values()),
        "suites": lambda: ((name, ", ".join(tasks)) for name, tasks in SUITES.items()),
    }
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds)
    chosen = kinds if kind is None else {kind: kinds[kind]}
    return "\n\n".join(f"{name}\n{_columns(pairs())}" for name, pairs in chosen.items())


def description(name: str, data_root: Path | None) -> str:
    """All there is to know about a method, dataset, task, suite or protocol of this name; about each, if several.

    Raises UserError with the near match for a name that is none of them.
    """
    parts = []
    if name in METHODS.entries:
        parts.append(_method(name))
    if name in DATASETS.entries:
        parts.append(_dataset(name, data_root))
    if name in TASKS:
        parts.append(_task(TASKS[name]))
    if name in SUITES:
        parts.append(f"suite {name}\n" + _columns((task, _task_summary(TASKS[task])) for task in SUITES[name]))
    if "/" in name and not parts:
        parts.append(_protocol(name))
    if not parts:
        raise unknown("name", name, [*METHODS.entries, *DATASETS.entries, *TASKS, *SUITES, *_task_protocols()])
    return "\n\n".join(parts)


def _entries(registry: Registry) -> Pairs:
    return ((entry.name, entry.summary) for entry in registry.entries.values())


def _columns(pairs: Pairs) -> str:
    lines = list(pairs)
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)


def _task_summary(task: Task) -> str:
    learned = f", keypoints learned on {task.fit_on}" if task.fit_on else ""
    return f"{task.dataset}, K={task.num_keypoints}, {', '.join(task.protocols)}{learned}"


def _task_protocols() -> list[str]:
    return [protocol for task in TASKS.values() for protocol in task.protocols]


def _method(name: str) -> str:
    cls = method_class(name)
    card = [(key, str(value)) for key, value in cls.card.model_dump().items() if value is not None]
    card.append(("code", f"{METHODS.origin(name)}, version {cls.version}"))
    profiles: tuple[Profile, ...] = get_args(Profile)
    configs = {profile: cls.config_for(profile, {}).model_dump() for profile in profiles}
    settings = [
        (f"{name}.{key}", "  ".join(f"{profile}: {config[key]}" for profile, config in configs.items()))
        for key in cls.Config.model_fields
    ]
    text = f"method {name}\n{_columns(card)}"
    if settings:
        about = inspect.getdoc(cls.Config) or ""
        text += f"\n\nsettings (--set name=value)\n{_columns(settings)}\n\n{about}"
    return text


def _dataset(name: str, data_root: Path | None) -> str:
    root, _ = choose_data_root(data_root)
    dataset = open_dataset(name, root)
    found, reason = dataset.available()
    card = dataset.card
    lines = [
        ("title", card.title),
        ("available", "yes" if found else f"no: {reason}"),
        ("images", ", ".join(f"{split} {count}" for split, count in card.counts.items())),
        ("landmarks", f"{len(card.landmark_names)}: {', '.join(card.landmark_names)}"),
        ("visibility", "annotated" if card.has_visibility else "all landmarks count"),
        ("preprocessing", card.preprocessing),
        ("licence", card.licence),
        ("citation", card.citation),
        ("how to get it", card.how_to_get),
        ("code", DATASETS.origin(name)),
    ]
    return f"dataset {name}\n{_columns(lines)}"


def _task(task: Task) -> str:
    lines = [(key, _plain(value)) for key, value in task.model_dump().items() if value is not None]
    lines.append(("suites", ", ".join(name for name, tasks in SUITES.items() if task.id in tasks)))
    return f"task {task.id}\n{_columns(lines)}"


def _protocol(name: str) -> str:
    from metrics.protocols import PROTOCOLS

    if name not in PROTOCOLS:
        raise unknown("protocol", name, PROTOCOLS)
    return f"protocol {name}\n{_columns((key, _plain(value)) for key, value in asdict(PROTOCOLS[name]).items())}"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
