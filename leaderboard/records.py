"""The record of one cell (a method on a task with a seed): the truth that tables and trackers mirror."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 3


class ScoreRecord(BaseModel):
    """One protocol's verdict on one cell; an interval is a 95 % bootstrap over the test images' groups.

    ``rows`` is the number of regression rows of each landmark, ``rank`` and ``condition`` those of the
    worst-conditioned design; ``per_landmark`` is NaN-free: None where a landmark is never visible.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    protocol_version: int
    value: float
    unit: str
    higher_is_better: bool
    ci_low: float
    ci_high: float
    n_fit: int
    n_test: int
    rank: int
    condition: float | None
    rank_deficient: bool
    rows: tuple[int, ...]
    per_landmark: tuple[float | None, ...]
    curve: tuple[tuple[int, float, float], ...] = ()


class Failure(BaseModel):
    """Why a cell failed, in one line, and the traceback for whoever wants it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    message: str
    traceback: str


class Variant(BaseModel):
    """What an ablation changed: ``full`` holds the settings it changed as they are without it.

    ``note`` is what tables say of it below.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    full: dict[str, Any]
    note: str = ""


class ResultRecord(BaseModel):
    """Everything a table needs to know about one cell.

    ``method_label`` is what tables print: the method's name with a mark where settings differ from the
    profile's own (such as a mini model on real images). ``n_images_limit`` is None, or the ``--limit`` that
    keeps the cell out of any comparison. ``seconds`` has fit, predict and score. ``variant`` says what an ablation
    changed, None for a method as it is; it came with schema_version 2. ``by_dataset`` names the settings that the
    method has for its fit dataset alone, each with the value it has elsewhere; it came with schema_version 3.
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
