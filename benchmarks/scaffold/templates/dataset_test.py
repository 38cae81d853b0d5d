"""Template on images whose landmarks are known: each is painted in its own colour."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.registry import open_dataset
from benchmarks.run.command import run_command
from benchmarks.run.options import RunOptions
from datasets.base import SPLITS, DatasetError

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)])  # of the three landmarks
WIDTH, HEIGHT, DOT = 60, 40, 12


def write(root: Path) -> Path:
    """Write the images that the card counts; the first one lacks its last landmark. Returns the path of the table."""
    card = open_dataset("template", None).card
    folder, random = root / "template", np.random.default_rng(0)
    folder.mkdir(parents=True)
    columns = [f"{landmark} {axis}" for landmark in card.landmark_names for axis in "xy"]
    with (folder / "landmarks.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "split", "group", *columns])
        for number in range(card.counts["regress"] + card.counts["test"]):
            pixels = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            places: list[float | str] = []
            for colour in COLOURS[: len(card.landmark_names) - (number == 0)]:
                x, y = int(random.integers(WIDTH - DOT)), int(random.integers(HEIGHT - DOT))
                pixels[y : y + DOT, x : x + DOT] = colour
                places += [(x + DOT / 2) / WIDTH, (y + DOT / 2) / HEIGHT]
            places += [""] * (len(columns) - len(places))
            split = "train" if number < card.counts["regress"] else "test"
            table.writerow([f"{number}.png", split, number, *places])
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder / "landmarks.csv"


def test_landmarks_lie_on_what_they_name(tmp_path: Path) -> None:
    write(tmp_path)
    dataset = open_dataset("template", tmp_path)
    assert dataset.available() == (True, "")
    for split in SPLITS:
        for image_id in dataset.split(split):
            image, found = dataset.image(image_id, 120), dataset.annotation(image_id)
            (x, y), colour = found.landmarks[found.visible][-1], COLOURS[found.visible.sum() - 1]  # nothing hides it
            assert image[int(y * 120), int(x * 120)].tolist() == colour.tolist()
    assert dataset.annotation("0.png").visible.tolist() == [True, True, False]


def test_a_bad_number_is_a_clear_error(tmp_path: Path) -> None:
    table = write(tmp_path)
    table.write_text(table.read_text().replace("0.5", "half", 1))
    with pytest.raises(DatasetError, match=r"landmarks\.csv: could not convert string to float: 'half"):
        open_dataset("template", tmp_path).split("fit")


def test_it_runs(tmp_path: Path) -> None:
    write(tmp_path)
    options = RunOptions(
        methods=["grid"],
        datasets=["template"],
        keypoints=4,
        data_root=tmp_path,
        output=tmp_path / "runs",
        mlflow=False,
    )
    assert run_command(options) == 0
