"""Template: images in a folder, with their landmarks in the table landmarks.csv beside them."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datasets.base import DatasetCard, DatasetError, Split
from datasets.reading.table import Table, TableDataset

LANDMARKS = ("left eye", "right eye", "mouth")
COLUMNS = [f"{landmark} {axis}" for landmark in LANDMARKS for axis in "xy"]  # left eye x, left eye y, ...
TABLE = f"landmarks.csv with the columns image, split (train or test), group, {', '.join(COLUMNS)}"


class Template(TableDataset):
    card = DatasetCard(
        id="template",
        title="Template",
        landmark_names=LANDMARKS,
        protocols=("general",),  # names of protocols (see `list protocols`) or of a set of them
        left_right_pairs=((0, 1),),
        has_visibility=True,
        counts={"fit": 16, "regress": 16, "test": 8},  # other numbers of images are an error
        licence="unknown",
        citation="unpublished",
        how_to_get="put the images and landmarks.csv there",
        preprocessing="the whole image squashed to a square",
        tree=f"template/*.png\ntemplate/{TABLE}",
    )

    @property
    def folder(self) -> Path:
        return (self.root or Path()) / "template"

    def annotation_files(self, name: Split) -> Iterable[Path]:
        return (self.folder / "landmarks.csv",)

    def image_folders(self) -> Iterable[Path]:
        return (self.folder,)

    def path(self, image_id: str) -> Path:
        return self.folder / image_id

    def read(self, name: Split) -> Table:
        """x and y are in image widths and heights from the top left corner; an empty cell means not visible."""
        path, split = self.folder / "landmarks.csv", "test" if name == "test" else "train"
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = [row for row in csv.DictReader(file) if row["split"] == split]
            places = np.array([[float(row[column] or "nan") for column in COLUMNS] for row in rows])
            ids, groups = (tuple(row[column] for row in rows) for column in ("image", "group"))
        except (KeyError, ValueError, csv.Error) as error:
            raise DatasetError(f"{path}: {error}; expected {TABLE}") from error
        landmarks = places.reshape(-1, len(LANDMARKS), 2)
        visible = np.isfinite(landmarks).all(axis=2)
        return Table(ids, np.where(visible[..., None], landmarks, 0), visible, groups)
