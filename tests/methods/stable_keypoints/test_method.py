"""Stable Keypoints as a method: reproducible for all batch sizes, saved and loaded, with clear errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from methods.base import MethodError
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.attention import choose_layers
from methods.stable_keypoints.backbone import Backbone
from tests.methods.tiny_pipeline import ArrayImages, blobs, build_pipeline

K = 4
SMALL: dict[str, Any] = {
    "preset": "official",
    "num_tokens": 16,
    "kappa": 8,
    "map_size": 32,
    "steps": 2,
    "batch_size": 2,
    "selection_images": 6,
    "test_augmentations": 3,
    "timestep": 200,
}


def ignore(done: int, total: int, **scalars: float) -> None:
    """A report that is ignored."""


def make(pipeline: Path, **settings) -> StableKeypoints:
    return StableKeypoints(StableKeypointsConfig(**{"model": str(pipeline), **SMALL, **settings}))


def fitted(pipeline: Path, seed: int = 0, **settings) -> StableKeypoints:
    method = make(pipeline, **settings)
    method.fit(ArrayImages(blobs(5)), K, seed, ignore)
    return method


@pytest.fixture(scope="module")
def images() -> ArrayImages:
    return ArrayImages(blobs(6, seed=1), prefix="test")


@pytest.fixture(scope="module")
def method(pipeline: Path) -> StableKeypoints:
    return fitted(pipeline)


def test_keypoints_are_pixel_centres_inside_the_image(method: StableKeypoints, images: ArrayImages):
    keypoints = method.predict(images.load(range(6)))
    assert keypoints.shape == (6, K, 2)
    assert keypoints.dtype == np.float64
    assert (keypoints > 0).all()
    assert (keypoints < 1).all()
    assert np.allclose(keypoints * 64 % 1, 0.5)


def test_same_seed_same_bytes(pipeline: Path, method: StableKeypoints, images: ArrayImages):
    everything = images.load(range(6))
    expected = method.predict(everything).tobytes()
    assert fitted(pipeline).predict(everything).tobytes() == expected
    assert fitted(pipeline, latent_cache=0).predict(everything).tobytes() == expected
    assert fitted(pipeline, seed=1).predict(everything).tobytes() != expected


def test_batches_do_not_change_predictions(
    pipeline: Path, method: StableKeypoints, images: ArrayImages, tmp_path: Path
):
    whole = method.predict(images.load(range(6)))
    shuffled = np.concatenate([method.predict(images.load(rows)) for rows in ([4], [0, 5], [2, 1, 3])])
    assert np.abs(shuffled - whole[[4, 0, 5, 2, 1, 3]]).max() < 1e-4
    method.save(tmp_path)
    for views_at_once in (1, 100):
        other = make(pipeline, predict_batch=views_at_once)
        other.load(tmp_path)
        assert np.abs(other.predict(images.load(range(6))) - whole).max() < 1e-4


def test_saved_tokens_predict_the_same(pipeline: Path, method: StableKeypoints, images: ArrayImages, tmp_path: Path):
    method.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".safetensors", ".json"}
    loaded = make(pipeline)
    loaded.load(tmp_path)
    assert loaded.predict(images.load([0, 1])).tobytes() == method.predict(images.load([0, 1])).tobytes()


def test_tokens_of_other_weights_are_refused(method: StableKeypoints, tmp_path: Path):
    method.save(tmp_path)
    stranger = make(build_pipeline(tmp_path / "other", seed=1))
    with pytest.raises(MethodError, match="belong to weights"):
        stranger.load(tmp_path)
    with pytest.raises(MethodError, match="no tokens at"):
        stranger.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "change",
    [
        {"equivariance": False},
        {"upsample_queries": False},
        {"furthest_point_sampling": False},
        {"loss_on": "candidates"},
        {"ranking": "paper"},
        {"keep_null_tokens": True},
        {"noise": False},
        {"timestep": 600},
        {"layers": ("up_blocks.2.attentions.0.transformer_blocks.0.attn2",)},
        {"test_augmentations": 0},
    ],
    ids=lambda change: "-".join(map(str, change)),
)
def test_every_switch_changes_something(pipeline: Path, method: StableKeypoints, images: ArrayImages, change: dict):
    changed = fitted(pipeline, **change)
    keypoints = changed.predict(images.load(range(6)))
    assert keypoints.shape == (6, K, 2)
    same_tokens = torch.equal(changed._learned()[1], method._learned()[1])
    assert same_tokens == (change == {"test_augmentations": 0})
    assert not np.array_equal(keypoints, method.predict(images.load(range(6))))


def test_without_steps_the_tokens_stay_random(pipeline: Path):
    random = fitted(pipeline, steps=0)
    learner, tokens, chosen = random._learned()
    assert torch.equal(tokens, learner.initial_tokens())
    assert len(set(chosen.tolist())) == K


def test_fit_makes_maps_sharper_and_reports_it(pipeline: Path):
    method = make(pipeline, steps=25, batch_size=1, learning_rate=0.05, noise=False, equivariance=False, sigma=8)
    seen: list[tuple[int, int, dict[str, float]]] = []
    method.fit(ArrayImages(blobs(1)), K, 0, lambda done, total, **scalars: seen.append((done, total, scalars)))
    assert [done for done, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)}
    curve = [scalars["sharpening"] for _, _, scalars in seen if scalars]
    assert len(curve) == 25
    assert min(curve[-5:]) < 0.95 * curve[0]


def test_gradients_reach_the_tokens_alone(pipeline: Path):
    learner = make(pipeline)._new_learner(K, 0)
    tokens = learner.initial_tokens().requires_grad_(True)
    sharp, equivariant = learner.losses(tokens, torch.from_numpy(blobs(1)), ("a",), [(0, "a")])
    (sharp + equivariant).backward()
    assert tokens.grad is not None
    assert float(tokens.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in learner.backbone.unet.parameters())


def test_the_unet_stops_at_the_last_map(pipeline: Path):
    backbone = Backbone(make(pipeline).config, "cpu")
    ran: list[str] = []
    for name, module in backbone.unet.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    backbone.maps(torch.zeros(1, 4, 32, 32), None, torch.randn(16, 32))
    last = list(backbone.layers)[-1]
    assert last == "up_blocks.1.attentions.1.transformer_blocks.0.attn2"
    assert f"{last}.to_k" in ran
    assert not {f"{last}.to_v", f"{last}.to_out.0", last, "up_blocks.1", "conv_out", ""} & set(ran)
    assert not any(name.startswith("up_blocks.2") for name in ran)


def test_layers_of_stable_diffusion():
    """The first four maps of at most 32 x 32 on the up path: layers 7 to 10 of Eq. 3."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    found = list(choose_layers(unet, 64, None, 4, 32))
    blocks = [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert found == [f"up_blocks.{block}.attentions.{index}.transformer_blocks.0.attn2" for block, index in blocks]
    assert len(choose_layers(unet, 64, None, 99, 64)) == 9
    assert len(choose_layers(unet, 96, None, 4, 32)) == 3
    with pytest.raises(MethodError, match="max_layer_side"):
        choose_layers(unet, 64, None, 4, 8)


def test_there_are_at_least_as_many_tokens_as_keypoints(pipeline: Path, images: ArrayImages):
    few, enough = (fitted(pipeline, num_tokens=count, furthest_point_sampling=False) for count in (3, 4))
    batch = images.load(range(6))
    np.testing.assert_array_equal(few.predict(batch), enough.predict(batch))


def test_unknown_layer(pipeline: Path):
    with pytest.raises(MethodError, match=r"'mid_block' is not a cross-attention.*mid_block\.attentions\.0"):
        fitted(pipeline, layers=("mid_block",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kappa": 3}, "kappa is 3, expected at least the 4"),
        ({"timestep": 1000}, "timestep is 1000, expected at most 999"),
        ({"image_size": 128}, r"images are \(64, 64\), expected 128"),
        ({"learning_rate": 1e30}, "the loss is nan at step 2"),
    ],
)
def test_settings_that_cannot_work(pipeline: Path, settings: dict, message: str):
    with pytest.raises(MethodError, match=message):
        fitted(pipeline, **settings)


def test_mistakes_of_order(pipeline: Path, images: ArrayImages):
    with pytest.raises(MethodError, match="call fit or load first"):
        make(pipeline).predict(images.load([0]))
    with pytest.raises(MethodError, match="no images to fit"):
        make(pipeline).fit(ArrayImages(blobs(0)), K, 0, ignore)


def test_untransformed_latents_are_shared_between_calls_but_not_between_images(
    pipeline: Path, method: StableKeypoints, tmp_path: Path
):
    """Two datasets may have an image of the same name."""
    method.save(tmp_path)
    reader = make(pipeline, test_augmentations=0)
    reader.load(tmp_path)
    learner, tokens, chosen = reader._learned()
    encoded: list[int] = []
    learner.backbone.autoencoder.encoder.register_forward_hook(lambda *_: encoded.append(1))
    one, other = torch.from_numpy(blobs(1, seed=1)), torch.from_numpy(blobs(1, seed=2))
    found = [learner.locate(tokens, chosen, ("same.png",), pixels) for pixels in (one, other, one)]
    assert len(encoded) == 2
    assert np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], found[1])


def test_a_latent_does_not_depend_on_those_encoded_with_it():
    """A resumed fit encodes images again, in other batches than before. With the small model and two threads."""
    pixels, names = torch.from_numpy(blobs(3)), ("a", "b", "c")
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        method = StableKeypoints(StableKeypointsConfig(model="mini"))
        together = method._new_learner(K, 0).encode_original(pixels, names)
        learner = method._new_learner(K, 0)
        alone = [learner.encode_original(pixels[row : row + 1], [names[row]]) for row in range(3)]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(together, torch.cat(alone))
