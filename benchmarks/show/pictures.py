"""Pictures that need a cell's fitted method: attention maps, and the choice of its keypoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from benchmarks.errors import UserError, bad_settings
from benchmarks.records.store import predictions_path, read_predictions
from benchmarks.registry import method_class
from benchmarks.run.images import DatasetImages, ImageCache
from benchmarks.run.overlay import spread_out
from benchmarks.show.attention import maximum, tile_side, write_attention
from benchmarks.show.cells import fit_id, heading, method_of, open_same
from benchmarks.show.choices import agrees, write_choices
from benchmarks.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.registry import Open
    from datasets.base import KeypointDataset, Split
    from leaderboard.records import ResultRecord
    from methods.base import Attention, Choices, Method, Picture

ASTRAY = 0.02  # image sides: a maximum farther than this from the recorded keypoint is reported


def pictures(record: ResultRecord) -> frozenset[Picture]:
    """The pictures that the method of a record can give. Raises UserError for settings that it does not know."""
    cls = method_of(record)
    return cls.pictures(_config(record)) if cls is not None else frozenset()


def _config(record: ResultRecord) -> Any:
    cls = method_class(record.method)
    try:
        return cls.Config(**record.method_config)
    except ValidationError as error:
        raise bad_settings(record.method, error, cls.Config) from error


class Artist:
    """Draws pictures of the cells of one run directory; a method stays loaded for cells with the same settings.

    ``images`` test images are drawn, and choices are counted over at most ``selection_images``.
    """

    def __init__(self, run: Path, datasets: Open, device: str, images: int, selection_images: int) -> None:
        self._run = run
        self._open = datasets
        self._device = device
        self._count = images
        self._at_most = selection_images
        self._cache = ImageCache()
        self._loaded: tuple[str, Method] | None = None
        self._choices: dict[str, Choices] = {}

    def attention(self, record: ResultRecord, path: Path) -> str:
        """Draw the maps over test images spread over the split; returns a remark or ''.

        Raises UserError, MethodError or DatasetError if data, weights or fit are missing or have changed.
        """
        dataset, ids = self._images(record, record.dataset, "test")
        shown = [ids[index] for index in spread_out(len(ids), self._count)]
        method = self._method(record)
        batch = DatasetImages(dataset, shown, method.image_size, self._cache).load(range(len(shown)))
        found = method.attention(batch)
        side = tile_side(record.num_keypoints)
        photos = [(image_id, Image.fromarray(dataset.image(image_id, side))) for image_id in shown]
        write_attention(path, heading(record), photos, found)
        return self._astray(record, shown, found)

    def choices(self, record: ResultRecord, path: Path) -> str:
        """Draw how often each candidate was kept; returns a remark or ''. Raises the same errors as ``attention``."""
        fit = fit_id(record)
        if fit not in self._choices:
            dataset, ids = self._images(record, record.fit_dataset, "fit")
            method = self._method(record)
            images = DatasetImages(dataset, ids, method.image_size, self._cache)
            self._choices[fit] = method.choices(images, self._at_most)
        choices = self._choices[fit]
        write_choices(path, heading(record), choices)
        if choices.seen < choices.total or agrees(choices):
            return ""
        return f"the {choices.candidate}s kept most often here are not those that the fit chose"

    def _images(self, record: ResultRecord, name: str, split: Split) -> tuple[KeypointDataset, Sequence[str]]:
        """A dataset and the ids of a split, the same as when the cell was run."""
        dataset = open_same(self._open, record, name, split)
        ids = dataset.split(split)
        if split == "fit" and record.task in TASKS:
            ids = TASKS[record.task].choose_fit(ids, record.seed)
        return dataset, ids[: record.n_images_limit]

    def _method(self, record: ResultRecord) -> Method:
        """The method of a cell, with its fit loaded."""
        folder = self._run / "fits" / fit_id(record)
        if not folder.is_dir():
            raise UserError(f"the saved fit is missing: no folder {folder}; run the cell with --overwrite all")
        key = json.dumps([record.method, record.method_config], sort_keys=True)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None  # frees the memory of the previous method
            method = method_class(record.method)(_config(record), self._device)
            identity = method.identity()
            if identity != record.method_identity:
                raise UserError(f"the weights are {identity}, expected {record.method_identity}; run the cell again")
            self._loaded = key, method
        method = self._loaded[1]
        method.load(folder)
        return method

    def _astray(self, record: ResultRecord, shown: Sequence[str], found: Attention) -> str:
        """A remark if maxima differ from the recorded keypoints, such as by another device's rounding; or ''."""
        folder = self._run / "cells" / record.cell_id
        if not predictions_path(folder, "test").exists():
            return ""
        ids, keypoints = read_predictions(folder, "test")
        recorded = keypoints[[ids.index(image_id) for image_id in shown]]
        maxima = np.array([[maximum(each) for each in maps] for maps in found.maps])
        far = int((np.abs(maxima - recorded).max(axis=-1) > ASTRAY).sum())
        return f"{far} of {maxima[..., 0].size} keypoints are not where the record has them" if far else ""
