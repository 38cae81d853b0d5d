"""Images and numbers that a protocol cannot use: hidden or coinciding eyes, boxes without a size, no interval."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.errors import MetricError
from metrics.scoring import score
from tests.metrics.worlds import points, reordered, world

EYES_APART = np.array([[0.4, 0.4], [0.6, 0.4], [0.5, 0.6]])


def faces(n=6, seed=0):
    generator = np.random.default_rng(seed)
    truth = EYES_APART + generator.normal(scale=0.02, size=(n, 3, 2))
    return points(truth + generator.normal(scale=0.01, size=truth.shape), truth)


@pytest.mark.parametrize("coordinate", [np.nan, -1 / 256, 1e6])
def test_an_image_without_two_visible_eyes_is_left_out_whatever_stands_for_them(coordinate):
    fit, test = faces(40), faces(6, seed=1)
    landmarks, visible = test.landmarks.copy(), test.visible.copy()
    landmarks[2, 0], visible[2, 0] = coordinate, False
    landmarks[4, 1], visible[4, 1] = coordinate, False
    hidden = replace(test, landmarks=landmarks, visible=visible)
    found = score("strict/interocular", fit, hidden, interocular=(0, 1))
    assert found.left_out == ("00002.png", "00004.png")
    expected = score("strict/interocular", fit, reordered(test, [0, 1, 3, 5]), interocular=(0, 1))
    assert found.value == pytest.approx(expected.value, rel=1e-12)
    assert (found.ci_low, found.ci_high) == pytest.approx((expected.ci_low, expected.ci_high), rel=1e-12)
    assert np.flatnonzero(np.isnan(found.per_image)).tolist() == [2, 4]
    assert "left_out" not in found.summary()
    assert score("strict/side", fit, hidden).left_out == ()


def test_eyes_that_no_image_shows_are_refused():
    test = replace(faces(), visible=np.tile([True, False, True], (6, 1)))
    with pytest.raises(MetricError, match="no test image shows both"):
        score("strict/interocular", faces(), test, interocular=(0, 1))


@pytest.mark.parametrize("apart", [0.0, 1e-7, 9e-4])
def test_eyes_nearly_at_one_point_are_refused_by_the_images_name(apart):
    test = faces()
    test.landmarks[3, 1] = test.landmarks[3, 0] + (apart, 0)
    with pytest.raises(MetricError, match=r"test image 00003\.png: both eyes are \(nearly\) at the same point"):
        score("sk/interocular", faces(), test, interocular=(0, 1))
    hidden = test.visible.copy()
    hidden[3, 1] = False  # not annotated: nothing is divided by it
    found = score("strict/interocular", faces(), replace(test, visible=hidden), interocular=(0, 1))
    assert found.left_out == ("00003.png",) and found.value < 100


@pytest.mark.parametrize("side", [0.0, 1e-9, np.nan])
def test_a_box_too_small_to_divide_by_is_refused_by_the_images_name(side):
    test = world(2)
    boxes = test.boxes.copy()
    boxes[7, 2] = side
    with pytest.raises(MetricError, match=r"test image 00007\.png: box \(.*remove the image"):
        score("strict/box", world(1), replace(test, boxes=boxes))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_number_that_overflows_is_refused():
    fit, test = world(1), world(2)
    with pytest.raises(MetricError, match="sk/side gives (inf|nan), expected a finite number"):
        score("sk/side", fit, replace(test, keypoints=test.keypoints * 1e308))


def test_one_test_image_has_a_value_and_no_interval():
    found = score("sk/side", world(1), reordered(world(2), [0]))
    assert np.isfinite(found.value)
    assert (found.ci_low, found.ci_high) == (None, None)
    test = world(2)
    together = score("sk/side", world(1), replace(test, groups=("anna",) * len(test)))
    assert (together.ci_low, together.ci_high) == (None, None)
