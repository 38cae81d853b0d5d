"""Tasks and suites: what the paper's tables measure, as frozen records, and tasks on any other dataset.

A task is one dataset, a number of keypoints and the protocols it is scored under, of which the first is its
headline. A generalization task takes its keypoints from another dataset. In the mini profile a dataset ``x`` is
its twin ``mini_x``, where it has one. The tasks of the suites of ``leaderboard.tables.VARIANT_SUITES`` are also run
with the ablations that a method names; those of ``leaderboard.misalignment.PAIR_SUITES`` come in pairs, of which the
second shows in the wild what is aligned in the first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.errors import UserError
from benchmarks.registry import is_own, mini_twin
from datasets.base import SPLITS

if TYPE_CHECKING:
    from datasets.base import KeypointDataset

Profile = Literal["mini", "paper"]

FACES = (
    *("sk/interocular", "sk_released/interocular", "strict/interocular", "strict/interocular_bias"),
    *("autolink/interocular", "autolink_released/interocular", "scops/interocular"),
    *("sanchez/forward", "sanchez/backward", "sanchez/backward_mallis"),
)
BIRDS = (
    *("sk/side", "sk_released/side", "strict/side", "strict/side_micro", "strict/box"),
    *("autolink/side", "autolink_released/side", "scops/box"),
)
TAICHI = (
    *("sk/cumulative", "sk/relative", "sk_released/cumulative", "siarohin/cumulative", "siarohin/relative"),
    *("strict/cumulative", "strict/relative"),
)
DEEPFASHION = (
    *("sk/pck6", "sk_released/pck6", "autolink/pck6", "autolink_released/pck6", "strict/pck6", "strict/relative"),
)
HUMAN36M = (
    *("sk/human36m", "sk_released/human36m", "strict/human36m", "strict/human36m_percent", "strict/human36m_17"),
    *("autolink/human36m", "autolink_released/human36m"),
)
OTHER = ("strict/side", "strict/side_micro", "strict/relative", "strict/pck6", "strict/box", "scops/box")
_BY_NAME = {"cub": BIRDS, "taichi": TAICHI, "deepfashion": DEEPFASHION, "human36m": HUMAN36M}


class Task(BaseModel):
    """Where keypoints are learned, where they are measured, how many there are, and how they are scored.

    ``fit_images`` is how many images they are learned on, None for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    dataset: str
    fit_on: str | None = None
    num_keypoints: int
    protocols: tuple[str, ...]
    fit_images: int | None = None

    def dataset_id(self, profile: Profile) -> str:
        """Name of the dataset that is regressed and tested on."""
        return mini_twin(self.dataset) if profile == "mini" else self.dataset

    def fit_dataset_id(self, profile: Profile) -> str:
        """Name of the dataset that keypoints are learned on."""
        source = self.fit_on or self.dataset
        return mini_twin(source) if profile == "mini" else source

    def choose_fit(self, ids: Sequence[str], seed: int) -> tuple[str, ...]:
        """The images that keypoints are learned on: all, or ``fit_images`` drawn by the seed and their ids alone.

        With one seed the images of a smaller number are among those of a larger one. Raises UserError where there
        are fewer than asked for.
        """
        if self.fit_images is None:
            return tuple(ids)
        if len(ids) < self.fit_images:
            raise UserError(too_few(self, len(ids)))
        return tuple(sorted(ids, key=lambda id: hashlib.sha256(f"{seed}:{id}".encode()).digest())[: self.fit_images])


def too_few(task: Task, count: int) -> str:
    """What is said of a task that learns on more images than there are."""
    return (
        f"{task.id} learns on {task.fit_images} images, there are {count}; take a task with fewer, or without a number"
    )


def _task(id: str, dataset: str, num_keypoints: int, protocols: tuple[str, ...], fit_on: str | None = None) -> Task:
    return Task(id=id, dataset=dataset, fit_on=fit_on, num_keypoints=num_keypoints, protocols=protocols)


def _fewer(task: Task, fit_images: int) -> Task:
    """The same task learned on fewer images."""
    return task.model_copy(update={"id": f"{task.id}_fit{fit_images}", "fit_images": fit_images})


_TASKS = (
    _task("celeba_aligned", "celeba_aligned", 10, FACES),
    _task("cub_aligned", "cub_aligned", 10, BIRDS),
    _task("human36m", "human36m", 16, HUMAN36M),
    _task("celeba_wild_k4", "celeba_wild", 4, FACES),
    _task("celeba_wild_k8", "celeba_wild", 8, FACES),
    _task("cub_001", "cub_001", 4, BIRDS),
    _task("cub_002", "cub_002", 4, BIRDS),
    _task("cub_003", "cub_003", 4, BIRDS),
    _task("cub_all", "cub_all", 4, BIRDS),
    _task("taichi", "taichi", 10, TAICHI),
    _task("deepfashion", "deepfashion", 16, DEEPFASHION),
    _task("human36m_unaligned", "human36m_unaligned", 16, HUMAN36M),
    _task("taichi_to_human36m_unaligned", "human36m_unaligned", 10, HUMAN36M, fit_on="taichi"),
    _task("cub_aligned_to_taichi", "taichi", 10, TAICHI, fit_on="cub_aligned"),
    _task("celeba_wild_to_taichi", "taichi", 8, TAICHI, fit_on="celeba_wild"),
    _task("celeba_wild_to_cub_all", "cub_all", 8, BIRDS, fit_on="celeba_wild"),
)
TASKS: dict[str, Task] = {task.id: task for task in _TASKS}
_FIT_IMAGES = tuple(_fewer(TASKS["celeba_wild_k8"], count) for count in (5, 10, 30, 100))
TASKS.update({task.id: task for task in _FIT_IMAGES})

SUITES: dict[str, tuple[str, ...]] = {
    "aligned": ("celeba_aligned", "cub_aligned", "human36m"),
    "wild": (
        "celeba_wild_k4",
        "celeba_wild_k8",
        "cub_001",
        "cub_002",
        "cub_003",
        "cub_all",
        "taichi",
        "deepfashion",
        "human36m_unaligned",
    ),
    "generalization": (
        "taichi_to_human36m_unaligned",
        "cub_aligned_to_taichi",
        "celeba_wild_to_taichi",
        "celeba_wild_to_cub_all",
    ),
    "ablation": ("cub_all",),
    "data_efficiency": (*(task.id for task in _FIT_IMAGES), "celeba_wild_k8"),
    "misalignment": (
        *("celeba_aligned", "celeba_wild_k8"),
        *("cub_aligned", "cub_all"),
        *("human36m", "human36m_unaligned"),
    ),
}


def task_on(name: str, num_keypoints: int, dataset: KeypointDataset) -> Task:
    """The task of discovering ``num_keypoints`` keypoints on any dataset, learned and measured there.

    It is a task of the suites where one is just that. Raises DatasetError for own data that is broken.
    """
    for task in TASKS.values():
        if (task.dataset, task.fit_on, task.num_keypoints, task.fit_images) == (name, None, num_keypoints, None):
            return task
    if is_own(name):
        name = dataset.card.id  # of a file and the folder that it stands for, the one that the dataset goes by
    id = f"{_mark(name, dataset) if is_own(name) else name}_k{num_keypoints}"
    return _task(id, name, num_keypoints, _protocols(name, dataset))


def options(task: Task) -> str:
    """What names a task on a command line: '--task cub_001', or dataset and K for one that no suite has."""
    if task.id in TASKS:
        return f"--task {task.id}"
    return f"--dataset {quote(task.dataset)} --keypoints {task.num_keypoints}"


def plain_name(name: str) -> str:
    """The name of a dataset as file names have it: coco_birds for coco:/data/birds.json."""
    if not is_own(name):
        return name
    prefix, _, path = name.partition(":")
    stem = Path(path).name.removesuffix(".json")[:40]
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{prefix} {stem}").strip("_")


def _mark(name: str, dataset: KeypointDataset) -> str:
    """The plain name with digits of what the data holds, which tell it from namesakes wherever it lies."""
    contents = "".join(dataset.digest(split) for split in SPLITS)
    return f"{plain_name(name)}_{hashlib.sha256(contents.encode()).hexdigest()[:6]}"


def _protocols(name: str, dataset: KeypointDataset) -> tuple[str, ...]:
    """The protocols of a dataset's kind; a plan leaves out those that need what the dataset lacks."""
    if not dataset.card.landmark_names:
        return ()
    if dataset.card.interocular:
        return FACES
    kind = "" if is_own(name) else name.removeprefix("mini_")
    return next((protocols for prefix, protocols in _BY_NAME.items() if kind.startswith(prefix)), OTHER)
