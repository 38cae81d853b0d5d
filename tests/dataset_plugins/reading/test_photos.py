"""Reading photographs: which files are taken, how they are turned, and which crops can be cut out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.base import DatasetError
from datasets.reading.photos import FORMATS, Crop, photo_size, read_photo

ORIENTATION = 0x0112
RED, BLUE = (255, 0, 0), (0, 0, 255)
# Where EXIF's orientations put the left upper corner of the upright image: the stored one's row and column.
CORNER = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"photo.{name.lower()}"
    Image.new("RGB", (7, 5), RED).save(path)
    assert (read_photo(path).mode, read_photo(path).size, photo_size(path)) == ("RGB", (7, 5), (7, 5))


@pytest.mark.parametrize(
    ("name", "kind"), [("deep.png", np.uint16), ("deep.tif", np.uint16), ("whole.tif", np.int32), ("f.tif", np.float32)]
)
def test_more_than_8_bits_are_refused_and_not_cut_off(tmp_path: Path, name: str, kind: type) -> None:
    path = tmp_path / name
    Image.fromarray(np.arange(20, dtype=kind).reshape(4, 5) * 999).save(path)
    with pytest.raises(DatasetError, match=rf"^{path}: got pixels of mode [IF][^\n]*save it with 8 bits$"):
        read_photo(path)


def test_a_file_that_needs_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (7, 5)).save(path, format="EPS")
    with Image.open(path) as photo:
        assert photo.format == "EPS"
    for read in (read_photo, photo_size):
        with pytest.raises(DatasetError, match=rf"^cannot read image {path}: [^\n]*$"):
            read(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", CORNER)
def test_a_photo_is_turned_only_where_it_is_to_be_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    path, exif = tmp_path / f"photo.{suffix}", Image.Exif()
    exif[ORIENTATION] = orientation
    pixels = np.full((32, 64, 3), BLUE, np.uint8)
    rows, columns = (slice(-16, None) if place else slice(0, 16) for place in CORNER[orientation])
    pixels[rows, columns] = RED
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    upright, size = read_photo(path, upright=True), (32, 64) if orientation > 4 else (64, 32)
    assert upright.size == photo_size(path, upright=True) == size
    assert np.asarray(upright)[8, 8, 0] > 200 > np.asarray(upright)[-8, -8, 0]
    assert read_photo(path).size == photo_size(path) == (64, 32)
    assert np.asarray(read_photo(path))[rows, columns, 0].min() > 150


@pytest.mark.parametrize(
    ("crop", "good"),
    [
        (Crop(0, 0, 20, 10), True),
        (Crop(-3, -3, 4, 4), True),
        (Crop(19, 9, 5, 5), True),
        (Crop(-30, -35, 80, 80), True),
        (Crop(-30, -35, 81, 80), False),
        (Crop(-30, -35, 80, 81), False),
        (Crop(-4, 0, 4, 4), False),
        (Crop(20, 0, 4, 4), False),
        (Crop(0, -4, 4, 4), False),
        (Crop(0, 10, 4, 4), False),
        (Crop(5, 5, 0, 3), False),
        (Crop(5, 5, 3, -3), False),
    ],
)
def test_a_crop_has_to_meet_the_photo_and_be_of_its_order_of_size(crop: Crop, good: bool) -> None:
    assert crop.covers((20, 10)) == good
