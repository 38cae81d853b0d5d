"""Reading photographs: which files are taken, how they are turned, and which crops can be cut out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datasets.base import DatasetError
from datasets.photos import FILL, FORMATS, Crop, Look, look, padded_square, photo_size, read_photo, square_about

ORIENTATION = 0x0112
RED, BLUE = (255, 0, 0), (0, 0, 255)
# Where EXIF's orientations put the left upper corner of the upright image: the stored one's row and column.
CORNER = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"photo.{name.lower()}"
    Image.new("RGB", (7, 5), RED).save(path)
    assert (read_photo(path).mode, read_photo(path).size, photo_size(path)) == ("RGB", (7, 5), (7, 5))
    assert look(path) == Look((7, 5), (7, 5), orientation=1, several=False)


@pytest.mark.parametrize(
    ("name", "kind"), [("deep.png", np.uint16), ("deep.tif", np.uint16), ("whole.tif", np.int32), ("f.tif", np.float32)]
)
def test_more_than_8_bits_are_refused_and_not_cut_off(tmp_path: Path, name: str, kind: type) -> None:
    path = tmp_path / name
    Image.fromarray(np.arange(20, dtype=kind).reshape(4, 5) * 999).save(path)
    for read in (read_photo, look):
        with pytest.raises(DatasetError, match=rf"^{path}: got pixels of mode [IF][^\n]*save it with 8 bits$"):
            read(path)


def test_a_file_that_needs_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (7, 5)).save(path, format="EPS")
    with Image.open(path) as photo:
        assert photo.format == "EPS"
    for read in (read_photo, photo_size, look):
        with pytest.raises(DatasetError, match=rf"^cannot read image {path}: it is a PostScript document, [^\n]*$"):
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
    assert upright.size == size
    assert look(path) == Look((64, 32), size, orientation, several=False)
    assert np.asarray(upright)[8, 8, 0] > 200 > np.asarray(upright)[-8, -8, 0]
    assert read_photo(path).size == photo_size(path) == (64, 32)
    assert np.asarray(read_photo(path))[rows, columns, 0].min() > 150


@pytest.mark.parametrize("orientation", CORNER)
def test_tags_behind_the_pixels_of_a_png_count(tmp_path: Path, orientation: int) -> None:
    path, exif = tmp_path / "photo.png", Image.Exif()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (64, 32)).save(path, exif=exif)
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    length = 12 + int.from_bytes(data[start : start + 4], "big")
    chunk, rest = data[start : start + length], data[:start] + data[start + length :]
    end = rest.index(b"IEND") - 4
    path.write_bytes(rest[:end] + chunk + rest[end:])
    assert look(path).orientation == orientation
    assert look(path).upright == read_photo(path, upright=True).size


@pytest.mark.parametrize("orientation", CORNER)
def test_a_tiff_is_turned_by_its_header_too(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.tif"
    Image.new("RGB", (64, 32)).save(path, tiffinfo={ORIENTATION: orientation})
    assert look(path).orientation == orientation
    assert look(path).upright == look(path).stored == read_photo(path, upright=True).size


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("LA", "png"), ("RGBA", "webp"), ("RGBA", "tif")])
def test_what_is_transparent_is_grey_whatever_lies_beneath(tmp_path: Path, mode: str, suffix: str) -> None:
    path, shown = tmp_path / f"cut.{suffix}", (200, 200, 200)
    for hidden in (0, 255):
        pixels = np.full((4, 6, 4), hidden, np.uint8)
        pixels[..., 3] = 0
        pixels[:2] = (*shown, 255)
        Image.fromarray(pixels).convert(mode).save(path, lossless=True, exact=True)  # as WebP has it
        seen = np.asarray(read_photo(path))
        assert (seen[:2] == shown).all() and (seen[2:] == FILL).all()


@pytest.mark.filterwarnings("error")
def test_a_transparent_colour_of_a_palette_is_grey(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250])
    for transparency in (1, b"\xff\x00\xff"):
        image.save(path, transparency=transparency)
        assert np.asarray(read_photo(path)).tolist() == [[[250, 0, 0], list(FILL), [0, 0, 250]]]


def test_opaque_pixels_stay_as_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(read_photo(tmp_path / "a.png")), pixels[..., :3])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty; put a whole file in its place"),
        (b"\0\0\0\x20ftypavif", "it is an AVIF image, expected one of BMP, .*; save it as PNG or JPEG"),
        (b"\0\0\0\x20ftypheic", "it is a HEIC image, expected one of"),
        (b"\0\0\0\x0cjP  \r\n", "it is a JPEG 2000 image, expected one of"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a pointer of Git LFS; fetch the file itself"),
        (b"<!DOCTYPE html>", "it is no image, expected one of BMP, .*, or put a whole file in its place"),
    ],
)
def test_what_is_no_image_is_named_with_the_cure(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=rf"^cannot read image {path}: {message}[^\n]*$"):
        look(path)
    path.unlink()
    with pytest.raises(DatasetError, match=rf"^cannot read image {path}: No such file or directory; put it back$"):
        look(path)


@pytest.mark.filterwarnings("error")
def test_an_image_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    Image.new("1", (9000, 12000)).save(tmp_path / "large.png")
    assert look(tmp_path / "large.png").stored == (9000, 12000)
    path = tmp_path / "larger.png"
    Image.new("1", (13300, 13300)).save(path)
    for read in (look, read_photo):
        with pytest.raises(
            DatasetError, match="got 13300 x 13300 pixels, expected at most 134 million.*make it smaller"
        ):
            read(path)


def test_files_of_several_images_are_known(tmp_path: Path) -> None:
    images = [Image.new("RGB", (5, 4), colour) for colour in (RED, BLUE)]
    for name in ("a.gif", "a.tif", "a.webp", "a.png"):
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:])
        assert look(tmp_path / name).several, name
        assert np.asarray(read_photo(tmp_path / name))[0, 0].tolist() == pytest.approx(RED, abs=5)


SIZES = st.integers(1, 300)


@given(width=SIZES, height=SIZES, box=st.tuples(*[st.floats(0, 1)] * 4))
def test_a_square_about_a_box_holds_what_it_can_of_it(width: int, height: int, box: tuple[float, ...]) -> None:
    x, y = box[0] * width, box[1] * height
    inside = np.array([x, y, max(1.0, box[2] * (width - x)), max(1.0, box[3] * (height - y))])
    crop = square_about(inside, (width, height), 0.1)
    assert crop.width == crop.height <= max(width, height) + 1
    for start, low, length, whole in zip(crop[:2], inside[:2], inside[2:], (width, height), strict=True):
        assert start <= low + 0.5 and start + crop.width >= min(low + length, whole) - 0.5
        if crop.width < whole:  # it is within the image; else the image is within it
            assert start >= 0 and start + crop.width <= whole
        else:
            assert start <= 0 and start + crop.width >= whole
    assert square_about(np.array([0.0, 0, width, height]), (width, height), 0.1) == padded_square(width, height)


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


def test_an_image_that_asks_for_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of a chunk of a PNG may be 4 GB, which Python sets aside before it reads the few bytes that follow."""
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4)).save(path)

    def load(photo: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_read", lambda *_: load(_[0]))
    with pytest.raises(DatasetError, match=r"a\.png: it asks for more memory than there is; put a whole file"):
        read_photo(path)
