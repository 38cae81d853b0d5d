"""What ``list`` and ``describe`` print: methods, datasets, tasks, suites and protocols as plain text."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from benchmarks.data.card import description as dataset_description
from benchmarks.errors import unknown
from benchmarks.plan import lack
from benchmarks.registry import (
    DATASETS,
    METHODS,
    SOURCES,
    Registry,
    full_name,
    is_own,
    method_class,
    open_dataset,
    opener,
)
from benchmarks.settings import choose_data_root
from benchmarks.tasks import SUITES, TASKS, Profile, Task
from leaderboard.published import reported_rows
from leaderboard.tables import VARIANT_SUITES
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from datasets.base import DatasetCard
    from methods.base import MethodConfig
    from metrics.protocols import Protocol

Pairs = Iterable[tuple[str, str]]
PROFILES: tuple[Profile, ...] = get_args(Profile)


def listing(kind: str | None) -> str:
    """The names of one kind, or of all kinds, each with what it is. Raises UserError for an unknown kind."""
    kinds: dict[str, Callable[[], Pairs]] = {
        "methods": lambda: _entries(METHODS),
        "datasets": lambda: [*_entries(DATASETS), *((f"{name}:", text) for name, text in _entries(SOURCES))],
        "tasks": lambda: ((task.id, _task_summary(task)) for task in TASKS.values()),
        "suites": lambda: ((name, _suite_summary(name)) for name in SUITES),
        "protocols": lambda: ((name, _error(name)) for name in PROTOCOLS),
    }
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds)
    chosen = kinds if kind is None else {kind: kinds[kind]}
    return "\n\n".join(f"{name}\n{_columns(pairs())}" for name, pairs in chosen.items())


def description(name: str, data_root: Path | None) -> str:
    """All there is to know about a method, dataset, task, suite or protocol of this name; about each, if several.

    Raises UserError with the near match for a name that is none of them.
    """
    root, _ = choose_data_root(data_root)
    parts = []
    if name in METHODS.entries:
        parts.append(_method(name))
    if is_own(name) or name in DATASETS.entries:
        parts.append(dataset_description(full_name(name), root))
    if name in TASKS:
        parts.append(_task(TASKS[name], root))
    if name in SUITES:
        parts.append(_suite(name, root))
    if name in PROTOCOLS:
        parts.append(_protocol(PROTOCOLS[name]))
    if not parts:
        raise unknown("name", name, [*METHODS.entries, *DATASETS.entries, *TASKS, *SUITES, *PROTOCOLS])
    return "\n\n".join(parts)


def _entries(registry: Registry) -> Pairs:
    return ((entry.name, entry.summary) for entry in registry.entries.values())


def _columns(pairs: Pairs) -> str:
    lines = list(pairs)
    width = max((len(name) for name, _ in lines), default=0)
    return "\n".join(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)


def _task_summary(task: Task) -> str:
    learned = f", keypoints learned on {task.fit_on}" if task.fit_on else ""
    learned += f", learned on {task.fit_images} images" if task.fit_images is not None else ""
    return f"{task.dataset}, K={task.num_keypoints}, {task.protocols[0]}{learned}"


def _suite_summary(name: str) -> str:
    return ", ".join(SUITES[name]) + (" with the ablations that a method names" if name in VARIANT_SUITES else "")


def _method(name: str) -> str:
    cls = method_class(name)
    card = [(key, str(value)) for key, value in cls.card.model_dump().items() if value is not None]
    card.append(("code", f"{METHODS.origin(name)}, version {cls.version}"))
    configs = {profile: cls.config_for(profile, {}) for profile in PROFILES}
    settings = [(f"{name}.{key}", _setting(key, configs)) for key in cls.Config.model_fields]
    text = f"method {name}\n{_columns(card)}"
    if settings:
        about = inspect.getdoc(cls.Config) or ""
        text += f"\n\nsettings (--set name=value)\n{_columns(settings)}\n\n{about}"
    return text


def _setting(key: str, configs: Mapping[Profile, MethodConfig]) -> str:
    """A setting's default, for each profile where they differ."""
    values = {profile: str(getattr(config, key)) for profile, config in configs.items()}
    if len(set(values.values())) == 1:
        return values[PROFILES[0]]
    return ", ".join(f"{value} ({profile})" for profile, value in values.items())


def _counts(card: DatasetCard) -> str:
    return ", ".join(f"{split} {count}" for split, count in card.counts.items())


def _suite(name: str, root: Path | None) -> str:
    lines = []
    for task in (TASKS[task] for task in SUITES[name]):
        runs = ", ".join(profile for profile in PROFILES if not _lacks(task, profile, root)) or "nowhere yet"
        lines.append((task.id, f"{_task_summary(task)}; can be run here: {runs}"))
    text = f"suite {name}\n{_columns(lines)}"
    return "\n\n".join([text, *_ablations(name)]) if name in VARIANT_SUITES else text


def _ablations(suite: str) -> Iterator[str]:
    """The ablations of every method that has any, under each profile and for the K of the suite's tasks."""
    classes = {name: method_class(name) for name in METHODS.entries}
    for task, (name, cls), profile in product(SUITES[suite], classes.items(), PROFILES):
        found = () if cls.card.is_floor else cls.ablations(cls.config_for(profile, {}), TASKS[task].num_keypoints)
        if found:
            settings = (
                (each.name, ", ".join(f"{name}.{key}={value}" for key, value in each.settings.items()))
                for each in found
            )
            yield f"ablations of {name} on {task} ({profile} profile)\n{_columns(settings)}"


def _task(task: Task, root: Path | None) -> str:
    lines = [("keypoints", f"K={task.num_keypoints}")]
    if task.fit_images is not None:
        lines.append(("learned on", f"{task.fit_images} of the fit images, drawn by the seed; fewer are among more"))
    lines += [("error", f"{protocol}: {_error(protocol)}") for protocol in task.protocols]
    for profile in PROFILES:
        lacks = _lacks(task, profile, root)
        lines.append((profile, f"cannot be run: {lacks}" if lacks else _data(task, profile, root)))
    lines.append(("suites", ", ".join(name for name, tasks in SUITES.items() if task.id in tasks) or "none"))
    lines += _reported(task)
    return f"task {task.id}\n{_columns(lines)}"


def _reported(task: Task) -> Iterator[tuple[str, str]]:
    """What papers print, and below it why that cannot be compared."""
    found = reported_rows([task.id])
    notes = list(dict.fromkeys(row["note"] for row in found if row["note"]))
    for row in found:
        mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
        yield "reported", f"{row['label']}, {row['supervision']}: {row['printed']} {row['unit']}{mark}"
    for number, note in enumerate(notes, start=1):
        yield f"({number})", note


def _data(task: Task, profile: Profile, root: Path | None) -> str:
    """Where keypoints are learned, where regressed and tested, and on how many images."""
    target, source = task.dataset_id(profile), task.fit_dataset_id(profile)
    learned = f"keypoints learned on {source} (fit {open_dataset(source, root).card.counts['fit']}), "
    return f"{learned if source != target else ''}{target} ({_counts(open_dataset(target, root).card)})"


def _lacks(task: Task, profile: Profile, root: Path | None) -> str:
    return lack(task, profile, opener(root))


def _error(name: str) -> str:
    protocol = PROTOCOLS[name]
    return f"{protocol.summary}; {_unit(protocol)}"


def _unit(protocol: Protocol) -> str:
    return f"{protocol.unit}, {'higher' if protocol.higher_is_better else 'lower'} is better"


def _protocol(protocol: Protocol) -> str:
    images = {
        "macro": "mean with each image alike",
        "micro": "mean with each landmark alike",
        "per_landmark": "mean of each landmark over images, and the sum of these",
    }
    lines = [
        ("measures", protocol.summary),
        ("unit", _unit(protocol)),
        ("landmarks", _landmarks(protocol)),
        ("regression", _regression(protocol)),
        ("error", _landmark_error(protocol)),
        ("an image's", f"{protocol.over_landmarks} over its landmarks"),
        ("all images'", f"{images[protocol.aggregate]}; 95 % interval by bootstrap over groups of images"),
        ("needs", ", ".join(sorted(protocol.needs)) or "nothing but landmarks"),
        ("tasks", ", ".join(task.id for task in TASKS.values() if protocol.id in task.protocols) or "none"),
        ("version", str(protocol.version)),
        ("source", protocol.source),
    ]
    return f"protocol {protocol.id}\n{_columns(lines)}"


def _landmarks(protocol: Protocol) -> str:
    """Which landmarks count, and in what frame."""
    rows = {
        "all": "all",
        "visible": "those that are visible",
        "positive": "those that are visible, with both coordinates above 0",
    }
    parts = [f"{rows[protocol.rows]}, in fitting and in measuring"]
    if protocol.landmarks is not None:
        parts.append(f"numbers {', '.join(map(str, protocol.landmarks))} alone")
    if protocol.frame == "box":
        parts.append("in sides of the annotated box")
    if protocol.grid is not None:
        parts.append(f"truncated to whole pixels of {protocol.grid}")
    if protocol.either_side:
        pairs = "the mistyped pairs of the released code" if protocol.sides == "either_mistyped" else "the card's pairs"
        parts.append(f"left and right may change places, if that suits an image better, by {pairs}")
    return "; ".join(parts)


def _regression(protocol: Protocol) -> str:
    """The regression in words."""
    source, target = "keypoints", "landmarks"
    if protocol.direction == "backward":
        source, target = target, source
    about = "with a bias" if protocol.intercept else f"without bias, about the image {protocol.origin}"
    parts = [f"linear, of {target} on {source}, {about}", f"solver {protocol.solver}"]
    if protocol.ridge:
        parts.append(f"weights penalised by {protocol.ridge:g} of the largest entry of the Gram matrix")
    if protocol.singular_ridge:
        parts.append(f"a singular matrix gets {protocol.singular_ridge:g} on its diagonal")
    if protocol.drop_outliers:
        parts.append("fitted again without images more than three standard deviations worse than the mean")
    if protocol.curve:
        parts.append("also with fewer labelled images")
    return "; ".join(parts)


def _landmark_error(protocol: Protocol) -> str:
    over = {
        "side": "the side",
        "interocular": "the distance between the eyes",
        "positive_landmarks": "the mean number of positive landmarks of an image",
    }
    kinds = {"l2": "distance", "l1": "sum of the absolute differences in x and y"}
    text = f"{kinds[protocol.error]} of predicted and annotated over {over[protocol.normaliser]}"
    text += f", times {protocol.scale:g}"
    if protocol.threshold is not None:
        text += f"; counted as 100 below {protocol.threshold:g}, else as 0"
    return text
