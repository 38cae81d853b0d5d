"""A cell: one method on one task with one seed, as plain data, with an id made from its content."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.registry import is_custom
from benchmarks.tasks import SUITES, Profile, Task, plain_name
from leaderboard.records import Digests, Failure, ResultRecord, ScoreRecord, Variant
from leaderboard.tables import TABLES

CHOICES = "choices"  # provenance key of the user's choices for custom data
NOTES = "notes"  # provenance key of what import has said of keypoints that were made elsewhere
NO_VALUE = "no_value"  # provenance key of the protocols of the task that had nothing to measure
REMARKS = "remarks"  # provenance key of the remarks on custom data
SCORED = "scored"  # provenance kind of a record whose keypoints were made elsewhere


def content_hash(content: dict[str, Any]) -> str:
    """sha256 of plain data in canonical JSON. Raises ValueError for infinity and NaN."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def as_before(task: Task, cells: Path) -> Task:
    """The task under the name that the folder of cells has for the same custom data, whose file was renamed since."""
    if not is_custom(task.dataset):
        return task
    parts = [name for path in cells.glob("*--*") for name in path.name.split("--")]
    names = {name for name in parts if without_stem(name) == without_stem(task.id)}
    return task if task.id in names or not names else task.model_copy(update={"id": min(names)})


def without_stem(task: str) -> str:
    """The id of a task of custom data without the name of its file, which leaves a hash of the contents."""
    return re.sub(r"^([A-Za-z0-9]+)_.*(_[0-9a-f]{6}_k\d+)$", r"\1\2", task)


def _without_path(dataset: str) -> str:
    """The name of a dataset; of custom data only its kind, such as 'coco'."""
    return dataset.partition(":")[0]


class Cell(BaseModel):
    """One run of a method. ``config`` is the profile's default config with ``settings`` applied.

    ``settings`` has the settings that the method changes for its fit dataset (``Method.settings_on``), overridden by
    the user's. ``by_dataset`` has the changed settings with their values on other datasets. ``saw_landmarks`` says
    whether the method saw landmarks in training. ``variant`` describes an ablation, None for the full method.
    ``of_predict`` names settings that do not affect fitting. ``made_by`` describes the source of keypoints that another
    system made; it is None for a method that runs here. ``source`` has the sha256 of the method's source files.
    Neither these nor protocols are part of a cell's identity, so scoring again never runs a model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    label: str
    version: str
    settings: dict[str, Any]
    config: dict[str, Any]
    identity: dict[str, Any]
    is_floor: bool
    supervision: str
    saw_landmarks: bool = False
    variant: Variant | None = None
    by_dataset: dict[str, Any] = {}
    of_predict: tuple[str, ...] = ()
    made_by: dict[str, Any] | None = None
    source: dict[str, str] = {}
    task: Task
    profile: Profile
    seed: int
    limit: int | None
    digests: dict[str, str]

    @property
    def title(self) -> str:
        """The label, with the settings that the method changes for its fit dataset."""
        own = ", ".join(f"{name}={self.config[name]}" for name in self.by_dataset)
        return f"{self.label} ({own})" if own else self.label

    @property
    def dataset(self) -> str:
        """Name of the dataset that is regressed and tested on."""
        return self.task.dataset_id(self.profile)

    @property
    def fit_dataset(self) -> str:
        """Name of the dataset that keypoints are learned on."""
        return self.task.fit_dataset_id(self.profile)

    @property
    def method_id(self) -> str:
        """The method's name in records and file names, such as 'imported_mine', without the path of imports."""
        return plain_name(self.method)

    @property
    def id(self) -> str:
        """``<method>--<task>--<profile>--s<seed>--<8 hex digits of its content>``."""
        content = self._content() | {
            "task": self.task.id,
            "dataset": _without_path(self.dataset),  # the digests identify the contents of custom data
            "digests": self.digests,
            "profile": self.profile,
        }
        if self.variant:
            content["variant"] = self.variant.name  # an ablation and the same settings by --set are different rows
        return f"{self.method_id}--{self.task.id}--{self.profile}--s{self.seed}--{content_hash(content)[:8]}"

    @property
    def fit_id(self) -> str:
        """Id of the fit: equal for all tasks that learn on the same images with the same K."""
        config = {name: value for name, value in self.config.items() if name not in self.of_predict}
        learned = content_hash(self._content() | {"config": config})[:8]
        fit_on = f"{_without_path(self.fit_dataset)}--k{self.task.num_keypoints}--s{self.seed}"
        return f"{self.method_id}--{fit_on}--{learned}"

    def record(
        self,
        scores: tuple[ScoreRecord, ...] = (),
        seconds: dict[str, float] | None = None,
        peak_memory_mb: float | None = None,
        provenance: dict[str, Any] | None = None,
        failure: Failure | None = None,
    ) -> ResultRecord:
        """The record of this cell, done or failed."""
        return ResultRecord(
            status="failed" if failure else "done",
            cell_id=self.id,
            method=self.method_id,
            method_label=self.label,
            method_version=self.version,
            method_config=self.config,
            method_identity=self.identity,
            is_floor=self.is_floor,
            supervision=self.supervision,
            saw_landmarks=self.saw_landmarks,
            task=self.task.id,
            suites=self._suites(),
            dataset=self.dataset,
            fit_dataset=self.fit_dataset,
            dataset_digests=self.digests,
            num_keypoints=self.task.num_keypoints,
            profile=self.profile,
            seed=self.seed,
            variant=self.variant,
            by_dataset=self.by_dataset,
            n_images_limit=self.limit,
            scores=scores,
            seconds=seconds or {},
            peak_memory_mb=peak_memory_mb,
            provenance=(provenance or {}) | ({"kind": SCORED, **self.made_by} if self.made_by else {}),
            failure=failure,
            digests=Digests(source=self.source),
        )

    def _suites(self) -> tuple[str, ...]:
        return tuple(
            suite.name
            for suite in SUITES.values()
            if self.task.id in suite.tasks and (self.variant is None or TABLES[suite.kind].ablations)
        )

    def _content(self) -> dict[str, Any]:
        """Everything that the keypoints of an image depend on."""
        content: dict[str, Any] = {
            "method": self.method_id,
            "version": self.version,
            "config": self.config,
            "identity": self.identity,
            "fit_dataset": _without_path(self.fit_dataset),
            "fit_digest": self.digests["fit"],
            "num_keypoints": self.task.num_keypoints,
            "seed": self.seed,
            "limit": self.limit,
        }
        if self.task.fit_images is not None:
            content["fit_images"] = self.task.fit_images
        return content
