"""Names of tasks on command lines and in files, and the tasks that ``--dataset`` makes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from benchmarks.errors import UserError, unknown
from benchmarks.registry import DATASETS, SOURCES, is_custom
from benchmarks.tasks.catalogue import TASKS, Task, protocols_of
from datasets.base import SPLITS

if TYPE_CHECKING:
    from datasets.base import Choices, KeypointDataset


def task_on(name: str, num_keypoints: int, dataset: KeypointDataset) -> Task:
    """The task of discovering ``num_keypoints`` keypoints on a dataset, learned and measured there.

    A registered task is returned if it is exactly that. Raises DatasetError for custom data that is broken.
    """
    for task in TASKS.values():
        if (task.dataset, task.fit_on, task.num_keypoints, task.fit_images) == (name, None, num_keypoints, None):
            return task
    if is_custom(name):
        name = dataset.card.id  # a file and the folder that it stands for have one name
    id = f"{_mark(name, dataset) if is_custom(name) else name}_k{num_keypoints}"
    return Task(id=id, dataset=name, num_keypoints=num_keypoints, protocols=protocols_of(dataset.card))


def options(task: Task, choices: Choices) -> str:
    """The options that name a task on a command line: '--task cub_001', or dataset, K and choices without a name."""
    if task.id in TASKS:
        return f"--task {task.id}"
    split = f" --split {quote(str(choices.split))}" if choices.split else ""
    eyes = f" --interocular {quote(choices.interocular)}" if choices.interocular else ""
    return f"--dataset {quote(task.dataset)} --keypoints {task.num_keypoints}{split}{eyes}"


def made_with_dataset(name: str) -> tuple[str, int] | None:
    """The dataset and K of the id of a task that ``--dataset`` makes, such as cub_001_k5; None for any other name."""
    found = re.fullmatch(r"((?P<custom>[A-Za-z0-9]+)_.*_[0-9a-f]{6}|.+)_k(?P<count>\d+)", name)
    if found and found["custom"] in SOURCES.entries:
        return f"{found['custom']}:PATH", int(found["count"])
    return (found[1], int(found["count"])) if found and found[1] in DATASETS.entries else None


def not_registered(name: str) -> UserError:
    """The error for an unknown task, with the options that name a task of ``--dataset``."""
    if made := made_with_dataset(name):
        return UserError(
            f"task '{name}' is named by its dataset: write --dataset {made[0]} --keypoints {made[1]} in place of --task"
        )
    return unknown("task", name, TASKS)


def plain_name(name: str) -> str:
    """The name of a dataset in file names: coco_birds for coco:/data/birds.json."""
    if not is_custom(name):
        return name
    prefix, _, path = name.partition(":")
    stem = Path(path).name.removesuffix(".json")[:40]
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{prefix} {stem}").strip("_")


def _mark(name: str, dataset: KeypointDataset) -> str:
    """The plain name with six digits of a hash of the contents, which distinguish equal file names anywhere."""
    contents = "".join(dataset.digest(split) for split in SPLITS)
    return f"{plain_name(name)}_{hashlib.sha256(contents.encode()).hexdigest()[:6]}"
