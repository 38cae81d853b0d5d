"""Descriptions of tasks and suites."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, get_args

from benchmarks.describe.protocol import protocol_error
from benchmarks.printing import columns
from benchmarks.registry import METHODS, method_class, open_dataset, opener
from benchmarks.run.plan import lack
from benchmarks.tasks import SUITES, TASKS, Profile, Task
from leaderboard.published import reported_rows
from leaderboard.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.base import DatasetCard

PROFILES: tuple[Profile, ...] = get_args(Profile)


def task_summary(task: Task) -> str:
    """Dataset, number of keypoints and headline protocol of a task, in one line."""
    learned = f", keypoints learned on {task.fit_on}" if task.fit_on else ""
    learned += f", learned on {task.fit_images} images" if task.fit_images is not None else ""
    headline = f", {task.protocols[0]}" if task.protocols else ""
    return f"{task.dataset}, K={task.num_keypoints}{headline}{learned}"


def suite_summary(name: str) -> str:
    """Summary and tasks of a suite, in one line."""
    suite = SUITES[name]
    return f"{suite.summary}: {', '.join(suite.tasks)}" if suite.summary else ", ".join(suite.tasks)


def suite_card(name: str, root: Path | None) -> str:
    """Tasks of a suite, the profiles that can run on this machine, and its ablations."""
    lines = []
    for task in (TASKS[task] for task in SUITES[name].tasks):
        runs = ", ".join(profile for profile in PROFILES if not _lacks(task, profile, root)) or "neither profile"
        lines.append((task.id, f"{task_summary(task)}; can be run here: {runs}"))
    text = f"suite {name}\n{columns(lines)}"
    return "\n\n".join([text, *_ablations(name)]) if TABLES[SUITES[name].kind].ablations else text


def _ablations(suite: str) -> Iterator[str]:
    """Ablations of every method that has any, for each profile and each task's K."""
    classes = {name: method_class(name) for name in METHODS.entries}
    for task, (name, cls), profile in product(SUITES[suite].tasks, classes.items(), PROFILES):
        found = () if cls.card.is_floor else cls.ablations(cls.config_for(profile, {}), TASKS[task].num_keypoints)
        if found:
            settings = (
                (each.name, ", ".join(f"{name}.{key}={value}" for key, value in each.settings.items()))
                for each in found
            )
            yield f"ablations of {name} on {task} ({profile} profile)\n{columns(settings)}"


def task_card(task: Task, root: Path | None, here: bool = True) -> str:
    """Protocols, data and published results of a task; ``here`` adds what this machine lacks to run it."""
    lines = [("keypoints", f"K={task.num_keypoints}")]
    if task.fit_images is not None:
        lines.append(
            (
                "learned on",
                f"{task.fit_images} of the fit images, sampled by the seed; a smaller sample is part of a larger one",
            )
        )
    lines += [("protocol", f"{protocol}: {protocol_error(protocol)}") for protocol in task.protocols]
    for profile in PROFILES:
        lacks = _lacks(task, profile, root)
        if here or not lacks:
            lines.append((profile, f"cannot be run: {lacks}" if lacks else _data(task, profile, root)))
    lines.append(("suites", ", ".join(suite.name for suite in SUITES.values() if task.id in suite.tasks) or "none"))
    lines += _reported(task)
    return f"task {task.id}\n{columns(lines)}"


def _reported(task: Task) -> Iterator[tuple[str, str]]:
    """Published results, then notes on why they are not comparable."""
    found = reported_rows([task.id])
    notes = list(dict.fromkeys(row.note for row in found if row.note))
    for row in found:
        mark = f" ({notes.index(row.note) + 1})" if row.note else ""
        yield "reported", f"{row.label}, {row.supervision}: {row.printed} {row.unit}{mark}"
    for number, note in enumerate(notes, start=1):
        yield f"({number})", note


def _data(task: Task, profile: Profile, root: Path | None) -> str:
    """Datasets on which keypoints are learned, regressed and tested, with their numbers of images."""
    target, source = task.dataset_id(profile), task.fit_dataset_id(profile)
    learned = f"keypoints learned on {source} (fit {open_dataset(source, root).card.counts['fit']}), "
    return f"{learned if source != target else ''}{target} ({_counts(open_dataset(target, root).card)})"


def _lacks(task: Task, profile: Profile, root: Path | None) -> str:
    return lack(task, profile, opener(root))


def _counts(card: DatasetCard) -> str:
    return ", ".join(f"{split} {count}" for split, count in card.counts.items())
