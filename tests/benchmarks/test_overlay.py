"""The picture of a cell."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.overlay import Canvas, palette


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
