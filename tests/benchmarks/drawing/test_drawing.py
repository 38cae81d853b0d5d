"""Marks, colours, views and pages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from benchmarks.drawing.canvas import Canvas
from benchmarks.drawing.colours import KEYPOINTS, LEFT, MIDDLE, NO_SIDES, RIGHT, landmark_colours, palette
from benchmarks.drawing.page import KEY, MARGIN, NARROWEST, TITLE, Panel, font, heading_lines, make_page, shortened
from benchmarks.drawing.views import View, around, blank_padding, without_padding

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WHOLE = View(0.0, 0.0, 1.0, 1.0)


def test_colours_are_distinct():
    assert len(set(palette(20))) == 20
    assert len(palette(32)) == 32
    names = [f"{side} {part}" for part in "abcdefgh" for side in ("left", "right")] + [str(each) for each in range(12)]
    assert len(set(landmark_colours(names, [(each, each + 1) for each in range(0, 16, 2)]))) == len(names)
    assert len(set(landmark_colours(names))) == len(names)
    assert not set(KEYPOINTS) & {*LEFT, *RIGHT, *MIDDLE, *NO_SIDES}


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("left eye", "right eye", "nose"), (0, 1)),
        (("right eye", "left eye", "nose"), (0, 1)),
        (("eye_R", "eye_L", "nose"), (0, 1)),
        (("LEye", "REye", "nose"), (0, 1)),
        (("leftright", "left", "nose"), (1, 0)),
    ],
)
def test_the_left_side_is_blue_and_the_right_side_red(names, pair):
    colours = dict(zip(names, landmark_colours(names, [pair]), strict=True))
    blue = [name for name, (red, _, blue) in colours.items() if name != "nose" and blue > red]
    assert len(blue) == 1 and "right" not in blue[0] and not blue[0].endswith("R")


@pytest.mark.parametrize("place", [(0.25, 0.75), (0.5, 0.5)])
def test_a_dot_is_centred_where_it_belongs_and_has_a_white_rim(place):
    canvas = Canvas(Image.new("RGB", (32, 32)), 200)
    canvas.dot(np.array(place), [RED], radius=8)
    pixels = np.asarray(canvas.finished()).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    rows, columns = np.nonzero(red)
    assert (columns.mean() + 0.5) / 200 == pytest.approx(place[0], abs=0.005)
    assert (rows.mean() + 0.5) / 200 == pytest.approx(place[1], abs=0.005)
    x, y = round(place[0] * 200), round(place[1] * 200)
    assert (pixels[y, x + 6 : x + 9].min(axis=-1) > 200).any()


def seen(picture, colour):
    """The number of pixels of about this colour."""
    return int((np.abs(np.asarray(picture).astype(int) - colour).max(axis=-1) < 60).sum())


@pytest.mark.parametrize("apart", [0.0, 0.004])
def test_of_coincident_points_each_shows_its_colour_in_an_equal_part_of_one_dot(apart):
    canvas = Canvas(Image.new("RGB", (32, 32)), 200)
    points = np.array([[0.5, 0.5], [0.5, 0.5 + apart], [0.5 + apart, 0.5]])
    assert canvas.dots(points, [RED, GREEN, BLUE], radius=12)
    areas = [seen(canvas.finished(), colour) for colour in (RED, GREEN, BLUE)]
    assert min(areas) > 60 and max(areas) < 1.2 * min(areas)


def test_points_apart_have_a_dot_each():
    canvas = Canvas(Image.new("RGB", (32, 32)), 200)
    assert not canvas.dots(np.array([[0.3, 0.5], [0.7, 0.5]]), [RED, GREEN], radius=8)
    picture = np.asarray(canvas.finished())
    assert seen(picture[:, :100], RED) > 100 and seen(picture[:, 100:], GREEN) > 100
    assert not seen(picture[:, :100], GREEN) + seen(picture[:, 100:], RED)


def test_a_ring_shows_its_colour_between_dark_edges_on_white():
    canvas = Canvas(Image.new("RGB", (32, 32), "white"), 200)
    canvas.ring(np.array([0.5, 0.5]), RED, radius=20, width=4)
    line = np.asarray(canvas.finished()).astype(int)[100, 100:]
    dark, red = line.max(axis=-1) < 140, (line[:, 0] > 180) & (line[:, 1] < 90)
    assert set(np.nonzero(red)[0]) | {16} == {16, 17, 18, 19}
    assert dark[20] and dark[15:17].any() and (line[:13] == 255).all() and (line[23:] == 255).all()


def padded(top, bottom, left=0, right=0, side=64):
    """A square image of noise with bars of the readers' grey."""
    photo = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    photo[:top] = photo[side - bottom :] = 128
    photo[:, :left] = photo[:, side - right :] = 128
    return photo


def test_padding_that_all_photos_share_is_cut_off_with_a_pixel_beside_it():
    inside = np.array([[[0.5, 0.5]]])
    view = without_padding([padded(8, 16), padded(10, 16)], inside)
    assert view == pytest.approx((0, 9 / 64, 1, (64 - 9 - 17) / 64))
    assert without_padding([padded(8, 8), padded(0, 0, 8, 8)], inside) == WHOLE
    assert without_padding([padded(32, 32)], inside) == WHOLE


def test_padding_that_is_not_shared_is_white_and_the_photo_stays():
    for bars in ((8, 16, 0, 0), (0, 0, 5, 3), (0, 0, 0, 0)):
        photo = padded(*bars)
        blank = blank_padding(photo)
        top, bottom, left, right = (bar + (bar > 0) for bar in bars)
        inside = slice(top, 64 - bottom), slice(left, 64 - right)
        np.testing.assert_array_equal(blank[inside], photo[inside])
        blank[inside] = 255
        assert (blank == 255).all()
    assert (blank_padding(padded(32, 32)) == 128).all()


def test_a_point_on_the_padding_keeps_it():
    view = without_padding([padded(8, 16)], np.array([[[0.5, 0.02], [np.nan, np.nan], [0.5, 1.7]]]))
    assert view == pytest.approx((0, 0.02, 1, 0.98))


def test_a_small_object_is_enlarged_and_a_large_one_is_not():
    small = np.array([[0.1, 0.5], [0.3, 0.6], [np.nan, np.nan]])
    view = around(small, WHOLE)
    assert view.width == view.height == pytest.approx(1.7 * 0.2)
    assert (view.inside(small[:2]) > 0.1).all() and (view.inside(small[:2]) < 0.9).all()
    assert around(np.array([[0.1, 0.5], [0.7, 0.6]]), WHOLE) == WHOLE
    assert around(np.empty((0, 2)), WHOLE) == WHOLE
    assert around(np.array([[0.5, 0.5], [0.5, 1.1]]), WHOLE) == WHOLE


@given(points=arrays(np.float64, (3, 2), elements=st.floats(0, 1)), height=st.floats(0.3, 1))
def test_a_view_holds_its_points_and_keeps_the_shape_of_the_whole(points, height):
    whole = View(0.0, (1 - height) / 2, 1.0, height)
    points = points * [1, height] + [0, whole.top]
    view = around(points, whole)
    assert view.height / view.width == pytest.approx(height)
    assert view.left >= -1e-9 and view.top >= whole.top - 1e-9
    assert view.left + view.width <= 1 + 1e-9 and view.top + view.height <= whole.top + height + 1e-9
    there = view.inside(points)
    assert (there >= -1e-9).all() and (there <= 1 + 1e-9).all()


LONG = f"Stable Keypoints ({', '.join(f'setting_{index}={index / 7:.4f}' for index in range(24))}), cub_001, seed 0"


@pytest.mark.parametrize("width", [300, 700, 1384])
@pytest.mark.parametrize("heading", ["Stable Keypoints, cub_001", LONG, f"A (model={'m' * 300}), cub_001"])
def test_a_heading_is_broken_into_lines_that_fit_and_loses_nothing(heading, width):
    lines, face = heading_lines(heading, width), font(TITLE)
    assert all(0 < face.getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == heading.replace(" ", "")
    assert len(lines) >= face.getlength(heading) / width
    if "mmm" not in heading:
        assert " ".join(lines) == heading


@pytest.mark.parametrize("text", ["short", LONG, "й" * 300])
@pytest.mark.parametrize("size", [(700, 40), (120, 40)])
def test_everything_on_a_page_stands_inside_its_margins(text, size):
    mark = lambda canvas: canvas.dot(np.array([0.5, 0.5]), [GREEN], 6)  # noqa: E731
    panel = Panel(text, Image.new("RGB", size, RED), [(mark, text), (mark, "second")] * 3)
    page = np.asarray(make_page(text, [panel, panel])).astype(int)
    red = (page == RED).all(axis=-1)
    rows, columns = np.nonzero((page != 255).any(axis=-1) & ~red)
    assert red.sum() == 2 * size[0] * size[1] and page.shape[1] == NARROWEST + 2 * MARGIN
    assert columns.min() >= MARGIN and columns.max() < MARGIN + NARROWEST
    first = np.nonzero(red)[0].min()
    assert rows.min() >= MARGIN - 6 and first > 20 * len(heading_lines(text, NARROWEST))
    assert seen(page, GREEN) > 6 * 60


def test_a_text_is_shortened_to_fit():
    assert shortened("short", 200, KEY) == "short"
    cut = shortened(LONG, 200, KEY)
    assert cut.endswith("…") and LONG.startswith(cut[:-1]) and 150 < font(KEY).getlength(cut) <= 200
