"""Images that show a task's results: the same images for all methods, chosen by fixed quantiles of the error.

The images are those at fixed quantiles of the median method's errors per image, and those with its ten largest errors.
The median method is the trained one whose headline value is the median of all; nobody chooses an image by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.records.store import ERRORS, Store, read_columns, read_predictions
from benchmarks.run.scoring import scores_of
from leaderboard.files import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.registry import Open
    from datasets.base import KeypointDataset
    from leaderboard.records import ResultRecord

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
WORST = 10
STRIP = 12  # images in a strip of crops
PARTS = 1000  # coordinates are kept in thousandths of the image side
STEPS = 50  # of the curve of errors

Thousandths = list[list[list[int]]]


@dataclass(frozen=True)
class Shown:
    """One method on the images of a task.

    ``keypoints`` (all images, K, 2) and the regressed ``landmarks`` (quantiles and worst, L, 2) are in thousandths of
    the image side, ``errors`` (quantiles and worst) in the protocol's unit. ``curve`` holds the errors of all test
    images at the quantiles 0, 0.02, ..., 1.
    """

    label: str
    method: str
    seed: int
    keypoints: Thousandths
    landmarks: Thousandths
    errors: list[float | None]
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
    def compared(self) -> list[str]:
        """The images at the quantiles and those with the largest errors."""
        return list(dict.fromkeys([*self.quantiles, *self.worst]))

    @property
    def ids(self) -> list[str]:
        """All images: first those of ``compared``, then those of the strip alone."""
        return list(dict.fromkeys([*self.compared, *self.strip]))


def examples_of(
    store: Store, records: Iterable[ResultRecord], datasets: Open, earlier: Iterable[Examples] = ()
) -> list[Examples]:
    """The examples of every task and profile that has whole cells in the run directory, and the ``earlier`` others.

    A task that is among the earlier ones keeps its images; the methods of the run directory are added to it, or take
    the place of methods of the same label.
    """
    before = {(each.task, each.profile): each for each in earlier}
    tasks: dict[tuple[str, str], list[ResultRecord]] = {}
    for record in records:
        if record.status == "done" and record.n_images_limit is None and record.scores and record.variant is None:
            tasks.setdefault((record.task, record.profile), []).append(record)
    found = {key: new for key, cells in tasks.items() if (new := _of_task(store, cells, datasets, before.get(key)))}
    return [examples for _, examples in sorted((before | found).items())]


def _of_task(store: Store, cells: Sequence[ResultRecord], datasets: Open, earlier: Examples | None) -> Examples | None:
    first_seeds: dict[str, ResultRecord] = {}
    for record in sorted(cells, key=lambda each: each.seed):
        first_seeds.setdefault(record.method_label, record)
    chosen = earlier or _choose(store, list(first_seeds.values()))
    if chosen is None:
        return None
    dataset = datasets(chosen.dataset)
    if not dataset.annotated()[0]:
        return None
    methods = {each.label: each for each in chosen.methods}
    methods |= {label: _shown(store, record, chosen, dataset) for label, record in first_seeds.items()}
    return replace(chosen, methods=[methods[label] for label in sorted(methods)])


def _choose(store: Store, cells: Sequence[ResultRecord]) -> Examples | None:
    """The images of a task, as the median method's errors choose them.

    None without a method that learns, and for a protocol that measures all images together.
    """
    ranked = [each for each in cells if not each.is_floor and not each.supervised]
    if not ranked:
        return None
    ranked.sort(key=lambda each: (each.scores[0].value, each.method_label))
    median = ranked[(len(ranked) - 1) // 2]
    headline = median.scores[0]
    errors = {name: each for name, each in _errors(store, median, headline.protocol).items() if np.isfinite(each)}
    if not errors:
        return None
    worse = sorted(errors, key=lambda name: (errors[name], name), reverse=headline.higher_is_better)
    spread = np.unique(np.linspace(0, len(worse) - 1, STRIP).round().astype(int))
    return Examples(
        task=median.task,
        profile=median.profile,
        dataset=median.dataset,
        protocol=headline.protocol,
        unit=headline.unit,
        by=median.method_label,
        quantiles=[worse[round(share * (len(worse) - 1))] for share in QUANTILES],
        worst=worse[::-1][:WORST],
        strip=[sorted(errors)[place] for place in spread],
        methods=[],
    )


def _errors(store: Store, record: ResultRecord, protocol: str) -> dict[str, float]:
    columns = read_columns(store.cells / record.cell_id / ERRORS)
    chosen = zip(columns["protocol"], columns["image_id"], columns["error"], strict=True)
    return {name: float(error) for found, name, error in chosen if found == protocol}


def _shown(store: Store, record: ResultRecord, task: Examples, dataset: KeypointDataset) -> Shown:
    folder = store.cells / record.cell_id
    errors = _errors(store, record, task.protocol)
    ids, keypoints = read_predictions(folder, "test")
    (found,), _ = scores_of(folder, dataset, [task.protocol])
    place = {name: number for number, name in enumerate(ids)}
    finite = np.array([error for error in errors.values() if np.isfinite(error)])
    own = [errors[name] for name in task.compared]
    return Shown(
        label=record.method_label,
        method=record.method,
        seed=record.seed,
        keypoints=_thousandths(keypoints[[place[name] for name in task.ids]]),
        landmarks=_thousandths(found.predicted[[place[name] for name in task.compared]]),
        errors=[_short(error) if np.isfinite(error) else None for error in own],
        curve=[_short(error) for error in np.quantile(finite, np.linspace(0, 1, STEPS + 1))],
    )


def _thousandths(points: NDArray[np.float64]) -> Thousandths:
    """Points (N, K, 2) in image sides, in thousandths; far outside the image they end three sides away."""
    found: Thousandths = np.rint(PARTS * np.clip(np.nan_to_num(points, nan=-3.0), -3.0, 4.0)).astype(int).tolist()
    return found


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def path_beside(results: Path) -> Path:
    """The file of examples of a folder of committed lists, in a folder of its own: every .json file there is a list."""
    return results / "examples" / "examples.json"


def save_examples(found: Iterable[Examples], path: Path) -> None:
    """Write examples as JSON (see ``examples_text``)."""
    write_atomically(path, examples_text(found))


def examples_text(found: Iterable[Examples]) -> str:
    """The text of a file of examples, one task a line."""
    lines = [json.dumps(asdict(each), separators=(",", ":")) for each in found]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def load_examples(path: Path) -> list[Examples]:
    """Read what ``save_examples`` wrote; none if there is no file."""
    if not path.is_file():
        return []
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [Examples(**{**entry, "methods": [Shown(**each) for each in entry["methods"]]}) for entry in entries]
