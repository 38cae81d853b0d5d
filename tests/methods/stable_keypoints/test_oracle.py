"""Stable Keypoints against formulas in float64 loops, on a random UNet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import CLIPTextModel

from methods import draws
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.fitting import TokenFit
from methods.stable_keypoints.learning import Learner
from methods.stable_keypoints.selection import divergence
from tests.methods import oracle
from tests.methods.tiny_pipeline import CAPTION_LENGTH, IMAGE_SIDE, ArrayImages, blobs

K = 3
SIDE = 16
LAYERS = [f"up_blocks.{block}.attentions.{index}.transformer_blocks.0.attn2" for block in (0, 1) for index in (0, 1)]
TINY: dict[str, Any] = {
    "num_tokens": 9,
    "token_scale": 3.0,
    "kappa": 5,
    "map_size": SIDE,
    "timestep": 200,
    "batch_size": 2,
    "selection_images": 0,
    "test_augmentations": 2,
    "dtype": "float64",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {"preset": "paper"},
    "official": {"preset": "official"},
    "official, K kept in the original frame": {"preset": "official", "fps_in_loss_on": "original"},
    "null tokens": {"preset": "official", "keep_null_tokens": True},
    "no query upsampling": {"preset": "paper", "upsample_queries": False},
    "no equivariance": {"preset": "paper", "equivariance": False},
    "no furthest point sampling": {"preset": "paper", "furthest_point_sampling": False},
}


def make_learner(pipeline: Path, **settings) -> Learner:
    config = StableKeypointsConfig(**{"model": str(pipeline), **TINY, **settings})
    return Learner(Backbone(config, "cpu"), K, seed=5)


def make_oracle(pipeline: Path, learner: Learner) -> oracle.Oracle:
    """The oracle uses the learner's noise level, which test_noise_level checks."""
    level = (learner.backbone.parts.signal, learner.backbone.parts.deviation)
    return oracle.Oracle(pipeline, LAYERS, SIDE, learner.config.timestep, level, learner.config.upsample_queries)


def noise_of(learner: Learner, key: tuple) -> torch.Tensor:
    return torch.from_numpy(draws.noise([(*key, "noise")], (4, 32, 32))[0]).double()


def theta_of(learner: Learner, key: tuple) -> np.ndarray:
    config = learner.config
    return draws.affine(
        [(*key, "affine")], config.rotation_degrees, config.scale_range, config.scale_of, config.translation
    )[0]


def oracle_losses(reference: oracle.Oracle, learner: Learner, tokens, pixels, keys) -> tuple:
    """Eq. 4 to 9 for a batch: localisation and equivariance, unweighted."""
    config = learner.config
    kappa = config.kappa if config.furthest_point_sampling else K
    pixels_in_map = SIDE * SIDE if config.loss_reduction == "mean" else 1
    sharp, equivariant = torch.tensor(0.0), torch.tensor(0.0)
    for image, key in zip(pixels, keys, strict=True):
        null_tokens = learner.backbone.parts.null_tokens
        maps = reference.maps(reference.latent(image), noise_of(learner, (*key, "original")), tokens, null_tokens)
        kept = oracle.most_local(maps, kappa, config.sigma, config.ranking)
        if config.equivariance:
            theta = theta_of(learner, key)
            latent = reference.latent(oracle.warp(image, theta))
            transformed = reference.maps(latent, noise_of(learner, (*key, "transformed")), tokens, null_tokens)
            if config.loss_on == "kept":
                frame = transformed if config.fps_in_loss_on == "transformed" else maps
                kept = oracle.furthest(frame, K, kept)
            back = oracle.warp(torch.stack([transformed[token] for token in kept]), oracle.inverse(theta))
        for position, token in enumerate(kept):
            target = oracle.gaussian(oracle.argmax(maps[token]), SIDE, config.sigma)
            sharp = sharp + ((maps[token] - target) ** 2).sum() / pixels_in_map / len(kept) / len(pixels)
            if config.equivariance:
                squares = ((maps[token] - back[position]) ** 2).sum()
                equivariant = equivariant + squares / pixels_in_map / len(kept) / len(pixels)
    return sharp, equivariant


def test_noise_level(pipeline: Path):
    for timestep in (0, 200):
        alpha = np.prod(1 - np.linspace(1e-4, 0.02, 1000)[: timestep + 1])
        parts = make_learner(pipeline, timestep=timestep).backbone.parts
        assert (parts.signal, parts.deviation) == pytest.approx((alpha**0.5, (1 - alpha) ** 0.5), rel=1e-6)


def test_null_tokens(pipeline: Path):
    """The empty caption is a start token, then end tokens up to the full length."""
    encoder = CLIPTextModel.from_pretrained(pipeline / "text_encoder").double().eval()
    with torch.no_grad():
        expected = encoder(torch.tensor([[0] + [1] * (CAPTION_LENGTH - 1)])).last_hidden_state[0]
    found = make_learner(pipeline, keep_null_tokens=True).backbone.parts.null_tokens
    assert found is not None
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_and_gradients(pipeline: Path, variant: str):
    learner = make_learner(pipeline, **VARIANTS[variant])
    config, reference = learner.config, make_oracle(pipeline, learner)
    pixels = torch.from_numpy(blobs(2)).double()
    keys = [(5, "fit", name, 0) for name in ("one", "two")]
    gradients, losses = [], []
    for compute in (
        lambda tokens: oracle_losses(reference, learner, tokens, pixels, keys),
        lambda tokens: learner.losses(tokens, pixels, ("one", "two"), keys),
    ):
        tokens = learner.initial_tokens().requires_grad_(True)
        sharp, equivariant = compute(tokens)
        loss = config.sharpening_weight * sharp + config.equivariance_weight * equivariant
        gradients.append(torch.autograd.grad(loss, tokens)[0])
        losses.append((float(sharp.detach()), float(equivariant.detach())))
    assert losses[1] == pytest.approx(losses[0], rel=1e-9)
    assert (losses[0][1] > 0) == config.equivariance
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6, atol=1e-9 * float(gradients[0].abs().max()))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("null_tokens", [False, True])
@pytest.mark.parametrize("upsample_queries", [True, False])
def test_maps(pipeline: Path, dtype: str, tolerance: float, null_tokens: bool, upsample_queries: bool):
    learner = make_learner(pipeline, dtype=dtype, keep_null_tokens=null_tokens, upsample_queries=upsample_queries)
    reference = make_oracle(pipeline, learner)
    tokens = learner.initial_tokens()
    noise = noise_of(learner, ("any",))
    latent = reference.latent(torch.from_numpy(blobs(1)[0]).double())
    null = None if learner.backbone.parts.null_tokens is None else learner.backbone.parts.null_tokens.double()
    with torch.no_grad():
        expected = torch.stack(reference.maps(latent, noise, tokens.double(), null))
        maps = learner.backbone.maps(latent[None].to(tokens), noise[None], tokens)[0]
        some = learner.backbone.maps(latent[None].to(tokens), noise[None], tokens, torch.tensor([7, 2]))[0]
    assert expected.amax() > 2 * expected.mean(), "these maps are too flat to test anything"
    scale = float(expected.abs().max())
    torch.testing.assert_close(maps.double(), expected, rtol=tolerance, atol=tolerance * scale)
    torch.testing.assert_close(some.double(), expected[[7, 2]], rtol=tolerance, atol=tolerance * scale)
    assert null_tokens or torch.allclose(expected.sum(0), torch.ones(SIDE, SIDE).double())


@pytest.mark.parametrize("ranking", ["paper", "official"])
def test_divergence(ranking: Literal["paper", "official"]):
    maps = torch.rand(1, 5, SIDE, SIDE, dtype=torch.float64, generator=torch.manual_seed(0)) ** 8
    expected = [oracle.divergence(image, 2.0, ranking) for image in maps[0]]
    assert divergence(maps, 2.0, ranking)[0].tolist() == pytest.approx(expected, rel=1e-9)


def test_gradient_in_float32(pipeline: Path):
    gradients = []
    for dtype in ("float64", "float32"):
        learner = make_learner(pipeline, dtype=dtype, preset="official")
        tokens = learner.initial_tokens().requires_grad_(True)
        keys = [(5, "fit", name, 0) for name in ("one", "two")]
        sharp, equivariant = learner.losses(tokens, torch.from_numpy(blobs(2)).to(tokens), ("one", "two"), keys)
        gradients.append(torch.autograd.grad(100 * sharp + 1000 * equivariant, tokens)[0].double())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-4 * float(gradients[0].abs().max()))


def test_steps_of_adam(pipeline: Path):
    """Two steps on two images each, with Adam written out."""
    learner = make_learner(pipeline, preset="official", steps=2)
    images = ArrayImages(blobs(4))
    curve: list[float] = []

    def report(done: int, total: int, **scalars: float) -> None:
        curve.append(scalars["loss"])

    fit = TokenFit(learner, learner.initial_tokens(), images, report)
    fit.optimise()
    learned = fit.tokens.detach()
    reference = make_oracle(pipeline, learner)
    order = draws.image_order(5, "fit", 4, 4)
    tokens, losses = learner.initial_tokens(), []
    first, second = torch.zeros_like(tokens), torch.zeros_like(tokens)
    for step in (1, 2):
        rows = order[2 * step - 2 : 2 * step]
        keys = [(5, "fit", images.ids[row], 2 * step - 2 + place) for place, row in enumerate(rows)]
        tokens.requires_grad_(True)
        pixels = torch.from_numpy(images.pixels[rows]).double()
        sharp, equivariant = oracle_losses(reference, learner, tokens, pixels, keys)
        loss = 100 * sharp + 1000 * equivariant
        (gradient,) = torch.autograd.grad(loss, tokens)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        move = 5e-3 * first / (1 - 0.9**step) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        tokens = (tokens - move).detach()
        losses.append(float(loss.detach()))
    assert curve == pytest.approx(losses, rel=1e-8)
    torch.testing.assert_close(learned, tokens, rtol=0, atol=1e-5)


@pytest.mark.parametrize("variant", ["paper", "official"])
def test_chosen_tokens_and_keypoints(pipeline: Path, variant: str):
    config = StableKeypointsConfig(**{"model": str(pipeline), **TINY, **VARIANTS[variant], "steps": 0})
    method = StableKeypoints(config)
    images = ArrayImages(blobs(3))
    method.fit(images, K, 5, lambda *_, **__: None)
    learner, tokens, chosen = method._learned()
    reference = make_oracle(pipeline, learner)
    with torch.no_grad():
        votes: Counter[int] = Counter()
        for draw, row in enumerate(draws.image_order(5, "selection", 3, 3)):
            image = torch.from_numpy(images.pixels[row]).double()
            noise = noise_of(learner, (5, "selection", images.ids[row], draw))
            maps = reference.maps(reference.latent(image), noise, tokens)
            votes.update(oracle.furthest(maps, K, oracle.most_local(maps, config.kappa, config.sigma, config.ranking)))
        expected_tokens = sorted(votes, key=lambda token: (-votes[token], token))[:K]
        assert chosen.tolist() == expected_tokens

        keys = [(5, "predict", images.ids[0], view) for view in range(2)]
        thetas = [theta_of(learner, key) for key in keys]
        views = []
        for key, theta in zip(keys, thetas, strict=True):
            image = oracle.warp(torch.from_numpy(images.pixels[0]).double(), theta)
            maps = reference.maps(reference.latent(image), noise_of(learner, key), tokens)
            views.append([maps[token] for token in expected_tokens])
        expected = oracle.keypoints(views, thetas, IMAGE_SIDE)
    assert method.predict(images.load([0]))[0] == pytest.approx(np.array(expected), abs=1e-12)
