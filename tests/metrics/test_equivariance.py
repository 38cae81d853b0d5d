"""Equivariance: warps against plain trigonometry, errors of detectors whose equivariance is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.direct.warps import ROTATION, SCALE, SHIFT, warp_of
from metrics.errors import MetricError
from metrics.scoring import score
from tests.metrics.worlds import measured_directly, world

EQUIVARIANCE = "label_free/equivariance"
IDS = st.text(min_size=1)


def by_hand(image_id, point):
    """Turn, scale and shift one point about the image's centre, with the angle and factor read off the warp."""
    (a, _), (c, _) = warp_of(image_id).matrix.tolist()
    angle, factor = math.atan2(c, a), math.hypot(a, c)
    across, down = warp_of(image_id).shift.tolist()
    x, y = point[0] - 0.5, point[1] - 0.5
    turned = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    return 0.5 + factor * turned[0] + across, 0.5 + factor * turned[1] + down


def points_after(image_id, points):
    return np.array([by_hand(image_id, point) for point in points])


@given(IDS, st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_warp_is_a_similarity_in_the_stated_ranges_and_its_inverse_undoes_it(image_id, point):
    warp = warp_of(image_id)
    (a, b), (c, d) = warp.matrix.tolist()
    assert (a, b) == pytest.approx((d, -c))
    assert abs(math.degrees(math.atan2(c, a))) <= ROTATION
    assert 1 / SCALE - 1e-12 <= math.hypot(a, c) <= SCALE + 1e-12
    assert np.abs(warp.shift).max() <= SHIFT
    moved = warp.apply(np.array(point))
    assert moved.tolist() == pytest.approx(by_hand(image_id, point), abs=1e-12)
    assert warp.invert(moved).tolist() == pytest.approx(point, abs=1e-12)


def test_warps_differ_between_images_and_fill_their_ranges():
    warps = [warp_of(f"image {number}") for number in range(500)]
    turns = np.degrees([math.atan2(warp.matrix[1, 0], warp.matrix[0, 0]) for warp in warps])
    factors = np.log([np.linalg.det(warp.matrix) for warp in warps]) / 2 / math.log(SCALE)
    shifts = np.array([warp.shift for warp in warps]) / SHIFT
    for numbers in (turns / ROTATION, factors, *shifts.T):
        assert numbers.min() < -0.95 and numbers.max() > 0.95 and abs(numbers.mean()) < 0.1
    assert np.allclose(warp_of("image 7").matrix, warps[7].matrix)


def warped_by(detector, seed=51, n=40):
    """Test images with what a detector, a function of the image's id and of points in the image, finds after warps."""
    test = world(seed, n=n, k=4)
    found = [detector(name, points) for name, points in zip(test.ids, test.keypoints, strict=True)]
    return replace(test, warped=np.stack(found))


def test_a_detector_that_moves_with_the_image_has_no_error():
    test = warped_by(lambda name, points: points_after(name, points))
    assert score(EQUIVARIANCE, None, test).value == pytest.approx(0, abs=1e-12)


def test_a_constant_detector_has_the_distance_that_the_warp_moves_its_points():
    pose = np.array([[0.5, 0.5], [0.4, 0.45], [0.6, 0.5], [0.5, 0.62]])  # the warp leaves all of them in the image
    test = replace(warped_by(lambda name, points: pose), keypoints=np.tile(pose, (40, 1, 1)))
    moved = [[100 * math.dist(by_hand(name, point), point) for point in pose.tolist()] for name in test.ids]
    found = score(EQUIVARIANCE, None, test)
    assert found.per_image == pytest.approx(np.mean(moved, axis=1), rel=1e-12)
    assert found.value == pytest.approx(np.mean(moved), rel=1e-12)
    centre = replace(test, keypoints=np.full((40, 1, 2), 0.5), warped=np.full((40, 1, 2), 0.5), on_object=None)
    shifts = [100 * math.hypot(*warp_of(name).shift) for name in test.ids]
    assert score(EQUIVARIANCE, None, centre).value == pytest.approx(np.mean(shifts), rel=1e-12)


def test_a_keypoint_that_leaves_the_image_does_not_count():
    test = warped_by(lambda name, points: points_after(name, points))
    outside = ((test.warped < 0) | (test.warped > 1)).any(axis=2)
    assert 0 < outside.sum() < outside.size / 2
    off = np.where(outside[..., None], test.warped + 7, test.warped + np.array([0.03, 0.04]))
    assert score(EQUIVARIANCE, None, replace(test, warped=off)).value == pytest.approx(5, rel=1e-9)


def test_images_that_were_not_warped_have_no_weight():
    test = warped_by(lambda name, points: points_after(name, points) + np.array([0.0, 0.01]))
    some = test.warped.copy()
    some[::3] = np.nan
    found = score(EQUIVARIANCE, None, replace(test, warped=some))
    assert found.value == pytest.approx(1, rel=1e-9)
    assert np.isnan(found.per_image[::3]).all() and not found.weights[::3].any() and found.weights[1]


def test_without_keypoints_of_warped_images_it_says_who_predicts_them():
    with pytest.raises(MetricError, match="warped images, which only `run` predicts"):
        score(EQUIVARIANCE, None, replace(world(51), warped=None))
    with pytest.raises(MetricError, match=r"warped keypoints \(60, 2, 2\), expected \(60, 3, 2\)"):
        score(EQUIVARIANCE, None, replace(world(51), warped=np.zeros((60, 2, 2))))
    with pytest.raises(MetricError, match="has nothing to measure in the test images"):
        score(EQUIVARIANCE, None, replace(world(51), warped=np.full((60, 3, 2), np.nan)))


def test_images_without_landmarks_are_measured():
    test = measured_directly(world(51))
    bare = replace(test, landmarks=np.zeros((60, 0, 2)), visible=np.zeros((60, 0), dtype=bool))
    for name in (EQUIVARIANCE, "label_free/closest_pair", "label_free/collapsed", "label_free/on_object"):
        found = score(name, None, bare)
        assert found.value == score(name, None, test).value
        assert found.per_landmark.shape == (0,) and found.predicted.shape == (60, 0, 2)
