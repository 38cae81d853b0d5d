"""Keypoints on the object, by masks and by boxes, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.direct.on_object import marked
from metrics.errors import MetricError
from metrics.scoring import score
from tests.metrics.worlds import world


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_point_is_on_the_pixel_that_contains_it(height, width, random):
    mask = np.array([[random.random() < 0.5 for _ in range(width)] for _ in range(height)])
    for row in range(height):
        for column in range(width):
            right, down = random.uniform(0.01, 0.99), random.uniform(0.01, 0.99)
            inner = np.array([[(column + right) / width, (row + down) / height]])
            assert marked(mask, inner).tolist() == [mask[row, column]]


def test_edges_belong_to_the_image_and_points_outside_to_no_pixel():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [-0.001, 0.5], [0.5, 1.001], [np.nan, 0.5]])
    assert marked(np.ones((3, 2), dtype=bool), points).tolist() == [True, True, True, False, False, False]
    corner = np.zeros((3, 2), dtype=bool)
    corner[2, 1] = True
    assert marked(corner, points).tolist() == [False, True, False, False, False, False]


def test_shares_are_those_of_images_averaged():
    test = replace(world(51, n=2, k=4), on_object=np.array([[1, 1, 1, 0], [0, 0, 1, 0]], dtype=bool))
    found = score("label_free/on_object", None, test)
    assert found.per_image.tolist() == [75, 25] and found.value == 50


def test_a_box_holds_its_edge():
    keypoints = np.array([[[0.2, 0.3], [0.7, 0.5], [0.71, 0.5], [0.4, 0.29]]])
    test = replace(world(51, n=1, k=4), keypoints=keypoints, boxes=np.array([[0.2, 0.3, 0.5, 0.25]]))
    assert score("label_free/in_box", None, test).value == 50


def test_without_masks_or_boxes_there_is_one_line():
    with pytest.raises(MetricError, match="on_object needs masks"):
        score("label_free/on_object", None, replace(world(51), on_object=None))
    with pytest.raises(MetricError, match="in_box needs boxes"):
        score("label_free/in_box", None, replace(world(51), boxes=None))
    with pytest.raises(MetricError, match=r"on_object \(60,\), expected \(60, 3\)"):
        score("label_free/on_object", None, replace(world(51), on_object=np.ones(60, dtype=bool)))
