"""From the record of a cell to its pictures: its dataset, its model and its tokens, as they were when it was run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from benchmarks.errors import UserError, bad_settings
from benchmarks.records.store import predictions_path, read_predictions
from benchmarks.registry import METHODS, method_class
from benchmarks.run.images import DatasetImages, ImageCache
from benchmarks.run.overlay import spread_out
from benchmarks.show.attention import maximum, tile_side, write_attention
from benchmarks.show.choices import Choices, write_choices
from benchmarks.show.curves import label
from benchmarks.tasks import TASKS
from methods.stable_keypoints import StableKeypoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.registry import Open
    from benchmarks.show.tokens import Tokens
    from datasets.base import KeypointDataset, Split
    from leaderboard.records import ResultRecord
    from methods.stable_keypoints.backbone import Backbone

ASTRAY = 0.02  # of the image side: a keypoint that far from the recorded one was not found again


def attends(record: ResultRecord) -> bool:
    """Whether the method of a record reads its keypoints from the attention to tokens."""
    return record.method in METHODS.entries and issubclass(method_class(record.method), StableKeypoints)


def chooses(record: ResultRecord) -> bool:
    """Whether a fit that attends to tokens chose them itself, rather than taking those learned elsewhere."""
    return not record.method_config.get("tokens")


def heading(record: ResultRecord) -> str:
    """What a picture is of."""
    return f"{label(record)}, {record.task}, {record.profile} profile, seed {record.seed}"


def open_same(datasets: Open, record: ResultRecord, name: str, split: Split) -> KeypointDataset:
    """The dataset of that name. Raises UserError where it is not there, or its split is not that of the record."""
    dataset = datasets(name)
    found, reason = dataset.available()
    if not found:
        raise UserError(reason)
    digest, expected = dataset.digest(split), record.dataset_digests[split]
    if digest != expected:
        raise UserError(
            f"{name} is not what the cell was run on: digest of its {split} split is {digest[:8]}, "
            f"expected {expected[:8]}; run it again"
        )
    return dataset


class Artist:
    """Draws what takes the model, for cells of one run directory; the model stays loaded from cell to cell.

    ``images`` test images are drawn, and tokens counted over at most ``selection_images``.
    """

    def __init__(self, run: Path, datasets: Open, device: str, images: int, selection_images: int) -> None:
        self._run = run
        self._open = datasets
        self._device = device
        self._count = images
        self._at_most = selection_images
        self._cache = ImageCache()
        self._model: tuple[str, Backbone] | None = None
        self._choices: dict[str, Choices] = {}

    def attention(self, record: ResultRecord, path: Path) -> str:
        """Draw the maps over test images spread over the split; '' or a remark. Raises what the user can mend."""
        dataset, ids = self._images(record, record.dataset, "test")
        shown = [ids[index] for index in spread_out(len(ids), self._count)]
        tokens, size = self._tokens(record)
        batch = DatasetImages(dataset, shown, size, self._cache).load(range(len(shown)))
        maps = list(tokens.maps(batch))
        side = tile_side(record.num_keypoints)
        photos = [(image_id, Image.fromarray(dataset.image(image_id, side))) for image_id in shown]
        write_attention(path, heading(record), tokens.chosen.tolist(), photos, maps)
        return self._astray(record, shown, maps)

    def choices(self, record: ResultRecord, path: Path) -> str:
        """Draw how often each token was kept over the selection images; '' or a remark, and errors as above."""
        fit_id = _fit_id(record)
        if fit_id not in self._choices:
            dataset, ids = self._images(record, record.fit_dataset, "fit")
            tokens, size = self._tokens(record)
            images = DatasetImages(dataset, ids, size, self._cache)
            counts, seen, total = tokens.times_kept(images, self._at_most)
            self._choices[fit_id] = Choices(counts, seen, total, tokens.chosen.tolist())
        choices = self._choices[fit_id]
        write_choices(path, heading(record), choices)
        if choices.seen < choices.total or choices.agrees:
            return ""
        return "the tokens kept most often here are not those that the fit chose"

    def _images(self, record: ResultRecord, name: str, split: Split) -> tuple[KeypointDataset, Sequence[str]]:
        """A dataset and the ids of a split, which must be those the cell was run on."""
        dataset = open_same(self._open, record, name, split)
        ids = dataset.split(split)
        if split == "fit" and record.task in TASKS:
            ids = TASKS[record.task].choose_fit(ids, record.seed)
        return dataset, ids[: record.n_images_limit]

    def _tokens(self, record: ResultRecord) -> tuple[Tokens, int]:
        """The tokens of a cell's fit on their model, and the side in pixels of the images that it takes."""
        from benchmarks.show.tokens import Tokens

        folder = self._run / "fits" / _fit_id(record)
        if not folder.is_dir():
            raise UserError(f"what the fit learned is gone: no folder {folder}; run the cell with --overwrite all")
        backbone = self._backbone(record)
        return Tokens(folder, backbone, record.num_keypoints, record.seed), backbone.image_size

    def _backbone(self, record: ResultRecord) -> Backbone:
        from methods.stable_keypoints.backbone import Backbone

        cls = method_class(record.method)
        try:
            config: Any = cls.Config(**record.method_config)
        except ValidationError as error:
            raise bad_settings(record.method, error, cls.Config) from error
        key = json.dumps([record.method, record.method_config], sort_keys=True)
        if self._model is None or self._model[0] != key:
            self._model = None  # makes room for the next one
            identity = cls(config).identity()
            if identity != record.method_identity:
                raise UserError(f"the weights are {identity}, expected {record.method_identity}; run the cell again")
            self._model = (key, Backbone(config, self._device))
        return self._model[1]

    def _astray(self, record: ResultRecord, shown: Sequence[str], maps: Sequence[NDArray[np.float32]]) -> str:
        """A remark where the maxima are not the keypoints on record, as with weights rounded on another device."""
        folder = self._run / "cells" / record.cell_id
        if not predictions_path(folder, "test").exists():
            return ""
        ids, keypoints = read_predictions(folder, "test")
        recorded = keypoints[[ids.index(image_id) for image_id in shown]]
        drawn = np.array([[maximum(each) for each in attention] for attention in maps])
        far = int((np.abs(drawn - recorded).max(axis=-1) > ASTRAY).sum())
        return f"{far} of {drawn[..., 0].size} keypoints are not where the record has them" if far else ""


def _fit_id(record: ResultRecord) -> str:
    fit_id = record.provenance.get("fit_id")
    if not fit_id:
        raise UserError("its record does not say which fit it comes from; run the cell with --overwrite all")
    return str(fit_id)
