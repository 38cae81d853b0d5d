"""Worlds with absent keypoints, and the rules for these by plain loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from metrics.scoring import score
from tests.metrics.oracle import regress
from tests.metrics.worlds import PAIRS, world

EYES = (0, 1)


def some_absent(world_, share: float, seed: int = 0):
    gaps = np.random.default_rng(seed).uniform(size=world_.keypoints.shape[:2]) < share
    return replace(world_, keypoints=np.where(gaps[..., None], np.nan, world_.keypoints))


def worlds(share: float = 0.2, **options):
    return some_absent(world(1, **options), share, 3), some_absent(world(2, **options), share, 4)


def value(protocol, fit, test) -> float:
    return score(protocol, fit, test, interocular=EYES, left_right_pairs=PAIRS, resamples=50).value


def filled(images, places):
    """The keypoints as lists, with ``places[k]`` for keypoint k where it is absent."""
    return [
        [list(places[k]) if math.isnan(point[0]) else list(point) for k, point in enumerate(image)] for image in images
    ]


def means(images):
    """The mean place of each keypoint where it is found, by plain sums."""
    found = [[image[k] for image in images if not math.isnan(image[k][0])] for k in range(len(images[0]))]
    return [[math.fsum(point[axis] for point in of_one) / len(of_one) for axis in (0, 1)] for of_one in found]


def backward_by_loops(fit, test, ridge, rule):
    """The backward error of each keypoint, by plain loops: each is regressed from landmarks on images that have it."""
    errors = []
    for k in range(fit.keypoints.shape[1]):
        having = [i for i, image in enumerate(fit.keypoints) if not math.isnan(image[k][0])]
        predicted = regress(
            fit.landmarks[having].tolist(),
            fit.keypoints[having][:, [k]].tolist(),
            [[True]] * len(having),
            test.landmarks.tolist(),
            intercept=True,
            ridge=ridge,
        )
        of_one = {}
        for i, ((place,), wanted) in enumerate(zip(predicted, test.keypoints[:, k].tolist(), strict=True)):
            if math.isnan(wanted[0]):
                if rule == "completed":
                    continue
                apart = max(math.dist(place, corner) for corner in ((0, 0), (0, 1), (1, 0), (1, 1)))
            else:
                apart = math.dist(place, wanted)
            of_one[i] = 100 * apart / math.dist(test.landmarks[i][0], test.landmarks[i][1])
        errors.append(of_one)
    return errors
