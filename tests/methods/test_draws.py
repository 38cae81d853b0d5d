"""Draws that depend on their key alone, and the ranges of affine maps."""

from __future__ import annotations

import numpy as np
import pytest

from methods import draws


def test_draws_depend_on_their_key_alone():
    keys = [(0, "fit", f"{index}.png", index) for index in range(4)]
    together = draws.noise(keys, (2, 3))
    assert np.array_equal(together[[2]], draws.noise([keys[2]], (2, 3)))
    assert not np.array_equal(together[0], together[1])
    every = draws.image_order(0, "fit", 5, 12)
    assert sorted(every[:5]) == sorted(every[5:10]) == list(range(5))
    assert np.array_equal(draws.image_order(0, "fit", 5, 7), every[:7])
    assert len(draws.image_order(0, "fit", 5, 0)) == 0


@pytest.mark.parametrize(("scale_of", "scales"), [("window", (0.8, 1.0)), ("image", (1.0, 1.2))])
def test_affine_ranges(scale_of: str, scales: tuple[float, float]):
    theta = draws.affine([("key", index) for index in range(4000)], 15.0, scales, scale_of, 0.125)
    window = np.hypot(theta[:, 0, 0], theta[:, 0, 1])
    size = window if scale_of == "window" else 1 / window
    angle = np.degrees(np.arctan2(theta[:, 0, 1], theta[:, 0, 0]))
    for values, low, high in (
        (size, *scales),
        (angle, -15, 15),
        (theta[:, 0, 2], -0.25, 0.25),
        (theta[:, 1, 2], -0.25, 0.25),
    ):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    assert np.allclose(theta[:, 0, 0], theta[:, 1, 1])
    assert np.allclose(theta[:, 0, 1], -theta[:, 1, 0])
