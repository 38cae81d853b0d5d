"""Supervised heatmaps: targets, losses and warped landmarks computed by hand, and learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from methods.base import MethodError
from methods.supervised import Supervised, SupervisedConfig
from methods.supervised.learning import (
    Landmarks,
    augmented,
    gaussians,
    heatmap_losses,
    moved,
    soft_argmax,
)
from methods.warps import warp
from tests.methods.labelled_images import LabelledArrayImages
from tests.methods.tiny_pipeline import ArrayImages

SIDE = 32
TINY = {"preset": "mini", "image_size": SIDE, "width": 8, "levels": 2, "batch_size": 8, "steps": 3, "warmup": 1}


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def dots(count: int, seed: int = 0, margin: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) with a red and a green dot, and where they are (N, 2, 2)."""
    places = np.random.default_rng(seed).uniform(margin, 1 - margin, (count, 2, 2))
    centres = (np.arange(SIDE) + 0.5) / SIDE
    pixels = np.zeros((count, 3, SIDE, SIDE), np.float32)
    for image, points in zip(pixels, places, strict=True):
        for channel, (x, y) in enumerate(points):
            distance = (centres[None] - x) ** 2 + (centres[:, None] - y) ** 2
            image[channel] = np.exp(-distance * SIDE**2 / (2 * 1.5**2))
    return pixels, places


def images(count: int, batch_size: int = 8, **changes) -> LabelledArrayImages:
    pixels, places = dots(count)
    return LabelledArrayImages(pixels, changes.pop("landmarks", places), batch_size=batch_size, **changes)


def fitted(stream: LabelledArrayImages, seed: int = 0, **settings) -> Supervised:
    method = Supervised(SupervisedConfig(**{**TINY, **settings}))
    method.fit(stream, stream.landmarks.shape[1], seed, ignore)
    return method


def predicted(method: Supervised) -> np.ndarray:
    pixels, _ = dots(6, seed=1)
    return method.predict(ArrayImages(pixels, prefix="new").load(range(6)))


def test_soft_argmax_is_the_mean_place_under_the_softmax():
    heatmaps = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    shares = np.exp(heatmaps.numpy())
    shares /= shares.sum((2, 3), keepdims=True)
    x = (shares * (np.arange(7) + 0.5)[None, None, None] / 7).sum((2, 3))
    y = (shares * (np.arange(5) + 0.5)[None, None, :, None] / 5).sum((2, 3))
    np.testing.assert_allclose(soft_argmax(heatmaps).numpy(), np.stack([x, y], -1), atol=1e-7)
    peak = torch.zeros(1, 1, 4, 8)
    peak[0, 0, 1, 6] = 1e4
    assert soft_argmax(peak).tolist() == [[[6.5 / 8, 1.5 / 4]]]


def test_a_target_is_the_gaussian_about_the_landmark():
    point = torch.tensor([[[0.5, 0.25]]])
    target = gaussians(point, 16, 1.5)[0, 0].double().numpy()
    centres = np.arange(16) + 0.5
    expected = np.exp(-((centres[None] - 8) ** 2 + (centres[:, None] - 4) ** 2) / (2 * 1.5**2))
    np.testing.assert_allclose(target, expected / expected.sum(), atol=1e-7)


def test_perfect_heatmaps_cost_the_entropy_of_the_target_and_no_distance():
    points = torch.tensor([[[0.5, 0.5], [0.40625, 0.59375]]])
    landmarks = Landmarks(points, torch.ones(1, 2, dtype=torch.bool))
    target = gaussians(points, 32, 1.5)
    entropy = -(target * target.clamp(min=1e-30).log()).sum((-2, -1)).mean()
    cost, distance = heatmap_losses(target.clamp(min=1e-30).log(), landmarks, 1.5)
    assert cost.item() == pytest.approx(entropy.item(), abs=1e-5)
    assert distance.item() < 1e-5
    worse, away = heatmap_losses(target.roll(4, -1).clamp(min=1e-30).log(), landmarks, 1.5)
    assert worse > cost + 1
    assert away.item() == pytest.approx(4 / 32, abs=1e-4)


def test_what_is_not_visible_does_not_count():
    heatmaps = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    points = torch.full((2, 3, 2), 0.3)
    visible = torch.tensor([[True, False, True], [False, False, True]])
    total = torch.stack(list(heatmap_losses(heatmaps, Landmarks(points, visible), 1.0))).sum()
    (gradient,) = torch.autograd.grad(total, heatmaps)
    assert (gradient.abs().amax((2, 3)) > 0).tolist() == visible.tolist()
    hidden = heatmap_losses(heatmaps, Landmarks(points, torch.zeros_like(visible)), 1.0)
    assert [value.item() for value in hidden] == [0.0, 0.0]


def test_landmarks_move_with_the_image():
    """The landmark moves to the centre of mass of the warped dot."""
    pixels, places = dots(6, margin=0.35)
    theta = torch.tensor([[[0.9, 0.3, 0.1], [-0.3, 0.9, -0.15]]]).expand(6, 2, 3)
    warped = warp(torch.from_numpy(pixels), theta)[:, :2].double().numpy()
    landmarks = Landmarks(torch.from_numpy(places).float(), torch.ones(6, 2, dtype=torch.bool))
    found = moved(landmarks, theta)
    assert found.visible.all()
    centres, mass = (np.arange(SIDE) + 0.5) / SIDE, warped.sum((2, 3))
    expected = np.stack([(warped.sum(2) * centres).sum(-1) / mass, (warped.sum(3) * centres).sum(-1) / mass], -1)
    np.testing.assert_allclose(found.points.numpy(), expected, atol=3e-3)


def test_a_landmark_that_leaves_the_image_is_not_visible():
    theta = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    points = torch.tensor([[[0.2, 0.5], [0.3, 0.5]]])
    found = moved(Landmarks(points, torch.tensor([[True, True]])), theta)
    torch.testing.assert_close(found.points, torch.tensor([[[-0.05, 0.5], [0.05, 0.5]]]))
    assert found.visible.tolist() == [[False, True]]


def test_augmentation_is_of_the_image_and_the_draw_alone():
    pixels, places = dots(4)
    landmarks = Landmarks(torch.from_numpy(places).float(), torch.ones(4, 2, dtype=torch.bool))
    config = SupervisedConfig(**TINY)
    first, points = augmented(config, list("abcd"), torch.from_numpy(pixels), landmarks, 7)
    again, _ = augmented(config, list("abcd"), torch.from_numpy(pixels), landmarks, 7)
    other, _ = augmented(config, list("abcd"), torch.from_numpy(pixels), landmarks, 8)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert 0 <= first.min() and first.max() <= 1
    still = SupervisedConfig(**TINY, rotation_degrees=0, scale_range=(1, 1), translation=0, colour=0)
    same, where = augmented(still, list("abcd"), torch.from_numpy(pixels), landmarks, 7)
    torch.testing.assert_close(same, torch.from_numpy(pixels), atol=1e-5, rtol=0)
    torch.testing.assert_close(where.points, landmarks.points, atol=1e-6, rtol=0)
    assert (points.points - landmarks.points).abs().max() > 0.01


def test_images_are_moved_by_up_to_the_share_of_half_their_width():
    config = SupervisedConfig(**TINY, rotation_degrees=0, scale_range=(1, 1), translation=0.3, colour=0)
    middle = Landmarks(torch.full((300, 1, 2), 0.5), torch.ones(300, 1, dtype=torch.bool))
    _, found = augmented(config, [str(row) for row in range(300)], torch.zeros(300, 3, 8, 8), middle, 0)
    away = (found.points - 0.5)[:, 0]
    assert (away.amin(0) >= -0.15).all() and (away.amax(0) <= 0.15).all()
    assert (away.amin(0) < -0.14).all() and (away.amax(0) > 0.14).all()


def test_missing_landmarks_may_be_anything():
    """The coordinates of a missing landmark do not change a bit of the result."""
    _, places = dots(6)
    visible = np.ones((6, 2), bool)
    visible[0, 1] = visible[3, 0] = False
    results = []
    for value in (0.0, -7.0, np.nan):
        landmarks = np.where(visible[..., None], places, value)
        results.append(predicted(fitted(images(6, landmarks=landmarks, visible=visible))).tobytes())
    assert len(set(results)) == 1


def test_it_learns_the_landmarks_it_is_shown():
    """Two dots whose landmarks are swapped: predictions come in the order of the landmarks."""
    truth = dots(6, seed=1)[1][:, ::-1]
    shown = images(48, landmarks=dots(48)[1][:, ::-1])
    found = predicted(fitted(shown, steps=70, learning_rate=1e-2))
    spread = np.linalg.norm(truth - truth.mean(0), axis=-1).mean()
    assert np.linalg.norm(found - truth, axis=-1).mean() < 0.4 * spread


def test_same_seed_same_bits_whatever_the_batches_of_the_stream():
    expected = predicted(fitted(images(10))).tobytes()
    assert predicted(fitted(images(10, batch_size=3))).tobytes() == expected
    assert predicted(fitted(images(10), seed=1)).tobytes() != expected


def test_images_without_landmarks_are_refused_in_one_line():
    method = Supervised(SupervisedConfig(**TINY))
    with pytest.raises(MethodError, match="came without landmarks, expected 2") as error:
        method.fit(ArrayImages(dots(4)[0]), 2, 0, ignore)
    assert "\n" not in str(error.value)
    with pytest.raises(MethodError, match="5 keypoints were asked for, images have 2 landmarks"):
        method.fit(images(4), 5, 0, ignore)
    with pytest.raises(MethodError, match="fit"):
        predicted(method)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale_range": (1.2, 0.8)}, "scale_range"),
        ({"width": 12}, "multiples of 8"),
        ({"image_size": 36}, "multiple of 8"),
        ({"mirrored": True}, "mirrored"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        SupervisedConfig(**{**TINY, **settings})
