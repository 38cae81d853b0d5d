"""Small files in the formats of users' own data: images with one bright pixel, or three squares, and their labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

SQUARES_BOX = [8 / 3, 8 / 3, 80 / 3, 80 / 3]  # padded by 10 % on each side it is a whole image of 32 x 32


def photo(path: Path, bright: tuple[int, int], size: tuple[int, int] = (60, 40)) -> None:
    """Write a black image of (width, height) with one white pixel at (x, y)."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[bright[1], bright[0]] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def lay_down(path: Path) -> None:
    """Turn an image by a quarter, to the left, and say in its EXIF orientation that it is to be turned back."""
    with Image.open(path) as image:
        turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned.save(path, exif=exif)


def orient(path: Path, orientation: int) -> None:
    """Write an EXIF orientation into an image file and leave its pixels alone."""
    with Image.open(path) as image:
        stored = image.copy()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored.save(path, exif=exif)


def squares(path: Path, corners: Sequence[tuple[int, int]]) -> None:
    """Write a black image of 32 x 32 pixels with a red, a green and a blue square of 4 x 4 at corners (x, y)."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    for colour, (x, y) in enumerate(corners):
        pixels[y : y + 4, x : x + 4, colour] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def corners_of(count: int) -> list[list[tuple[int, int]]]:
    """The squares' corners of so many images, off the border, where resizing would cut them short."""
    generator = np.random.default_rng(5)
    return [[(int(x), int(y)) for x, y in generator.integers(2, 26, size=(3, 2))] for _ in range(count)]


def sized(document: dict[str, Any], width: int = 60, height: int = 40) -> dict[str, Any]:
    """The document with the size of its images."""
    for image in document["images"]:
        image |= {"width": width, "height": height}
    return document


def coco(images: int = 5) -> dict[str, Any]:
    """A valid document: an image each with one annotation of two keypoints."""
    return {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(images)],
        "categories": [{"id": 1, "name": "bird", "keypoints": ["left_eye", "right_eye"]}],
        "annotations": [
            {
                "id": 100 + number,
                "image_id": number,
                "category_id": 1,
                "bbox": [10, 5, 30, 20],
                "keypoints": [20 + number % 30, 10 + number // 30 % 9, 2, 30, 15, 1],
            }
            for number in range(images)
        ],
    }


def write_coco(path: Path, document: Any, image_folder: Path | None = None) -> Path:
    """Write the json, and beside it an image for each entry, bright at the first keypoint of its first annotation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    for image in document["images"]:
        first = next(entry for entry in document["annotations"] if entry["image_id"] == image["id"])
        x, y = first["keypoints"][:2]
        photo((image_folder or path.parent) / image["file_name"], (int(x), int(y)))
    return path


def write_dlc(folder: Path, rows: dict[str, str], parts: Sequence[str] = ("nose", "tail"), columns: int = 1) -> Path:
    """Write a video's folder of labels: cells by image name, an image for each, bright at its first two cells."""
    folder.mkdir(parents=True, exist_ok=True)
    index = "," * columns
    heading = [
        f"scorer{index}" + ",".join("me" for _ in parts for _ in "xy"),
        f"bodyparts{index}" + ",".join(part for part in parts for _ in "xy"),
        f"coords{index}" + ",".join("x,y" for _ in parts),
    ]
    separator = "," if columns == 3 else "/"
    lines = [separator.join(("labeled-data", folder.name, name)) + f",{cells}" for name, cells in rows.items()]
    (folder / "CollectedData_me.csv").write_text("\n".join([*heading, *lines]) + "\n")
    for name, cells in rows.items():
        bright = [int(float(cell)) if cell[:1].isdigit() else 0 for cell in cells.split(",")[:2]]
        photo(folder / name, (bright[0], bright[1]))
    return folder
