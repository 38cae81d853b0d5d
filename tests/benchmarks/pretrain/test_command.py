"""Training of the mini model as a whole, on a scale of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from benchmarks.pretrain import pipeline as parts
from benchmarks.pretrain import report
from benchmarks.pretrain.drawings import Drawings
from benchmarks.pretrain.loop import Budget
from benchmarks.pretrain.pool import Pool, join, render_pool
from benchmarks.pretrain.train import Settings, Trainer
from methods.stable_keypoints.attention import choose_layers
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig

SETTINGS = Settings(batch_size=2, vae_batch_size=2)
STEPS = 4


def test_pool_does_not_depend_on_workers() -> None:
    alone, shared = (join(list(render_pool(260, 16, 3, workers))) for workers in (1, 2))
    np.testing.assert_array_equal(alone.images, shared.images)
    assert alone.captions == shared.captions


@pytest.fixture(scope="module")
def pool() -> Pool:
    return join(list(render_pool(12, parts.IMAGE_SIZE, 0, 1)))


def train(pool: Pool, folder: Path, stop_at: str | None = None) -> list[str]:
    """A run with a checkpoint after every update, broken off at the line that starts with ``stop_at``."""
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if stop_at is not None and line.startswith(stop_at):
            raise KeyboardInterrupt

    pipeline = parts.build_pipeline(0)
    trainer = Trainer(pipeline, SETTINGS, folder, "cpu", say, report_every=1, save_seconds=0.0)
    drawings = Drawings(pool, pipeline.tokenizer, "cpu")
    trainer.train_vae(drawings, Budget(2))
    trainer.train_unet(drawings, Budget(STEPS))
    return lines


@pytest.fixture(scope="module")
def trained(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    train(pool, folder)
    return folder


@pytest.mark.parametrize("stop_at", ["autoencoder: 2", "diffusion: 3"])
def test_a_run_that_was_stopped_gives_the_same_bits(trained: Path, pool: Pool, tmp_path: Path, stop_at: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(pool, tmp_path, stop_at)
    lines = train(pool, tmp_path)
    stage, step = stop_at.split(": ")
    assert f"{stage}: continues after {int(step) - 1} updates" in lines
    for name in ("unet/diffusion_pytorch_model", "text_encoder/model", "vae/diffusion_pytorch_model"):
        ours, theirs = (load_file(folder / "pipeline" / f"{name}.safetensors") for folder in (tmp_path, trained))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    ours, theirs = (torch.load(folder / "diffusion.pt", weights_only=True) for folder in (tmp_path, trained))
    assert ours["weights"]["masters"] and torch.equal(ours["generator"], theirs["generator"])
    for key in ("masters", "averages"):
        assert all(map(torch.equal, ours["weights"][key], theirs["weights"][key]))
    assert (tmp_path / "loss.csv").read_text() == (trained / "loss.csv").read_text()


def test_averages_of_the_learned_weights_are_exported(trained: Path) -> None:
    before, after = parts.build_pipeline(0), StableDiffusionPipeline.from_pretrained(trained / "pipeline")
    for stage, names in (("autoencoder", ("vae",)), ("diffusion", ("unet", "text_encoder"))):
        weights = torch.load(trained / f"{stage}.pt", weights_only=True)["weights"]
        initial = [parameter for name in names for parameter in getattr(before, name).parameters()]
        assert total(weights["masters"]) != pytest.approx(total(initial), rel=1e-9)
        exported = [parameter for name in names for parameter in getattr(after, name).parameters()]
        assert {parameter.dtype for parameter in exported} == {torch.float32}
        averages = [average.half().float() for average in weights["averages"]]
        assert total(exported) == pytest.approx(total(averages), rel=1e-12)
    assert after.vae.config.scaling_factor != before.vae.config.scaling_factor


def total(tensors: list[torch.Tensor]) -> float:
    """Sum of squares, in whatever order the tensors are."""
    return sum(tensor.detach().double().square().sum().item() for tensor in tensors)


def test_records_of_training(trained: Path) -> None:
    table = pd.read_csv(trained / "loss.csv")
    assert table.stage.tolist() == ["autoencoder"] * 2 + ["diffusion"] * STEPS
    record = json.loads((trained / "pipeline" / "training.json").read_text())
    assert (record["updates"], record["samples"], record["weights"]) == (STEPS, 2 * STEPS, 6_676_676)


def test_the_exported_pipeline_serves_stable_keypoints(trained: Path) -> None:
    """Float16 safetensors of Stable Diffusion's pattern: the released rule finds maps of 16, 16, 16 and 32 a side."""
    folder = trained / "pipeline"
    unet = StableDiffusionPipeline.from_pretrained(folder).unet
    assert [name.split(".transformer")[0] for name in choose_layers(unet, 32, None, 4, 32)] == [
        "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",
        "up_blocks.1.attentions.2",
        "up_blocks.2.attentions.0",
    ]
    weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert not list(trained.glob("pipeline/**/*.bin"))
    backbone = Backbone(StableKeypointsConfig(model=str(folder), map_size=32), "cpu")
    latents = backbone.encode(torch.rand(2, 3, 64, 64))
    found = backbone.project(latents, torch.randn_like(latents), torch.randn(5, backbone.token_width))
    assert [query.shape[2] for query in found.queries] == [16, 16, 16, 32]
    assert found.maps().shape == (2, 5, 32, 32)
    torch.testing.assert_close(found.maps().sum(1), torch.ones(2, 32, 32))


def test_report_measures_every_layer_and_draws(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SAMPLES", 8), ("SAMPLING_STEPS", 1), ("SWAP_STEPS", 2)):
        monkeypatch.setattr(report, name, value)
    folder = trained / "pipeline"
    found = report.write_report(folder, "cpu", 150, 3)
    assert json.loads((folder / "report.json").read_text()) == found
    assert [layer["map_side"] for layer in found["layers"].values()] == [16, 16, 16, 32]
    for layer in (*found["layers"].values(), found["average_of_layers"]):
        assert 0 < layer["attention_entropy_nats"] <= layer["attention_entropy_uniform_nats"] + 1e-4
        assert 0 <= layer["word_to_part_distance_median"] < 2**0.5
    assert Image.open(folder / "samples.png").size == (8 * 128, 128)
    assert Image.open(folder / "losses.png").size[0] > 500


def test_pointing_measures_from_the_maximum_to_the_part() -> None:
    """Two words: one peaks at its part, the other 5 cells of 10 to the right of its own."""
    maps = torch.full((4, 10, 10), 0.1)
    maps[1, 2, 3] = maps[2, 4, 8] = 1.0
    pointing = report.Pointing()
    own, other = np.array([[0.35, 0.25, 0.1], [0.35, 0.45, 0.1]]), np.array([[0.35, 0.95, 0.1], [0.85, 0.45, 0.1]])
    pointing.add(("redeye", "bluetail"), maps, own, other)
    found = pointing.summary()
    assert found["word_to_part_distance"] == pytest.approx({"eye": 0.0, "tail": 0.5}, abs=1e-4)
    assert found["word_to_part_distance_median"] == pytest.approx(0.25, abs=1e-4)
    assert found["word_to_other_image_part_median"] == pytest.approx(0.35, abs=1e-4)
    assert found["share_of_words_within_0.08"] == 0.5
    entropy = (98 * np.log(4) + 2 * (-np.log(1 / 1.3) / 1.3 - 3 * 0.1 / 1.3 * np.log(0.1 / 1.3))) / 100
    assert found["attention_entropy_nats"] == pytest.approx(entropy, abs=1e-4)
