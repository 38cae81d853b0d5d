"""Absent keypoints: the rules against plain loops, and what a method must not gain by leaving keypoints out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import MetricError
from metrics.protocols import PROTOCOLS
from metrics.scoring import score, score_all
from tests.metrics.gaps import EYES, backward_by_loops, filled, means, some_absent, value, worlds
from tests.metrics.oracle import in_boxes, regress
from tests.metrics.worlds import PAIRS, measured_directly, points, reordered, world

NAN = (math.nan, math.nan)
CENTRE = ("strict/side", "sk/side", "strict/side_micro", "strict/relative", "strict/pck6", "sk/cumulative")


def mean_error(predicted, landmarks, visible) -> float:
    """Mean distance over visible landmarks of an image, then over images, in percent."""
    each = []
    for image, wanted, shown in zip(predicted, landmarks, visible, strict=True):
        apart = [math.dist(p, q) for p, q, seen in zip(image, wanted, shown, strict=True) if seen]
        each.append(math.fsum(apart) / len(apart))
    return 100 * math.fsum(each) / len(each)


@pytest.mark.parametrize(("protocol", "origin"), [("strict/side", 0.5), ("sk/side", 0.5), ("autolink/side", 0.0)])
def test_an_absent_keypoint_stands_at_the_origin_of_a_regression_without_bias(protocol, origin):
    fit, test = worlds()
    rule = [[origin, origin]] * 3
    predicted = regress(
        filled(fit.keypoints.tolist(), rule),
        fit.landmarks.tolist(),
        fit.visible.tolist(),
        filled(test.keypoints.tolist(), rule),
        origin=origin,
    )
    if protocol == "autolink/side":
        apart = [
            math.dist(p, q)
            for image, wanted, shown in zip(predicted, test.landmarks, test.visible, strict=True)
            for p, q, seen in zip(image, wanted, shown, strict=True)
            if seen
        ]
        expected = 100 * math.fsum(apart) / len(apart)
    else:
        expected = mean_error(predicted, test.landmarks, test.visible)
    assert value(protocol, fit, test) == pytest.approx(expected, rel=1e-9)


def test_an_absent_keypoint_stands_at_its_mean_place_in_a_regression_with_a_bias():
    fit, test = worlds()
    in_fit = in_boxes(fit.keypoints.tolist(), fit.boxes.tolist())
    places = means(in_fit)
    predicted = regress(
        filled(in_fit, places),
        in_boxes(fit.landmarks.tolist(), fit.boxes.tolist()),
        fit.visible.tolist(),
        filled(in_boxes(test.keypoints.tolist(), test.boxes.tolist()), places),
        intercept=True,
    )
    wanted = in_boxes(test.landmarks.tolist(), test.boxes.tolist())
    apart = [
        math.dist(p, q)
        for image, other, shown in zip(predicted, wanted, test.visible, strict=True)
        for p, q, seen in zip(image, other, shown, strict=True)
        if seen
    ]
    assert value("scops/box", fit, test) == pytest.approx(100 * math.fsum(apart) / len(apart), rel=1e-9)


@pytest.mark.parametrize("protocol", CENTRE)
def test_a_method_that_answers_with_the_place_gets_the_same_number(protocol):
    fit, test = worlds()
    answers = [replace(each, keypoints=np.nan_to_num(each.keypoints, nan=0.5)) for each in (fit, test)]
    assert value(protocol, fit, test) == value(protocol, *answers)


@pytest.mark.parametrize("protocol", [*CENTRE, "autolink/side", "scops/box", "strict/interocular_bias"])
def test_a_keypoint_that_is_never_found_counts_as_if_it_did_not_exist(protocol):
    fit, test = world(1, shown=1.0), world(2, shown=1.0)
    lost = [replace(each, keypoints=each.keypoints.copy()) for each in (fit, test)]
    less = [replace(each, keypoints=each.keypoints[:, [0, 2]]) for each in (fit, test)]
    for each in lost:
        each.keypoints[:, 1] = np.nan
    assert value(protocol, *lost) == pytest.approx(value(protocol, *less), rel=1e-9)


def test_a_keypoint_found_once_is_no_bias_in_disguise():
    generator = np.random.default_rng(0)

    def faces(n):
        truth = 0.8 + generator.normal(scale=0.05, size=(n, 5, 2))
        found = truth[:, :2] - 0.4 + generator.normal(scale=0.05, size=(n, 2, 2))
        return points(np.concatenate([found, np.full((n, 1, 2), np.nan)], axis=1), truth)

    fit, test = faces(80), faces(40)
    fit.keypoints[0, 2] = (0.9, 0.2)
    less = [replace(each, keypoints=each.keypoints[:, :2]) for each in (fit, test)]
    constant = [replace(each, keypoints=each.keypoints.copy()) for each in (fit, test)]
    for each in constant:
        each.keypoints[:, 2] = (0.9, 0.2)
    without, with_bias = value("strict/side", *less), value("strict/side", *constant)
    assert with_bias < 0.9 * without  # the mean of the places found would give this
    assert value("strict/side", fit, test) == pytest.approx(without, rel=0.05)


def test_leaving_out_answers_of_a_good_method_does_not_lower_its_error():
    fit, test = world(1, n=200, noise=0.01), world(2, n=200, noise=0.01)
    found = [value("strict/side", some_absent(fit, share), some_absent(test, share, 1)) for share in (0, 0.05, 0.2)]
    assert found == sorted(found)
    only_test = [value("strict/side", fit, some_absent(test, share, 1)) for share in (0, 0.05, 0.2)]
    assert only_test == sorted(only_test)


@settings(max_examples=15)
@given(order=st.permutations(range(4)), seed=st.integers(0, 99))
@pytest.mark.parametrize("protocol", ["strict/side", "strict/interocular_bias", "sanchez/forward_mallis"])
def test_the_order_of_keypoints_and_of_images_does_not_matter(protocol, order, seed):
    fit, test = (some_absent(world(each, n=40, k=4, shown=1.0), 0.2, seed) for each in (1, 2))
    turned = [replace(each, keypoints=each.keypoints[:, order]) for each in (fit, test)]
    mixed = [reordered(each, np.random.default_rng(seed).permutation(40)) for each in turned]
    assert value(protocol, *mixed) == pytest.approx(value(protocol, fit, test), rel=1e-8)


def test_an_absent_keypoint_costs_a_backward_error_the_farthest_corner():
    fit, test = worlds(shown=1.0)
    errors = backward_by_loops(fit, test, 1e-4, "origin")
    expected = math.fsum(math.fsum(of_one.values()) / len(of_one) for of_one in errors) / len(errors)
    found = score("sanchez/backward", fit, test, interocular=EYES, resamples=50)
    assert found.value == pytest.approx(expected, rel=1e-8)
    assert found.rows.tolist() == (~np.isnan(fit.keypoints[..., 0])).sum(axis=0).tolist()
    assert found.curve[-1][1] == pytest.approx(expected, rel=1e-8)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_no_answer_within_the_image_has_a_larger_backward_error_than_none(seed):
    generator = np.random.default_rng(seed)
    fit, test = world(1, shown=1.0), world(2, n=20, shown=1.0)
    gaps = generator.uniform(size=test.keypoints.shape[:2]) < 0.5
    answer = np.where(gaps[..., None], generator.uniform(size=test.keypoints.shape), test.keypoints)
    silent = replace(test, keypoints=np.where(gaps[..., None], np.nan, test.keypoints))
    assert value("sanchez/backward", fit, silent) >= value("sanchez/backward", fit, replace(test, keypoints=answer))


def test_all_protocols_take_absent_keypoints():
    fit, test = (some_absent(measured_directly(world(each, n=80, shown=1.0)), 0.1, each) for each in (1, 2))
    protocols = [each for each in PROTOCOLS.values() if each.num_landmarks in (None, 5)]
    for found in score_all(protocols, fit, test, interocular=EYES, left_right_pairs=PAIRS, resamples=50):
        assert math.isfinite(found.value)


def test_a_pair_with_an_absent_keypoint_counts_as_collapsed():
    found = np.array([[[0.1, 0.1], [0.9, 0.9], [0.1, 0.9]], [[0.1, 0.1], NAN, [0.1, 0.9]]])
    some = points(found, np.full((2, 1, 2), 0.5))
    assert score("label_free/closest_pair", some, some).per_image.tolist() == pytest.approx([80, 0])
    assert score("label_free/collapsed", some, some).per_image.tolist() == pytest.approx([0, 200 / 3])


def test_landmarks_belong_to_the_nearest_keypoint_that_was_found():
    generator = np.random.default_rng(0)
    landmarks = generator.uniform(size=(30, 5, 2))
    keypoints = landmarks[:, :4] + generator.normal(scale=0.2, size=(30, 4, 2))
    gaps = generator.uniform(size=(30, 4)) < 0.3
    gaps[:3] = True
    lost, far = (points(np.where(gaps[..., None], place, keypoints), landmarks) for place in (np.nan, 99.0))
    for measure in ("parts/nmi_background", "parts/ari_background"):
        assert value(measure, lost, lost) == value(measure, far, far)
    nowhere = points(lost.keypoints[3:], landmarks[3:]), points(far.keypoints[3:], landmarks[3:])
    assert value("parts/nmi", nowhere[0], nowhere[0]) == value("parts/nmi", nowhere[1], nowhere[1])


@pytest.mark.parametrize("broken", [(math.nan, 0.5), (0.5, math.nan), (math.inf, 0.5), (-math.inf, math.nan)])
def test_half_a_keypoint_and_infinity_are_refused(broken):
    fit = world(1)
    fit.keypoints[4, 1] = broken
    for pair in ((fit, world(2)), (world(2), fit)):
        with pytest.raises(MetricError, match="keypoints are not finite in 1 places, first at row 4, point 1"):
            score("strict/side", *pair)


def test_keypoints_that_are_found_nowhere_are_refused():
    nothing = replace(world(1), keypoints=np.full((60, 3, 2), np.nan))
    with pytest.raises(MetricError, match="fit keypoints are absent in all 180 places"):
        score("strict/side", nothing, world(2))
