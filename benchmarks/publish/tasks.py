"""The page of a task: its results under every protocol, errors of landmarks, and the same images for all methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from benchmarks.describe.task import task_card, task_summary
from benchmarks.publish.charts.axes import short
from benchmarks.publish.charts.curves import Curve, curves
from benchmarks.publish.pictures import Photos, picture, shared
from benchmarks.publish.results import Results
from benchmarks.publish.site import Site
from benchmarks.publish.suites import ABOUT, PROFILES
from benchmarks.publish.tables import difference_table, measured_table, reported_table
from benchmarks.run.examples import PARTS, QUANTILES, Examples
from benchmarks.tasks import Profile, Task
from leaderboard.records import ResultRecord

if TYPE_CHECKING:
    from benchmarks.registry import Open
    from datasets.base import KeypointDataset

SHOWN = 0.9  # share of the images of the method with the largest errors that a plot of errors shows
BLANK = "; the licence of the photographs does not allow showing them"


def write_task(site: Site, task: Task, results: Results, photos: Gallery) -> None:
    """Write the page of a task."""
    sections = [section for profile in PROFILES for section in _sections(task, results, profile, photos.datasets)]
    shown = [_shown(example, photos) for example in results.examples if example.task == task.id]
    site.render(
        f"tasks/{task.id}.html",
        "task.html",
        task.id,
        task=task,
        summary=task_summary(task),
        sections=sections,
        examples=shown,
        reported=reported_table(results.rows([task.id], "paper", "all")),
        description=task_card(task, None, here=False),
    )


def _sections(task: Task, results: Results, profile: Profile, datasets: Open) -> Iterator[dict[str, Any]]:
    table = measured_table(results.rows([task.id], profile, "all"), of_tasks=False)
    if table is None:
        return
    names = datasets(task.dataset_id(profile)).card.landmark_names
    landmarks, measured = _per_landmark(
        [each for each in results.records if (each.task, each.profile) == (task.id, profile)], len(names)
    )
    yield {
        "name": f"{task.id}-{profile}",
        "title": f"Measured here, {profile} profile",
        "about": ABOUT[profile],
        "caption": f"{task.id} under every protocol, {profile} profile",
        "table": table,
        "differences": difference_table(results.rows([task.id], profile)),
        "landmarks": landmarks,
        "landmark_names": names,
        "landmarks_caption": f"{measured}, mean over seeds",
    }


def _per_landmark(records: Sequence[ResultRecord], count: int) -> tuple[list[Any], str]:
    """Label and (error, its share of the largest) of each landmark; and the protocol, with its unit.

    It is the first protocol that measures single landmarks, which is the headline in most tasks.
    """
    by_label: dict[str, list[tuple[float | None, ...]]] = {}
    measured = ""
    for record in records:
        whole = record.status == "done" and record.n_images_limit is None and record.variant is None
        for score in record.scores if whole else ():
            said, known = f"{score.protocol} ({score.unit})", any(each is not None for each in score.per_landmark)
            if known and len(score.per_landmark) == count and measured in ("", said):
                by_label.setdefault(record.method_label, []).append(score.per_landmark)
                measured = said
                break
    means = {label: [_mean(column) for column in zip(*seeds, strict=True)] for label, seeds in by_label.items()}
    largest = max((value for cells in means.values() for value in cells if value is not None), default=0.0) or 1.0
    ordered = sorted(means.items(), key=lambda each: fmean(v for v in each[1] if v is not None))
    lines = [
        (label, [(value, None if value is None else round(value / largest, 3)) for value in cells])
        for label, cells in ordered
    ]
    return lines, measured


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None


class Gallery:
    """The photographs of the site: opens datasets, and decides which may be shown."""

    def __init__(self, folder: Path, datasets: Open, show_images: bool) -> None:
        self.datasets = datasets
        self._folder = folder
        self._show = show_images

    def open(self, name: str) -> tuple[KeypointDataset, Photos]:
        """A dataset and its photographs; only synthetic ones are shown unless the user asks for all."""
        dataset = self.datasets(name)
        shown = (self._show or name.startswith("mini_")) and dataset.available()[0]
        return dataset, Photos(self._folder / name, dataset, blank=not shown)


def _shown(example: Examples, gallery: Gallery) -> dict[str, Any]:
    dataset, photos = gallery.open(example.dataset)
    example = replace(example, methods=sorted(example.methods, key=lambda each: fmean(each.curve)))
    labels = [method.label for method in example.methods]
    names = [f"{share:.0%}" for share in QUANTILES]
    worst = [f"worst {number}" for number in range(1, len(example.worst) + 1)]
    parts = [
        ("", "The same images, every method", example.quantiles, names),
        (f"The {len(worst)} images with the largest errors", "Largest errors", example.worst, worst),
    ]
    limit = max(np.quantile(method.curve, SHOWN) for method in example.methods)
    found = [Curve(method.label, _distribution(method.curve, limit), dashed=False) for method in example.methods]
    return {
        "profile": example.profile,
        "by": example.by,
        "protocol": example.protocol,
        "unit": example.unit,
        "blank": "" if photos.address(example.ids[0]) else BLANK,
        "parts": [
            {
                "title": title,
                "label": label,
                "labels": labels,
                "rows": _rows(example, dataset, photos, ids, names, f"{example.profile}-{number}"),
            }
            for number, (title, label, ids, names) in enumerate(parts)
        ],
        "limit": f"{short(limit)} {example.unit}",
        "curve": curves(f"Errors on {example.task}", f"error ({example.unit})", "% of the images", found),
    }


def _distribution(curve: Sequence[float], limit: float) -> list[tuple[float, float]]:
    """The share of images below an error, from the errors at evenly spaced quantiles, up to a limit of the error."""
    shares = np.linspace(0, 100, len(curve))
    inside = [(error, float(share)) for error, share in zip(curve, shares, strict=True) if error <= limit]
    return [(0.0, 0.0), *inside, (float(limit), float(np.interp(limit, curve, shares)))]


def _rows(
    example: Examples, dataset: KeypointDataset, photos: Photos, ids: Sequence[str], names: Sequence[str], part: str
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for image_id, name in zip(ids, names, strict=True):
        place = example.ids.index(image_id)
        annotation = dataset.annotation(image_id)
        truth = (PARTS * annotation.landmarks[annotation.visible]).tolist()
        cells: list[tuple[Markup, float | None]] = []
        whole, again = shared(f"{part}-{len(found)}", photos.address(image_id), truth)
        for method in example.methods:
            error = method.errors[place]
            known = "not known" if error is None else f"{error:.1f} {example.unit}"
            label = f"{method.label} on image {image_id}: error {known}"
            background = again if cells else whole
            drawn = picture(background, method.keypoints[place], method.landmarks[place], label)
            cells.append((drawn, error))
        found.append({"name": name, "cells": cells})
    return found
