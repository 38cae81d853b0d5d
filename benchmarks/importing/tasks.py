"""The landmarks of a task, which can be read without its images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.registry import NO_CHOICES, full_name, is_custom, open_dataset
from benchmarks.settings import NO_DATA_ROOT, choose_data_root, choose_profile, choose_tasks
from benchmarks.tasks import task_on
from datasets.reading.table import Table, TableDataset
from methods.adapters.base import SPLITS, OutputError, Split, SplitTruth

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.tasks import Profile, Task
    from datasets.base import Choices, KeypointDataset


@dataclass(frozen=True)
class TaskData:
    """A task and its dataset below the data root; ``remark`` names the profile and the reason for it."""

    task: Task
    profile: Profile
    root: Path | None
    dataset: KeypointDataset
    remark: str

    def table(self, split: Split) -> Table:
        """Ids, landmarks, visibility and groups of a split in its order; boxes if every image has one."""
        if isinstance(self.dataset, TableDataset):
            return self.dataset.table(split)
        ids = self.dataset.split(split)
        found = [self.dataset.annotation(image_id) for image_id in ids]
        boxes = [annotation.box for annotation in found if annotation.box is not None]
        return Table(
            ids=ids,
            landmarks=np.stack([annotation.landmarks for annotation in found]),
            visible=np.stack([annotation.visible for annotation in found]),
            groups=tuple(annotation.group for annotation in found),
            boxes=np.stack(boxes) if len(boxes) == len(ids) else None,
        )

    def truths(self) -> dict[Split, SplitTruth]:
        """The images of both splits with their landmarks."""
        tables = {split: self.table(split) for split in SPLITS}
        return {
            split: SplitTruth(
                *(table.ids, table.landmarks, table.visible),
                seen=self.dataset.seen(split),
                photos=self.dataset.photo_sizes(split),
            )
            for split, table in tables.items()
        }


@contextmanager
def errors_of(data: TaskData | None) -> Iterator[None]:
    """Turn an OutputError into a UserError, and name the profile if the mini profile was taken for want of a choice."""
    try:
        yield
    except (OutputError, UserError) as error:
        unchosen = data is not None and data.remark == _remark("mini", NO_DATA_ROOT)
        hint = f"; the task's images are those of the profile mini ({NO_DATA_ROOT}): name --data-root or --profile"
        raise UserError(f"{error}{hint if unchosen else ''}") from error


def _remark(profile: Profile, why: str) -> str:
    return f"profile {profile}: {why}"


def open_task(name: str, profile_option: str | None, data_root: Path | None) -> TaskData:
    """Open the task ``name`` in the profile that the options choose. Raises UserError without its annotations."""
    (task,) = choose_tasks([name], [])
    profile, root, why = choose_profile(profile_option, data_root)
    return _with_annotations(task, profile, root, why)


def open_task_on(
    name: str, num_keypoints: int, profile_option: str | None, data_root: Path | None, choices: Choices = NO_CHOICES
) -> TaskData:
    """Open the task of K keypoints on a dataset or on custom data such as coco:FILE; custom data has the paper profile.

    ``choices`` are those for custom data. Raises UserError for an unknown dataset and without annotations, DatasetError
    for broken custom data.
    """
    name = full_name(name)
    profile, root, why = choose_profile(profile_option, data_root)
    if is_custom(name) and profile_option is None:
        profile, why = "paper", "custom data"
    elif profile == "mini":
        root, _ = choose_data_root(data_root)  # for a dataset without a synthetic counterpart
    task = task_on(name, num_keypoints, open_dataset(name, root, choices))
    return _with_annotations(task, profile, root, why, choices)


def _with_annotations(
    task: Task, profile: Profile, root: Path | None, why: str, choices: Choices = NO_CHOICES
) -> TaskData:
    dataset = open_dataset(task.dataset_id(profile), root, choices)
    found, reason = dataset.annotated()
    if not found:
        raise UserError(f"task {task.id} has no annotations here: {reason}")
    if not dataset.card.landmark_names:
        raise UserError(f"{dataset.card.id} has no landmarks, expected landmarks to measure keypoints with")
    return TaskData(task, profile, root, dataset, _remark(profile, why))
