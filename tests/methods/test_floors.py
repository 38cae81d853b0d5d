"""Predictions of the floors, and their regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.base import ImageBatch, MethodError
from methods.floors import Centre, Floor, Grid, RandomPoints
from metrics.points import Points
from metrics.protocols import PROTOCOLS
from metrics.scoring import score


def fitted(floor: type[Floor], num_keypoints: int, seed: int = 0) -> Floor:
    method = floor()
    method.fit(None, num_keypoints, seed, lambda done, total: None)  # type: ignore[arg-type]  # no pixel is looked at
    return method


def predict(method: Floor, *ids: str) -> np.ndarray:
    return method.predict(ImageBatch(ids, np.zeros((len(ids), 3, 8, 8), np.float32)))


def test_centre_is_the_centre() -> None:
    assert (predict(fitted(Centre, 3), "a", "b") == 0.5).all()


@given(st.integers(1, 60))
def test_grid_points_are_distinct_spread_out_and_the_same_for_every_image(num_keypoints: int) -> None:
    first, second = predict(fitted(Grid, num_keypoints), "a", "b")
    assert first.tobytes() == second.tobytes()
    assert ((first > 0) & (first < 1)).all()
    assert first.mean(axis=0) == pytest.approx((0.5, 0.5), abs=0.5 / num_keypoints**0.5)
    gaps = np.linalg.norm(first[:, None] - first[None], axis=-1)[~np.eye(num_keypoints, dtype=bool)]
    assert gaps.min(initial=1) > 0.6 / num_keypoints**0.5, "closer than K evenly spread points need be"


def test_grid_of_the_tasks_is_as_square_as_can_be() -> None:
    assert predict(fitted(Grid, 1), "a").tolist() == [[[0.5, 0.5]]]
    assert sorted(predict(fitted(Grid, 4), "a")[0].tolist()) == [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]]
    for num_keypoints, rows in ((8, 3), (10, 3), (16, 4)):
        points = predict(fitted(Grid, num_keypoints), "a")[0]
        assert points.shape == (num_keypoints, 2)
        assert len(np.unique(points[:, 1])) == rows


def test_random_points_belong_to_image_and_seed_and_not_to_the_order() -> None:
    method = fitted(RandomPoints, 5, seed=3)
    together = predict(method, "a", "b", "c")
    backwards = predict(method, "c", "b", "a")
    assert together.tobytes() == backwards[::-1].tobytes()
    assert np.unique(together).size == together.size
    assert (predict(fitted(RandomPoints, 5, seed=4), "a") != together[:1]).all()


def test_random_points_are_uniform() -> None:
    points = predict(fitted(RandomPoints, 10), *(f"image {index}" for index in range(1000))).ravel()
    counts, _ = np.histogram(points, bins=20, range=(0, 1))
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-squared with 19 degrees of freedom, p = 0.001


@pytest.mark.parametrize("floor", [Centre, Grid, RandomPoints])
def test_no_keypoints_unfitted_and_unreadable_state_are_clear_errors(floor: type[Floor], tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="got 0 keypoints"):
        fitted(floor, 0)
    with pytest.raises(MethodError, match="call fit or load first"):
        predict(floor(), "a")
    with pytest.raises(MethodError, match=r"floor\.json"):
        floor().load(tmp_path)
    for text in ("{}", "[", "[]", '{"num_keypoints": null, "seed": 1}'):
        (tmp_path / "floor.json").write_text(text)
        with pytest.raises(MethodError, match="fit again"):
            floor().load(tmp_path)


def points(method: Floor, landmarks: np.ndarray, visible: np.ndarray, prefix: str) -> Points:
    ids = tuple(f"{prefix}{index}" for index in range(len(landmarks)))
    return Points(predict(method, *ids), landmarks, visible, ids, ids)


@settings(max_examples=25)
@given(st.integers(2, 16), st.integers(0, 10_000))
def test_regressing_the_grid_gives_the_mean_of_the_visible_rows(num_keypoints: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    landmarks, visible = random.random((12, 5, 2)), random.random((12, 5)) < 0.7
    visible[0] = True
    method = fitted(Grid, num_keypoints)
    result = score(
        PROTOCOLS["sk/side"],
        points(method, landmarks, visible, "fit"),
        points(method, random.random((4, 5, 2)), np.ones((4, 5), bool), "test"),
    )
    for landmark in range(5):
        mean = landmarks[visible[:, landmark], landmark].mean(axis=0)
        assert result.predicted[:, landmark] == pytest.approx(np.tile(mean, (4, 1)), abs=1e-9)
    assert result.rank_deficient


def test_regressing_the_centre_gives_the_centre() -> None:
    random = np.random.default_rng(0)
    landmarks, visible = random.random((12, 5, 2)), np.ones((12, 5), bool)
    method = fitted(Centre, 4)
    result = score(
        PROTOCOLS["sk/side"], points(method, landmarks, visible, "fit"), points(method, landmarks, visible, "test")
    )
    assert (result.predicted == 0.5).all()
    assert result.value == pytest.approx(100 * np.linalg.norm(landmarks - 0.5, axis=-1).mean(), abs=1e-9)
