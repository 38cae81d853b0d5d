"""Parts of the self-distillation: views and their frames, colours, balanced assignments and losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.pretrain.drawings import RandomSource
from benchmarks.pretrain.vit import views
from benchmarks.pretrain.vit.losses import Head, balanced, cross_entropy, sampled
from benchmarks.pretrain.vit.train import matching
from benchmarks.pretrain.vit.views import colour_matrices, matched_places, recoloured, two_views


def coordinates(count: int, side: int) -> torch.Tensor:
    """Images (count, side, side, 3) uint8 whose red is x and whose green is y, from 0 to 255 over the image."""
    ramp = (torch.arange(side) + 0.5) / side * 255
    image = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side), torch.zeros(side, side)], 2)
    return image.round().to(torch.uint8).expand(count, -1, -1, -1)


def test_frames_and_matched_places_are_where_the_pixels_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """On images that hold their own coordinates, without new colours."""
    monkeypatch.setattr(views, "recoloured", lambda pixels, random: pixels)
    first, second = two_views(coordinates(40, 128), 64, 0.4, RandomSource(0, "cpu"))
    place = matched_places(first.frames, second.frames, 8)
    checked = 0
    for b, row, column in np.ndindex(40, 8, 8):
        x, y = (place[b, row, column] + 1).mul(32).sub(0.5).tolist()  # in pixels of the second view
        here = first.pixels[b, :2, 8 * row + 3 : 8 * row + 5, 8 * column + 3 : 8 * column + 5].mean((1, 2))
        if 1 <= x <= 62 and 1 <= y <= 62 and bool(((here > 0.1) & (here < 0.9)).all()):
            there = second.pixels[b, :2, round(y), round(x)]
            assert (here - there).abs().max() < 0.02  # half a pixel of the second view, and the rounding to uint8
            checked += 1
    assert checked > 500


def test_views_differ_and_have_the_sides_that_were_asked_for() -> None:
    random = RandomSource(0, "cpu")
    both = two_views(coordinates(300, 16), 8, 0.4, random)
    for view in both:
        side = torch.linalg.det(view.frames[:, :, :2]).sqrt()
        assert 0.4 <= float(side.min()) < 0.43 and 0.95 < float(side.max()) <= 1
        assert bool((view.frames[:, :, 2].abs() <= 1 - side[:, None] + 1e-6).all())  # the centre leaves room
        turn = torch.atan2(view.frames[:, 1, 0], view.frames[:, 0, 0])
        assert math.radians(25) < float(turn.abs().max()) <= math.radians(30) + 1e-6
    assert not torch.equal(both[0].pixels, both[1].pixels)


def test_colours_turn_about_grey() -> None:
    """A third of a turn moves red to green; greys stay; saturation 0 gives the mean of the channels."""
    third = torch.full((2,), 2 * math.pi / 3)
    turned, grey = colour_matrices(third, torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(turned @ torch.eye(3), torch.eye(3).roll(1, 0), atol=1e-6, rtol=0)
    torch.testing.assert_close(grey, torch.full((3, 3), 1 / 3))
    some = colour_matrices(torch.linspace(0, 6, 20), torch.linspace(0, 2, 20))
    torch.testing.assert_close(some @ torch.ones(3), torch.ones(20, 3))


def test_recoloured_images_stay_in_range() -> None:
    found = recoloured(torch.rand(50, 3, 6, 6), RandomSource(1, "cpu"))
    assert 0 <= float(found.min()) and float(found.max()) <= 1 and float(found.std()) > 0.05


def test_assignments_are_balanced_as_a_float64_loop_says() -> None:
    scores = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    expected = np.exp(scores.double().numpy() / 0.5)
    for _ in range(3):
        expected /= expected.sum(0, keepdims=True)
        expected /= expected.sum(1, keepdims=True)
    found = balanced(scores, 0.5)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(balanced(scores, 0.5, rounds=200).sum(0).numpy(), 3.0, rtol=1e-4)
    assert torch.isfinite(balanced(100 * scores, 0.05)).all()


def test_cross_entropy_is_that_of_a_float64_loop_and_0_without_weight() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(5, 3)), rng.dirichlet(np.ones(3), 5)
    weights = np.array([1.0, 0.0, 0.5, 0.0, 2.0])
    total = 0.0
    for score, target, weight in zip(scores / 0.1, targets, weights, strict=True):
        shifted = score - score.max()
        total -= weight * float(target @ (shifted - np.log(np.exp(shifted).sum())))
    given = [torch.from_numpy(values).float() for values in (scores, targets, weights)]
    assert float(cross_entropy(given[0], given[1], 0.1, given[2])) == pytest.approx(total / 3.5, rel=1e-5)
    assert float(cross_entropy(given[0], given[1], 0.1, torch.zeros(5))) == 0.0


def test_sampled_assignments_are_bilinear_and_know_what_is_outside() -> None:
    assignments = torch.arange(8.0).view(1, 2, 2, 2)
    places = torch.tensor([[[[-0.5, -0.5], [0.0, 0.0]], [[0.5, -0.25], [1.5, 0.0]]]])
    found, inside = sampled(assignments, places)
    torch.testing.assert_close(found[:3, 0], torch.tensor([0.0, 3.0, 2 + 0.25 * 4]))
    assert inside.tolist() == [1, 1, 1, 0]


def test_matching_is_that_of_a_float64_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    features, others = (torch.randn(2, 4, 3, generator=generator) for _ in range(2))
    places = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [0.0, -0.5]]).view(1, 2, 2, 2).repeat(2, 1, 1, 1)
    places[1, 1, 1, 0] = -1.2  # outside
    targets = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0.5, 0.5, 0, 0]])
    ours, theirs = (each.double().numpy() for each in (features, others))
    ours, theirs = ours - ours.mean((0, 1)), theirs - theirs.mean((0, 1))
    losses = []
    for b, p in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]:
        cosines = [ours[b, p] @ t / np.linalg.norm(ours[b, p]) / np.linalg.norm(t) for t in theirs[b]]
        exponents = np.array(cosines) / 0.2
        losses.append(-targets[p] @ (exponents - np.log(np.exp(exponents).sum())))
    assert float(matching(features, others, places, 0.2)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_head_gives_cosines_and_tells_inputs_apart() -> None:
    torch.manual_seed(0)
    head = Head(8, 16, 6, 5)
    scores = head(1.0 + 1e-2 * torch.randn(200, 8))
    assert scores.shape == (200, 5) and float(scores.detach().abs().max()) <= 1 + 1e-6
    assert float(scores.detach().std()) > 0.2
