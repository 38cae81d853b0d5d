"""The record of one cell (a method on a task with a seed); tables and MLflow are derived from records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 5
_SAW_LANDMARKS = {"supervised": True, "unsupervised": False, "none": False}  # by supervision, before schema 4


class ScoreRecord(BaseModel):
    """The result of one protocol for one cell; the 95 % interval is a bootstrap over groups of test images.

    ``ci_low`` and ``ci_high`` are None where nothing varies; older records have equal ends there.
    ``rows`` is the number of regression rows of each landmark, ``rank`` and ``condition`` belong to the
    worst-conditioned design. ``per_landmark`` has None for a landmark that is never visible.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    protocol_version: int
    value: float
    unit: str
    higher_is_better: bool
    ci_low: float | None
    ci_high: float | None
    n_fit: int
    n_test: int
    rank: int
    condition: float | None
    rank_deficient: bool
    rows: tuple[int, ...]
    per_landmark: tuple[float | None, ...]
    curve: tuple[tuple[int, float, float], ...] = ()


class Failure(BaseModel):
    """The error that ended a cell: its type, its message in one line, and the traceback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    message: str
    traceback: str


class Variant(BaseModel):
    """An ablation: ``full`` holds the changed settings with their values in the full method.

    ``note`` is a remark that stands below tables.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    full: dict[str, Any]
    note: str = ""


class Digests(BaseModel):
    """The sha256 of the files that a cell consists of, and of those that it was made from.

    ``files`` has the files of the cell's folder by name. ``fit`` is that of the saved fit, None without one. ``source``
    has the method's source files by path, as they were when the keypoints were learned. ``imported`` has the
    ``keypoints`` and the ``record`` of an import in the same run directory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: dict[str, str] = {}
    fit: str | None = None
    source: dict[str, str] = {}
    imported: dict[str, str] = {}


class ResultRecord(BaseModel):
    """Everything that a table needs to know about one cell.

    ``method_label`` is the method's name in tables, with the settings that differ from the profile's defaults (such as
    a mini model on real images). ``n_images_limit`` is the ``--limit`` that makes the cell not comparable, or None.
    ``seconds`` has the times of fit, predict and score. ``variant`` describes an ablation and is None for the full
    method (since schema_version 2). ``by_dataset`` has the settings that the method changes for its fit dataset, each
    with the value that it has on other datasets (since 3). ``saw_landmarks`` says whether the method saw landmarks in
    training (since 4); in older records it is None, and ``supervised`` looks up ``supervision`` instead. ``digests``
    are those of its files, and ``digest`` is that of the record itself (since 5; see ``leaderboard.digests``). A
    committed list leaves ``digests`` out, and its ``digest`` is that of the shorter record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    status: Literal["done", "failed"]
    cell_id: str
    method: str
    method_label: str
    method_version: str
    method_config: dict[str, Any]
    method_identity: dict[str, Any]
    is_floor: bool
    supervision: str
    saw_landmarks: bool | None = None
    task: str
    suites: tuple[str, ...]
    dataset: str
    fit_dataset: str
    dataset_digests: dict[str, str]
    num_keypoints: int
    profile: Literal["mini", "paper"]
    seed: int
    variant: Variant | None = None
    by_dataset: dict[str, Any] = {}
    n_images_limit: int | None
    scores: tuple[ScoreRecord, ...] = ()
    seconds: dict[str, float] = {}
    peak_memory_mb: float | None = None
    provenance: dict[str, Any] = {}
    failure: Failure | None = None
    digests: Digests | None = None
    digest: str | None = None

    @property
    def supervised(self) -> bool:
        """Whether the method saw landmarks in training."""
        return _SAW_LANDMARKS.get(self.supervision, False) if self.saw_landmarks is None else self.saw_landmarks
