import numpy as np

from metrics.left_right import better_side, fit_either_side, swap_sides
from metrics.regression import fit_regression
from tests.metrics.worlds import PAIRS, world


def confused(n):
    """A world where every third image has left and right exchanged, and where they are not."""
    some = world(5, n=n, noise=0.0)
    flipped = np.arange(n) % 3 == 0
    return some.keypoints, np.where(flipped[:, None, None], swap_sides(some.landmarks, PAIRS), some.landmarks)


def test_swapping_twice_is_nothing_and_unpaired_landmarks_stay():
    landmarks = world(0).landmarks
    once = swap_sides(landmarks, PAIRS)
    assert np.array_equal(once[:, [1, 0, 3, 2, 4]], landmarks)
    assert np.array_equal(swap_sides(once, PAIRS), landmarks)


def test_ten_images_that_want_a_swap_are_left_as_they_are():
    keypoints, landmarks = confused(30)
    few = fit_either_side(keypoints[:10], landmarks[:10], PAIRS)
    assert np.array_equal(few.weights, fit_regression(keypoints[:10], landmarks[:10]).weights)
    keypoints, landmarks = confused(300)
    many = fit_either_side(keypoints, landmarks, PAIRS)
    # The side of the majority wins.
    clean = fit_regression(keypoints, world(5, n=300, noise=0.0).landmarks)
    before = np.abs(fit_regression(keypoints, landmarks).weights - clean.weights).max()
    assert np.abs(many.weights - clean.weights).max() < 0.1 * before


def test_at_test_each_image_takes_its_better_side():
    truth = world(1, n=6).landmarks
    mirrored = swap_sides(truth, PAIRS)
    mixed = np.where(np.arange(6)[:, None, None] < 3, truth, mirrored)
    assert np.array_equal(better_side(mixed, truth, PAIRS), truth)


def test_the_callers_landmarks_are_not_touched():
    keypoints, landmarks = confused(60)
    before = landmarks.copy()
    fit_either_side(keypoints, landmarks, PAIRS)
    assert np.array_equal(landmarks, before)
