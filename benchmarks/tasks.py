"""Tasks and suites: what the paper's tables measure, as frozen records.

A task is one dataset, a number of keypoints and the protocols it is scored under. A generalization task
takes its keypoints from another dataset. In the mini profile every dataset ``x`` is its twin ``mini_x``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Profile = Literal["mini", "paper"]


class Task(BaseModel):
    """Where keypoints are learned, where they are measured, how many there are, and how they are scored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    dataset: str
    fit_on: str | None = None
    num_keypoints: int
    protocols: tuple[str, ...]

    def dataset_id(self, profile: Profile) -> str:
        """Registry id of the dataset that is regressed and tested on."""
        return f"mini_{self.dataset}" if profile == "mini" else self.dataset

    def fit_dataset_id(self, profile: Profile) -> str:
        """Registry id of the dataset that keypoints are learned on."""
        source = self.fit_on or self.dataset
        return f"mini_{source}" if profile == "mini" else source


def _task(id: str, dataset: str, num_keypoints: int, protocol: str, fit_on: str | None = None) -> Task:
    return Task(id=id, dataset=dataset, fit_on=fit_on, num_keypoints=num_keypoints, protocols=(protocol,))


_TASKS = (
    _task("celeba_aligned", "celeba_aligned", 10, "sk/interocular"),
    _task("cub_aligned", "cub_aligned", 10, "sk/side"),
    _task("human36m", "human36m", 16, "sk/human36m"),
    _task("celeba_wild_k4", "celeba_wild", 4, "sk/interocular"),
    _task("celeba_wild_k8", "celeba_wild", 8, "sk/interocular"),
    _task("cub_001", "cub_001", 4, "sk/side"),
    _task("cub_002", "cub_002", 4, "sk/side"),
    _task("cub_003", "cub_003", 4, "sk/side"),
    _task("cub_all", "cub_all", 4, "sk/side"),
    _task("taichi", "taichi", 10, "sk/cumulative"),
    _task("deepfashion", "deepfashion", 16, "sk/pck6"),
    _task("human36m_unaligned", "human36m_unaligned", 16, "sk/human36m"),
    _task("taichi_to_human36m_unaligned", "human36m_unaligned", 10, "sk/human36m", fit_on="taichi"),
    _task("cub_aligned_to_taichi", "taichi", 10, "sk/cumulative", fit_on="cub_aligned"),
    _task("celeba_wild_to_taichi", "taichi", 8, "sk/cumulative", fit_on="celeba_wild"),
    _task("celeba_wild_to_cub_all", "cub_all", 8, "sk/side", fit_on="celeba_wild"),
)
TASKS: dict[str, Task] = {task.id: task for task in _TASKS}

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
}
