"""Conversions of each convention checked against its meaning for a pixel, and the ranges that are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.errors import UserError
from benchmarks.score.parsing import convention
from methods.adapters.base import OutputError
from methods.adapters.conventions import check_convention, check_landmarks, check_range

UNIT = np.random.default_rng(1).uniform(0.05, 0.95, (50, 4, 2))

# The same points (x, y) in [0, 1] as each convention has them on an image of 200 x 100 pixels.
WRITTEN = {
    "unit": lambda x, y: (x, y),
    "centred": lambda x, y: (x - 0.5, y - 0.5),
    "symmetric": lambda x, y: (2 * x - 1, 2 * y - 1),
    "pixels:200,100": lambda x, y: (200 * x, 100 * y),
    "pixels:200x100": lambda x, y: (200 * x, 100 * y),
    "pixels:256": lambda x, y: (256 * x, 256 * y),
}


def written(range_, order="xy", dtype=np.float64):
    x, y = WRITTEN[range_](UNIT[..., 0], UNIT[..., 1])
    return np.stack([x, y] if order == "xy" else [y, x], axis=-1).astype(dtype)


@pytest.mark.parametrize("order", ["xy", "yx"])
@pytest.mark.parametrize("range_", WRITTEN)
def test_every_convention_comes_back_to_the_unit_square(range_, order):
    stated = convention(range_, order)
    found = stated.to_unit(written(range_, order))
    np.testing.assert_allclose(found, UNIT, atol=1e-15)
    assert found.flags.c_contiguous
    rounded = stated.to_unit(written(range_, order, np.float32))
    assert rounded.dtype == np.float64
    np.testing.assert_allclose(rounded, UNIT, atol=1e-6)


@pytest.mark.parametrize(
    ("range_", "point", "expected"),
    [
        ("pixels:256", (128, 255), (0.5, 255 / 256)),  # no shift by half a pixel
        ("pixels:178,218", (89, 109), (0.5, 0.5)),
        ("centred", (-0.5, 0.5), (0, 1)),
        ("symmetric", (-1, 0), (0, 0.5)),
        ("unit", (0.25, 1), (0.25, 1)),
    ],
)
def test_corners_and_centres(range_, point, expected):
    np.testing.assert_array_equal(convention(range_, "xy").to_unit(np.array([[point]])), [[expected]])


def test_whole_numbers_are_divided_not_floored():
    assert convention("pixels:4", "xy").to_unit(np.array([[[1, 3]]])).tolist() == [[[0.25, 0.75]]]


def test_what_is_unit_already_is_not_copied():
    assert convention("unit", "xy").to_unit(UNIT) is UNIT


@pytest.mark.parametrize("order", ["xy", "yx"])
@pytest.mark.parametrize("range_", WRITTEN)
def test_boxes_follow_the_points(range_, order):
    """A box is its corner and the distance to the opposite one, both of them points."""
    near, far = np.array([[[0.1, 0.2]]]), np.array([[[0.4, 0.9]]])
    write = WRITTEN[range_]
    corners = [np.array(write(point[0, 0, 0], point[0, 0, 1])) for point in (near, far)]
    step = 1 if order == "xy" else -1
    box = np.concatenate([corners[0][::step], (corners[1] - corners[0])[::step]])
    found = convention(range_, order).boxes_to_unit(box[None])
    np.testing.assert_allclose(found, [[0.1, 0.2, 0.3, 0.7]], atol=1e-15)


@given(arrays.arrays(np.float64, (3, 2, 2), elements=st.floats(0, 1)), st.sampled_from(list(WRITTEN)))
def test_order_only_exchanges_the_numbers(points, range_):
    straight = convention(range_, "xy").to_unit(points)
    swapped = convention(range_, "yx").to_unit(np.ascontiguousarray(points[..., ::-1]))
    np.testing.assert_array_equal(straight, swapped)


@pytest.mark.parametrize(
    ("range_", "order", "message"),
    [
        ("unitt", "xy", "--range unitt: expected unit, centred, symmetric or pixels:W,H; did you mean 'unit'?"),
        ("pixels", "xy", "--range pixels: expected unit, centred, symmetric or pixels:W,H; pixels takes"),
        ("pixels:0,5", "xy", "--range pixels:0,5: expected"),
        ("pixels:a,b", "xy", "--range pixels:a,b: expected"),
        ("pixels:1,2,3", "xy", "--range pixels:1,2,3: expected"),
        ("unit", "yxx", "--order yxx: expected xy or yx"),
    ],
)
def test_unknown_conventions(range_, order, message):
    with pytest.raises(UserError) as raised:
        convention(range_, order)
    assert str(raised.value).startswith(message)
    with pytest.raises(UserError, match=r"--gt-(range|order)"):
        convention(range_, order, "gt-")


@pytest.mark.parametrize("stated", ["unit", "centred", "symmetric", "pixels:200,100"])
@pytest.mark.parametrize("actual", ["unit", "centred", "symmetric", "pixels:200,100"])
def test_a_range_that_cannot_be_is_refused_with_the_one_that_fits(stated, actual):
    values = written(actual)
    if stated == actual or (stated, actual) == ("symmetric", "centred"):  # the latter half-fills the former
        check_convention("p.npy", values, convention(stated, "xy"))
        check_landmarks("p.npy", values, convention(stated, "xy"), None)
        return
    with pytest.raises(OutputError) as raised:
        check_convention("p.npy", values, convention(stated, "xy"))
    text = str(raised.value)
    assert text.startswith(f"p.npy: the values run from {values.min():.4g} to {values.max():.4g}")
    assert f"--range {stated}; --range {actual.partition(':')[0]}" in text
    with pytest.raises(OutputError, match=f"--gt-range {stated}; --gt-range {actual.partition(':')[0]}"):
        check_landmarks("p.npy", values, convention(stated, "xy"), None)


@pytest.mark.parametrize("range_", WRITTEN)
@pytest.mark.parametrize(("outside", "fits"), [(0.009, True), (0.011, False)])
def test_keypoints_may_lie_a_hundredth_of_the_side_outside_and_landmarks_farther(range_, outside, fits):
    """Both for a range of the user's choice, and for the range that an adapter states."""
    for point in ((-outside, 0.5), (0.5, 1 + outside)):
        values = np.concatenate([written(range_), np.full((1, 4, 2), WRITTEN[range_](*point))])
        check_landmarks("p.npy", values, convention(range_, "xy"), None)
        if fits:
            check_convention("p.npy", values, convention(range_, "xy"))
            continue
        with pytest.raises(OutputError, match="outside the image; expected keypoints within it"):
            check_convention("p.npy", values, convention(range_, "xy"))
    values = np.full((3, 2, 2), (1 + outside) * 256)
    if fits:
        check_range("p.npy", values, 0, 256, "pixels")
    else:
        with pytest.raises(OutputError, match=r"outside the image; expected 0 to 256 \(pixels\)"):
            check_range("p.npy", values, 0, 256, "pixels")


@pytest.mark.parametrize(
    ("range_", "points"),
    [
        ("unit", [[[-0.2, 0.5], [1.3, 1.1], [0.4, 0.5], [0.6, 0.1], [0.2, 0.9]]]),
        ("unit", [[[np.nan, np.nan], [0.5, 0.5]]]),
        ("unit", [[[np.nan, np.nan]]]),
        ("symmetric", [[[0.0, 0.0]]]),  # all on the centre
    ],
)
def test_landmarks_that_are_let_through(range_, points):
    check_landmarks("p.npy", np.array(points), convention(range_, "xy"), None)


@pytest.mark.parametrize(
    ("range_", "points"),
    [
        ("symmetric", [[[0.0, 0.0]]]),  # all on the centre
        ("pixels:256", [[[0.0, 0.0], [0.0, 0.0]]]),
        ("pixels:256", [[[3.0, 2.0], [0.0, 1.0]]]),
        ("pixels:2", [[[1.0, 0.5]]]),
    ],
)
def test_keypoints_that_are_let_through(range_, points):
    check_convention("p.npy", np.array(points), convention(range_, "xy"))


def test_what_is_not_visible_may_hold_anything():
    values = UNIT.copy()
    values[:, :2] = -1000.0
    visible = np.ones(values.shape[:2], bool)
    with pytest.raises(OutputError):
        check_landmarks("p.npy", values, convention("unit", "xy"), visible)
    visible[:, :2] = False
    check_landmarks("p.npy", values, convention("unit", "xy"), visible)
