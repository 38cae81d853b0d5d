"""Training of the mini model, on a scale of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.pretrain import pipeline as parts
from benchmarks.pretrain.pool import draw_pool, join, vocabulary
from benchmarks.pretrain.report import plot_losses, write_report
from benchmarks.pretrain.train import CsvLog, Settings, Trainer
from methods.stable_keypoints.backbone import Backbone
from methods.stable_keypoints.config import StableKeypointsConfig

IMAGES = 24
SETTINGS = Settings(vae_steps=3, steps=4, batch_size=4, save_every=2)


def test_every_caption_word_is_one_token() -> None:
    tokenizer = parts.build_tokenizer()
    ids = [tokenizer(word).input_ids for word in vocabulary()]
    assert all(len(each) == 3 for each in ids)
    assert len({each[1] for each in ids}) == len(vocabulary())


def test_pool_does_not_depend_on_workers() -> None:
    alone, shared = (join(list(draw_pool(260, 16, 3, workers))) for workers in (1, 2))
    np.testing.assert_array_equal(alone.images, shared.images)
    assert alone.captions == shared.captions


def test_unet_has_stable_diffusions_pattern() -> None:
    """The rule that finds 16, 16, 16 and 32 cells in Stable Diffusion finds 16, 16, 32 and 32 here."""
    from methods.stable_keypoints.attention import choose_layers

    layers = choose_layers(parts.build_unet(), 32, None, 4, 32)
    assert [".".join(name.split(".")[:4]) for name in layers] == [
        "up_blocks.1.attentions.0",
        "up_blocks.1.attentions.1",
        "up_blocks.2.attentions.0",
        "up_blocks.2.attentions.1",
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    pool = join(list(draw_pool(IMAGES, parts.IMAGE_SIZE, 0, 1)))
    trainer = Trainer(parts.build_pipeline(0), SETTINGS, folder, "cpu", CsvLog(folder))
    trainer.train_vae(pool)
    trainer.train_unet(pool)
    return folder


def test_the_exported_pipeline_serves_stable_keypoints(trained: Path) -> None:
    backbone = Backbone(StableKeypointsConfig(model=str(trained / "pipeline"), map_size=32), "cpu")
    latents = backbone.encode(torch.rand(2, 3, 64, 64))
    maps = backbone.maps(latents, torch.randn_like(latents), torch.randn(5, backbone.token_width))
    assert maps.shape == (2, 5, 32, 32)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 32, 32))
    assert not list(trained.glob("pipeline/**/*.bin"))


def test_a_stopped_run_goes_on(trained: Path) -> None:
    """A second trainer takes the checkpoint up and trains the missing steps alone."""
    longer = Settings(vae_steps=3, steps=6, batch_size=4, save_every=2)
    pool = join(list(draw_pool(IMAGES, parts.IMAGE_SIZE, 0, 1)))
    before = (trained / "loss.csv").read_text().count("diffusion")
    trainer = Trainer(parts.build_pipeline(0), longer, trained, "cpu", CsvLog(trained))
    trainer.train_vae(pool)
    trainer.train_unet(pool)
    assert (trained / "loss.csv").read_text().count("diffusion") == before + 2
    assert (trained / "loss.csv").read_text().count("autoencoder") == 3


def test_loss_counts_more_around_small_parts() -> None:
    trainer = Trainer.__new__(Trainer)
    trainer.settings = Settings(part_weight=11.0)
    weight = trainer._weight(torch.tensor([[[0.25, 0.75, 0.05], [0.0, 0.0, 0.0]]]), 32)[0]
    assert weight.shape == (32, 32)
    row, column = divmod(int(weight.argmax()), 32)
    assert abs((column + 0.5) / 32 - 0.25) < 0.05 and abs((row + 0.5) / 32 - 0.75) < 0.05
    assert 8 < float(weight.max()) <= 12 and float(weight.min()) == pytest.approx(1.0, abs=1e-3)


def test_report_measures_and_draws(trained: Path) -> None:
    folder = trained / "pipeline"
    report = write_report(folder, "cpu", 150, 3)
    assert json.loads((folder / "report.json").read_text()) == report
    assert 0 < report["attention_entropy_nats"] <= report["attention_entropy_uniform_nats"] + 1e-4
    assert 0 <= report["word_to_part_distance_median"] < 2**0.5
    plot_losses(trained / "loss.csv", folder / "losses.png")
    assert Image.open(folder / "samples.png").size[0] == 8 * 128
    assert Image.open(folder / "losses.png").size[0] > 500
