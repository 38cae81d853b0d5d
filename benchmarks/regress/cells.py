"""The cells of the grid that are run: floors on every mini task, and methods for a few steps; and their settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from benchmarks.regress import tolerances
from benchmarks.regress.measures import Case, Measure
from benchmarks.regress.protocols import score_tolerance
from benchmarks.run.plan import FLOORS
from benchmarks.tasks import TASKS
from metrics.protocols import PROTOCOLS

if TYPE_CHECKING:
    from benchmarks.regress.bench import Bench
    from benchmarks.regress.measures import Tolerance

SETTING_PART, FLOOR_PART, FIT_PART = "settings", "floors", "fits"


@dataclass(frozen=True)
class Fit:
    """A method with settings that make it short, on some tasks with ``limit`` images a split.

    ``later`` is the tolerance of all losses but the first step's.

    Two or three steps: what is compared must come before rounding has grown to something that can be seen.
    """

    name: str
    method: str
    tasks: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 12
    later: Tolerance = tolerances.LATER_LOSS_SINGLE


_WORLDS = ("celeba_aligned", "cub_all", "taichi")  # a task of each mini world
_FEW = {"selection_images": 8}
_DOUBLE = {**_FEW, "dtype": "float64"}  # rounds so little that other processors choose the same tokens
_SLOW = {"steps": 3, "learning_rate": 1e-4}  # biases before a normalisation have no gradient: they move by rounding
FITS = (
    Fit("random_tokens", "random_tokens", tuple(TASKS), {**_DOUBLE, "selection_images": 3}, limit=3),
    Fit("stable_keypoints", "stable_keypoints", _WORLDS, {**_DOUBLE, "steps": 3}, limit=6, later=tolerances.LATER_LOSS),
    Fit("stable_keypoints_as_shipped", "stable_keypoints", ("cub_all",), {**_FEW, "steps": 1}, limit=6),
    Fit("autolink", "autolink", _WORLDS, _SLOW),
    Fit("imm", "imm", ("celeba_aligned",), _SLOW),
    Fit("dift_kmeans", "dift_kmeans", ("celeba_aligned",)),
    Fit("supervised", "supervised", ("celeba_aligned",), {"steps": 3}),
)


def setting_cases() -> dict[str, Case]:
    """The settings of the methods of ``FITS`` in the mini profile, of which their fits here replace some."""
    methods = dict.fromkeys(fit.method for fit in FITS)
    return {f"{SETTING_PART}/{method}": partial(_settings, method) for method in methods}


def floor_cases(bench: Bench) -> dict[str, Case]:
    """The floors that know nothing of the image, on every mini task in full."""
    return {f"{FLOOR_PART}/{floor}/{task}": partial(_floor, bench, floor, task) for floor in FLOORS for task in TASKS}


def fit_cases(bench: Bench) -> dict[str, Case]:
    """The methods of ``FITS`` on their tasks."""
    return {f"{FIT_PART}/{fit.name}/{task}": partial(_fit, bench, fit, task) for fit in FITS for task in fit.tasks}


def _settings(method: str) -> list[Measure]:
    """Each setting that identifies a fit; one that is no number by a checksum."""
    from benchmarks.registry import method_class

    settings = method_class(method).config_for("mini", {}).model_dump(mode="json")
    return [Measure(name, _as_number(value), tolerances.SETTING) for name, value in settings.items()]


def _as_number(value: Any) -> float:
    return float(value if isinstance(value, int | float) else crc32(json.dumps(value).encode()) % 10**6)


def _floor(bench: Bench, floor: str, task: str) -> list[Measure]:
    """A floor's value under every protocol of the task."""
    return [
        Measure(
            score.protocol,
            score.value,
            score_tolerance(PROTOCOLS[score.protocol], tolerances.FLOOR, tolerances.FLOOR_SINGLE),
        )
        for score in bench.run(floor, task).record.scores
    ]


def _fit(bench: Bench, fit: Fit, task: str) -> list[Measure]:
    """The losses of every step, and the keypoints of the test images."""
    ran = bench.run(fit.method, task, fit.settings, fit.limit)
    return [*_losses(ran.history, fit.later), Measure("keypoints", ran.keypoints, tolerances.KEYPOINTS)]


def _losses(history: Mapping[str, list[float]], later: Tolerance) -> Iterator[Measure]:
    """Every scalar of every step, step by step."""
    for row, step in enumerate(history.get("step", [])):
        tolerance = tolerances.FIRST_LOSS if step == 1 else later
        for name, values in history.items():
            if name != "step":
                yield Measure(f"step {int(step)}: {name}", values[row], tolerance)
