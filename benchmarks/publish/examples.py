"""Images that show a task's results: the same images for all methods, chosen by fixed quantiles of the error.

The images are those at fixed quantiles of the median method's errors per image, and those with its ten largest errors.
The median method is the trained one whose headline value is the median of all; nobody chooses an image by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.records.store import ERRORS, Store, read_columns, read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.registry import Open
    from leaderboard.records import ResultRecord

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
WORST = 10
STRIP = 12  # images in a strip of crops
DIGITS = 4


@dataclass(frozen=True)
class Shown:
    """One method on the images of a task.

    ``keypoints`` (N, K, 2) and ``landmarks`` (N, L, 2), regressed from them, are in image sides, ``errors`` (N,) in the
    protocol's unit, in the order of the task's images. ``curve`` holds the errors of all test images at the quantiles
    0, 0.02, ..., 1.
    """

    label: str
    method: str
    seed: int
    keypoints: list[list[list[float]]]
    landmarks: list[list[list[float]]]
    errors: list[float]
    curve: list[float]


@dataclass(frozen=True)
class Examples:
    """The images of a task by id, and the methods on them; ``by`` is the label of the median method."""

    task: str
    profile: str
    dataset: str
    protocol: str
    unit: str
    by: str
    quantiles: list[str]
    worst: list[str]
    strip: list[str]
    methods: list[Shown]

    @property
    def ids(self) -> list[str]:
        """All images, each once."""
        return list(dict.fromkeys([*self.quantiles, *self.worst, *self.strip]))


def examples_of(store: Store, records: Iterable[ResultRecord], datasets: Open, profile: str) -> list[Examples]:
    """The examples of every task that has whole cells of this profile in the run directory, in the order of tasks."""
    tasks: dict[str, list[ResultRecord]] = {}
    for record in records:
        if _is_shown(record) and record.profile == profile:
            tasks.setdefault(record.task, []).append(record)
    return [found for cells in tasks.values() if (found := _of_task(store, cells, datasets))]


def _is_shown(record: ResultRecord) -> bool:
    whole = record.status == "done" and record.n_images_limit is None and bool(record.scores)
    return whole and record.variant is None


def _of_task(store: Store, cells: Sequence[ResultRecord], datasets: Open) -> Examples | None:
    first_seeds = {}
    for record in sorted(cells, key=lambda each: each.seed):
        first_seeds.setdefault(record.method_label, record)
    ranked = [each for each in first_seeds.values() if not each.is_floor and not each.supervised]
    if not ranked:
        return None
    ranked.sort(key=lambda each: each.scores[0].value)
    median = ranked[(len(ranked) - 1) // 2]
    headline = median.scores[0]
    dataset = datasets(median.dataset)
    if not dataset.annotated()[0]:
        return None
    errors = {label: _errors(store, record, headline.protocol) for label, record in first_seeds.items()}
    own = {name: error for name, error in errors[median.method_label].items() if np.isfinite(error)}
    worse = sorted(own, key=lambda name: (own[name], name), reverse=headline.higher_is_better)
    places = [round(share * (len(worse) - 1)) for share in QUANTILES]
    strip = np.unique(np.linspace(0, len(worse) - 1, STRIP).round().astype(int))
    found = Examples(
        task=median.task,
        profile=median.profile,
        dataset=median.dataset,
        protocol=headline.protocol,
        unit=headline.unit,
        by=median.method_label,
        quantiles=[worse[place] for place in places],
        worst=worse[::-1][:WORST],
        strip=[sorted(own)[place] for place in strip],
        methods=[],
    )
    for label, record in sorted(first_seeds.items(), key=lambda each: _place(each[1])):
        found.methods.append(_shown(store, record, found, errors[label], dataset))
    return found


def _place(record: ResultRecord) -> tuple[bool, bool, float]:
    """The methods' order: the best first, then supervised ones, then floors."""
    headline = record.scores[0]
    return record.is_floor, record.supervised, -headline.value if headline.higher_is_better else headline.value


def _errors(store: Store, record: ResultRecord, protocol: str) -> dict[str, float]:
    columns = read_columns(store.cells / record.cell_id / ERRORS)
    chosen = zip(columns["protocol"], columns["image_id"], columns["error"], strict=True)
    return {name: float(error) for found, name, error in chosen if found == protocol}


def _shown(store: Store, record: ResultRecord, task: Examples, errors: Mapping[str, float], dataset: Any) -> Shown:
    from benchmarks.run.scoring import points_of
    from metrics.scoring import score

    folder = store.cells / record.cell_id
    fit = points_of(dataset, *read_predictions(folder, "regress"))
    ids, keypoints = read_predictions(folder, "test")
    found = score(
        task.protocol,
        fit,
        points_of(dataset, ids, keypoints),
        resamples=2,
        left_right_pairs=dataset.card.left_right_pairs,
        interocular=dataset.card.interocular,
    )
    places = [ids.index(name) for name in task.ids]
    finite = np.array([error for error in errors.values() if np.isfinite(error)])
    return Shown(
        label=record.method_label,
        method=record.method,
        seed=record.seed,
        keypoints=_rounded(keypoints[places]),
        landmarks=_rounded(found.predicted[places]),
        errors=_rounded(np.array([errors[name] for name in task.ids])),
        curve=_rounded(np.quantile(finite, np.linspace(0, 1, 51))),
    )


def _rounded(values: NDArray[np.float64]) -> Any:
    return np.round(values, DIGITS).tolist()


def save_examples(found: Iterable[Examples], path: Path) -> None:
    """Write examples as JSON, one task a line."""
    from leaderboard.files import write_atomically

    lines = [json.dumps(asdict(each), separators=(",", ":")) for each in found]
    write_atomically(path, "[\n" + ",\n".join(lines) + "\n]\n")


def load_examples(path: Path) -> list[Examples]:
    """Read what ``save_examples`` wrote; none if there is no file."""
    if not path.is_file():
        return []
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [Examples(**{**entry, "methods": [Shown(**each) for each in entry["methods"]]}) for entry in entries]
