"""The landmarks of a task, which need no images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.errors import UserError
from benchmarks.registry import open_dataset
from benchmarks.settings import choose_profile, choose_tasks
from datasets.table import Table, TableDataset

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.tasks import Profile, Task
    from datasets.base import KeypointDataset, Split


@dataclass(frozen=True)
class TaskData:
    """A task and the dataset it is measured on; ``remark`` says which profile and why."""

    task: Task
    profile: Profile
    dataset: KeypointDataset
    remark: str

    def table(self, split: Split) -> Table:
        """Ids, landmarks, visibility and groups of a split in its order; boxes where all its images have one."""
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


def open_task(name: str, profile_option: str | None, data_root: Path | None) -> TaskData:
    """The task of a name in the profile that the options make. Raises UserError where its annotations are missing."""
    (task,) = choose_tasks([name], [])
    profile, root, why = choose_profile(profile_option, data_root)
    dataset = open_dataset(task.dataset_id(profile), root)
    found, reason = dataset.annotated()
    if not found:
        raise UserError(f"task {name} has no annotations here: {reason}")
    return TaskData(task, profile, dataset, f"profile {profile}: {why}")
