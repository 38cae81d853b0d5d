"""The picture of a cell."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from benchmarks.run.overlay import MARGIN, TITLE, Canvas, _page, heading_lines, palette


def test_colours_are_distinct():
    assert len(set(palette(20))) == 20
    assert len(palette(32)) == 32


@pytest.mark.parametrize("place", [(0.25, 0.75), (0.5, 0.5)])
def test_a_dot_is_centred_where_it_belongs_and_has_a_white_rim(place):
    canvas = Canvas(Image.new("RGB", (32, 32)), 200)
    canvas.dot(np.array(place), (255, 0, 0), radius=8)
    pixels = np.asarray(canvas.finished()).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    rows, columns = np.nonzero(red)
    assert (columns.mean() + 0.5) / 200 == pytest.approx(place[0], abs=0.005)
    assert (rows.mean() + 0.5) / 200 == pytest.approx(place[1], abs=0.005)
    x, y = round(place[0] * 200), round(place[1] * 200)
    assert (pixels[y, x + 6 : x + 9].min(axis=-1) > 200).any()


LONG = f"Stable Keypoints ({', '.join(f'setting_{index}={index / 7:.4f}' for index in range(24))}), cub_001, seed 0"


@pytest.mark.parametrize("width", [300, 700, 1384])
@pytest.mark.parametrize("heading", ["Stable Keypoints, cub_001", LONG, f"A (model={'m' * 300}), cub_001"])
def test_a_heading_is_broken_into_lines_that_fit_and_loses_nothing(heading, width):
    lines, font = heading_lines(heading, width), ImageFont.load_default(size=TITLE)
    assert all(0 < font.getlength(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == heading.replace(" ", "")
    assert len(lines) >= font.getlength(heading) / width
    if "mmm" not in heading:
        assert " ".join(lines) == heading


@pytest.mark.parametrize("heading", ["short", LONG])
def test_a_page_has_its_heading_inside_the_margins_and_above_the_panels(heading):
    panel = Image.new("RGB", (700, 40), (255, 0, 0))
    page = np.asarray(_page(heading, [("", panel)])).astype(int)
    red = (page == (255, 0, 0)).all(axis=-1)
    rows, columns = np.nonzero((page != 255).any(axis=-1) & ~red)
    assert red.sum() == 700 * 40 and page.shape[1] == 700 + 2 * MARGIN
    assert rows.max() < np.nonzero(red)[0].min() and MARGIN <= columns.min() and columns.max() < MARGIN + 700
    assert rows.max() > 20 * len(heading_lines(heading, 700))
