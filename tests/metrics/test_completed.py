"""Absent keypoints by the rule of Mallis et al., against plain loops and whole decompositions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metrics.absent import completed
from metrics.protocols import PROTOCOLS
from metrics.scoring import score
from tests.metrics.gaps import EYES, backward_by_loops, filled, means, value, worlds
from tests.metrics.worlds import world


def mallis_backward(labelled):
    return replace(PROTOCOLS["sanchez/backward_mallis"], num_landmarks=None, eyes=EYES, labelled=labelled)


def test_mallis_measures_each_keypoint_backward_on_the_images_that_have_it():
    fit, test = worlds(shown=1.0)
    errors = backward_by_loops(fit, test, 0.1, "completed")
    expected = [math.fsum(of_one.values()) / len(of_one) for of_one in errors]
    found = score(mallis_backward(300), fit, test, interocular=EYES, resamples=50)
    assert found.value == pytest.approx(math.fsum(expected) / 3, rel=1e-8)
    assert found.per_landmark == pytest.approx(expected, rel=1e-8)
    assert np.nanmean(found.per_image) * (~np.isnan(found.per_image)).sum() / 60 == pytest.approx(found.value)


def test_mallis_draws_the_labelled_images_of_each_keypoint_among_those_that_have_it():
    fit, test = worlds(share=0.5, shown=1.0)
    found = score(mallis_backward(10), fit, test, resamples=50)
    assert found.rows.tolist() == [10, 10, 10]
    whole = replace(fit, keypoints=world(1, shown=1.0).keypoints)
    part = replace(whole, keypoints=whole.keypoints.copy())
    part.keypoints[5, 1] = np.nan  # the others are drawn as before
    before, after = (score(mallis_backward(10), each, test, resamples=50).per_landmark for each in (whole, part))
    assert before[[0, 2]] == pytest.approx(after[[0, 2]], rel=1e-12)


def thresholded(matrix, known, steps=1000):
    """Singular value thresholding as the paper writes it, with a whole decomposition in each step."""
    tau, delta = 5 * sum(matrix.shape) / 2, 1.2 * matrix.size / known.sum()
    x, y = np.zeros_like(matrix), np.zeros_like(matrix)
    for _ in range(steps):
        y = y + delta * known * (matrix - x)
        left, singular, right = np.linalg.svd(y, full_matrices=False)
        x = left @ np.diag(np.maximum(singular - tau, 0)) @ right
        if np.linalg.norm(known * (x - matrix)) < 1e-2 * np.linalg.norm(known * matrix):
            break
    return x


def test_mallis_fills_gaps_by_completion_in_fit_images_and_by_means_in_test_images():
    fit, test = worlds(shown=1.0)
    places = means(fit.keypoints.tolist())
    gaps = np.isnan(fit.keypoints)
    flat = np.array(filled(fit.keypoints.tolist(), places)).reshape(60, -1)
    low_rank = thresholded(flat, ~gaps.reshape(60, -1)).reshape(60, 3, 2)
    answers = (
        replace(fit, keypoints=np.where(gaps, low_rank, fit.keypoints)),
        replace(test, keypoints=np.array(filled(test.keypoints.tolist(), places))),
    )
    assert value("sanchez/forward_mallis", fit, test) == pytest.approx(value("sanchez/forward_mallis", *answers))


def test_completion_restores_a_matrix_of_low_rank_better_than_means():
    generator = np.random.default_rng(0)
    pose = generator.normal(scale=0.05, size=(400, 2))
    keypoints = generator.uniform(0.3, 0.7, (10, 2)) + np.einsum("np,pkc->nkc", pose, generator.normal(size=(2, 10, 2)))
    gaps = generator.uniform(size=(400, 10)) < 0.1
    held = np.where(gaps[..., None], keypoints.mean(axis=0), keypoints)
    restored = completed(held, gaps)
    assert np.array_equal(restored[~gaps], keypoints[~gaps])
    assert np.abs(restored - keypoints)[gaps].mean() < 0.5 * np.abs(held - keypoints)[gaps].mean()
