"""The base class of trained methods: descent, seeds, checkpoints and files."""

from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from methods.base import ImageBatch, MethodCard, MethodError
from methods.checkpoints import FILE, CheckpointFile, steps_done
from methods.training import TrainedConfig, TrainedMethod
from methods.training.loop import rate
from tests.methods.tiny_pipeline import ArrayImages, blobs

K = 2
STEPS = 7
Rows = list[tuple[int, int, dict[str, float]]]


class ToyConfig(TrainedConfig):
    """Few steps of small images."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "mini": {"steps": STEPS, "batch_size": 3}}

    image_size: int = 16
    learning_rate: float = 0.01
    noise: float = 0.1


class Toy(TrainedMethod):
    """A convolution whose maps' centres of mass follow where the image is bright, with batch norm and dropout."""

    card = MethodCard(id="toy", name="Toy", summary="a test")
    Config = ToyConfig

    def build(self, num_keypoints: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, num_keypoints, 3, padding=1),
            torch.nn.BatchNorm2d(num_keypoints),
            torch.nn.Dropout(0.1),
        )

    def losses(self, network, batch, pixels, generator):
        shift = torch.tensor(generator.standard_normal((len(pixels), 1, 1, 1), dtype=np.float32))
        maps = network(pixels + self.config.noise * shift)
        loss = (maps - pixels[:, :1]).square().mean()
        return {"spread": maps.std(), "loss": loss}

    def locate(self, network, pixels):
        maps = network(pixels).flatten(2).softmax(dim=2).unflatten(2, pixels.shape[2:])
        centres = (torch.arange(pixels.shape[-1]) + 0.5) / pixels.shape[-1]
        return torch.stack([(maps.sum(dim=2) * centres).sum(dim=2), (maps.sum(dim=3) * centres).sum(dim=2)], dim=2)


class Parabola(TrainedMethod):
    """One weight w, loss (w - 3)^2 / 2, plain gradient descent: w_n = 3 (1 - prod(1 - lr_n)) by hand."""

    card = MethodCard(id="parabola", name="Parabola", summary="a test")

    def build(self, num_keypoints: int) -> torch.nn.Module:
        network = torch.nn.Module()
        network.weight = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
        return network

    def optimiser(self, network):
        return torch.optim.SGD(network.parameters(), lr=self.config.learning_rate)

    def losses(self, network, batch, pixels, generator):
        return {"loss": (network.weight - 3).square() / 2}

    def locate(self, network, pixels):
        return network.weight.expand(len(pixels), 1, 2)


def images(count: int = 5, batch_size: int = 4) -> ArrayImages:
    return ArrayImages(blobs(count, 16), batch_size)


def learn(method: TrainedMethod, folder: Path | None = None, seed: int = 1, rows: Rows | None = None) -> TrainedMethod:
    method.checkpoints = folder
    kept: Rows = rows if rows is not None else []
    method.fit(images(), K, seed, lambda done, total, **scalars: kept.append((done, total, scalars)))
    return method


def toy(**settings: Any) -> Toy:
    return Toy(ToyConfig(preset="mini", **settings))


def bits(method: TrainedMethod) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in method._learned().state_dict().items()}


def weight(method: TrainedMethod) -> float:
    return method._learned().state_dict()["weight"].item()


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_descent_is_that_of_the_formula(schedule: str) -> None:
    settings = {"learning_rate": 0.2, "schedule": schedule, "warmup": 3, "steps": 9, "batch_size": 2, "image_size": 16}
    method = learn(Parabola(TrainedConfig(**settings)))
    expected = 0.0
    for step in range(9):
        share = (step + 1) / 3 if step < 3 else 1.0
        if schedule == "cosine" and step >= 3:
            share = (1 + math.cos(math.pi * (step - 3) / 6)) / 2
        expected += 0.2 * share * (3 - expected)
    assert weight(method) == pytest.approx(expected, rel=1e-14)


def test_a_clipped_gradient_has_that_length() -> None:
    settings = {"learning_rate": 1.0, "clip_gradient": 0.25, "steps": 4, "batch_size": 1, "image_size": 16}
    method = learn(Parabola(TrainedConfig(**settings)))
    assert weight(method) == pytest.approx(1.0, rel=1e-5)  # four steps of 0.25 towards 3


def test_the_cosine_ends_near_nothing_and_never_rises() -> None:
    rates = [rate(step, steps=100, warmup=5, schedule="cosine") for step in range(100)]
    assert rates[4] == rates[5] == 1 and 0 < rates[-1] < 1e-3
    assert rates[5:] == sorted(rates[5:], reverse=True)


def test_thirds_end_with_a_tenth_of_the_rate() -> None:
    rates = [rate(step, steps=9, warmup=2, schedule="thirds") for step in range(9)]
    assert rates == pytest.approx([0.5, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01], rel=1e-12)


def test_training_lowers_the_loss() -> None:
    rows: Rows = []
    learn(toy(steps=60, learning_rate=0.05), rows=rows)
    losses = [scalars["loss"] for _, _, scalars in rows]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert [row[:2] for row in rows] == [(step + 1, 60) for step in range(60)]
    assert set(rows[0][2]) == {"loss", "spread"}


def test_same_seed_same_bits_and_another_seed_others() -> None:
    assert bits(learn(toy())) == bits(learn(toy())) != bits(learn(toy(), seed=2))


def test_neither_the_batches_of_the_stream_nor_torch_s_own_state_matters() -> None:
    expected = bits(learn(toy()))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    method = toy()
    method.fit(images(batch_size=2), K, 1, lambda done, total, **scalars: None)
    assert bits(method) == expected
    assert torch.equal(torch.get_rng_state(), before)


def test_an_image_s_keypoints_do_not_depend_on_its_batch() -> None:
    method = learn(toy(steps=30, learning_rate=0.05))
    batch = images().load(range(5))
    together = method.predict(batch)
    alone = np.concatenate(
        [method.predict(ImageBatch(batch.ids[i : i + 1], batch.pixels[i : i + 1])) for i in range(5)]
    )
    assert np.abs(alone - together).max() < 1e-6
    assert np.abs(together[0] - together[1]).max() > 1e-4, "images differ, and so must their keypoints"


@pytest.mark.parametrize("broken_at", [1, 4, 6])
def test_a_fit_broken_off_goes_on_bit_for_bit(tmp_path: Path, broken_at: int) -> None:
    expected: Rows = []
    whole = learn(toy(), rows=expected)

    class Broken(Exception):
        pass

    method = toy(checkpoint_every=2)
    method.checkpoints = tmp_path / "kept"

    def report(done: int, total: int, **scalars: float) -> None:
        if done == broken_at:
            raise Broken

    with pytest.raises(Broken):
        method.fit(images(), K, 1, report)
    assert method.checkpoints.exists() == (broken_at > 2)
    rows: Rows = []
    assert bits(learn(toy(checkpoint_every=2), tmp_path / "kept", rows=rows)) == bits(whole)
    assert rows == expected
    assert steps_done(tmp_path / "kept" / FILE) == STEPS  # the caller removes it
    assert bits(learn(toy(checkpoint_every=2), tmp_path / "kept")) == bits(whole)


def test_a_fit_ends_well_without_its_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: CheckpointFile, tensors: dict[str, torch.Tensor]) -> None:
        raise MethodError("cannot write")

    monkeypatch.setattr(CheckpointFile, "write_tensors", refuse)
    assert bits(learn(toy(checkpoint_every=100), tmp_path / "kept")) == bits(learn(toy()))
    with pytest.raises(MethodError, match="cannot write"):
        learn(toy(checkpoint_every=2), tmp_path / "kept")


@pytest.mark.usefixtures("interruptible")
def test_a_signal_keeps_the_step_at_hand(tmp_path: Path) -> None:
    method = toy(checkpoint_every=100)
    method.checkpoints = tmp_path / "kept"

    def report(done: int, total: int, **scalars: float) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        method.fit(images(), K, 1, report)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rows: Rows = []
    seen = learn(toy(checkpoint_every=100), tmp_path / "kept", rows=rows)
    assert bits(seen) == bits(learn(toy()))
    assert len(rows) == STEPS


@pytest.mark.parametrize("change", ["seed", "setting", "garbage"])
def test_a_checkpoint_of_another_fit_is_not_taken_up(tmp_path: Path, change: str, caplog) -> None:
    method = toy(checkpoint_every=2)
    method.checkpoints = tmp_path

    def report(done: int, total: int, **scalars: float) -> None:
        if done == 5:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        method.fit(images(), K, 1, report)
    if change == "garbage":
        (tmp_path / FILE).write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    seed, settings = (2, {}) if change == "seed" else (1, {"noise": 0.2} if change == "setting" else {})
    assert bits(learn(toy(**settings), tmp_path, seed)) == bits(learn(toy(**settings), None, seed))
    assert "starts from the beginning" in caplog.text


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    method = learn(toy())
    method.save(tmp_path)
    other = toy()
    other.load(tmp_path)
    batch = images().load(range(5))
    assert other.predict(batch).tobytes() == method.predict(batch).tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.safetensors", "state.json"]


@pytest.mark.parametrize("damage", ["missing", "json", "keypoints", "tensors"])
def test_a_broken_file_is_one_line(tmp_path: Path, damage: str) -> None:
    learn(toy()).save(tmp_path)
    state, network = tmp_path / "state.json", tmp_path / "network.safetensors"
    if damage == "missing":
        network.unlink()
    elif damage == "json":
        state.write_text("{")
    elif damage == "keypoints":
        state.write_text(json.dumps({**json.loads(state.read_text()), "num_keypoints": K + 1}))
    else:
        network.write_bytes(network.read_bytes()[:40])
    with pytest.raises(MethodError, match="fit again") as error:
        toy().load(tmp_path)
    assert "\n" not in str(error.value)


def test_no_images_and_no_keypoints_are_refused() -> None:
    with pytest.raises(MethodError, match="no images"):
        toy().fit(images(0), K, 0, lambda done, total, **scalars: None)
    with pytest.raises(MethodError, match="got 0 keypoints"):
        toy().fit(images(), 0, 0, lambda done, total, **scalars: None)


def test_presets_profiles_and_what_identifies_a_fit() -> None:
    mini, paper = Toy.config_for("mini", {}), Toy.config_for("paper", {})
    assert isinstance(mini, ToyConfig) and isinstance(paper, ToyConfig)
    assert (mini.preset, mini.steps, paper.preset, paper.steps) == ("mini", STEPS, "paper", 20_000)
    assert Toy.config_for("paper", {"preset": "mini", "steps": 3}).model_dump() == {**mini.model_dump(), "steps": 3}
    assert {"checkpoint_every", "predict_batch"}.isdisjoint(mini.model_dump())
    with pytest.raises(ValidationError, match="preset"):
        ToyConfig(preset="other")
