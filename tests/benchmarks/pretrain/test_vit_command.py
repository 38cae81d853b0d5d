"""Self-distillation of the mini vision transformer as a whole, on a scale of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel
from typer.testing import CliRunner

from benchmarks.pretrain import __main__ as command
from benchmarks.pretrain.loop import Budget
from benchmarks.pretrain.pool import Pool, join, render_pool
from benchmarks.pretrain.vit.model import build_vit, normalised
from benchmarks.pretrain.vit.train import Settings, Trainer

SETTINGS = Settings(batch_size=3, prototypes=8)
STEPS = 4


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(join(list(render_pool(8, 128, 0, 1))).images)


def train(images: torch.Tensor, folder: Path, stop_at: str | None = None, steps: int = STEPS) -> Trainer:
    """A run with a checkpoint after every update, broken off at the line that starts with ``stop_at``."""

    def say(line: str) -> None:
        if stop_at is not None and line.startswith(stop_at):
            raise KeyboardInterrupt

    trainer = Trainer(build_vit(0), images, SETTINGS, folder, "cpu", say, report_every=1, save_seconds=0.0)
    trainer.train(Budget(steps))
    return trainer


@pytest.fixture(scope="module")
def trained(images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    folder = tmp_path_factory.mktemp("vit")
    return train(images, folder), folder


def test_same_seed_same_bits_even_where_a_run_was_stopped(
    images: torch.Tensor, trained: tuple[Trainer, Path], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(images, tmp_path, "vit: 3")
    again = train(images, tmp_path)
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (tmp_path, trained[1]))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    for one, other in zip(again.student.parameters(), trained[0].student.parameters(), strict=True):
        assert torch.equal(one, other)
    assert (tmp_path / "loss.csv").read_text() == (trained[1] / "loss.csv").read_text()


def test_the_teacher_is_the_running_average_of_the_student(images: torch.Tensor, tmp_path: Path) -> None:
    """The average weighs the update after step n by 9 / (n + 11), as long as that is more than 1 - averaging."""
    trainer = Trainer(build_vit(0), images, SETTINGS, tmp_path, "cpu", lambda line: None)
    names = [name for name, _ in trainer.teacher.named_parameters()]
    assert names == [name for name, _ in trainer.student.named_parameters()]
    expected = [parameter.detach().double().numpy().copy() for parameter in trainer.student.parameters()]
    steps = iter(range(STEPS))
    step = trainer.weights.step

    def watched() -> None:
        step()
        renewal = 9 / (next(steps) + 11)
        for average, parameter in zip(expected, trainer.student.parameters(), strict=True):
            average += renewal * (parameter.detach().double().numpy() - average)

    trainer.weights.step = watched  # type: ignore[method-assign]
    trainer.train(Budget(STEPS))
    for average, parameter in zip(expected, trainer.teacher.parameters(), strict=True):
        assert not parameter.requires_grad
        np.testing.assert_allclose(parameter.numpy(), average, rtol=0, atol=1e-6)


def test_the_folder_loads_as_any_model_of_dinov2_with_registers(trained: tuple[Trainer, Path]) -> None:
    folder = trained[1] / "model"
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert type(model).__name__ == "Dinov2WithRegistersModel" and model.dtype == torch.float32
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float16}
    assert (folder / "model.safetensors").stat().st_size < 8e6
    pixels = normalised(torch.rand(2, 3, 128, 128))
    with torch.no_grad():
        found = model.eval()(pixels).last_hidden_state
        known = trained[0].teacher["model"].eval()(pixels).last_hidden_state
    assert found.shape == (2, 1 + model.config.num_register_tokens + 16 * 16, model.config.hidden_size)
    torch.testing.assert_close(found, known, rtol=0, atol=2e-2)  # float16 weights
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    assert processor["crop_size"] == {"height": 128, "width": 128} and len(processor["image_mean"]) == 3


def test_records_of_training(trained: tuple[Trainer, Path]) -> None:
    record = json.loads((trained[1] / "model" / "training.json").read_text())
    assert (record["updates"], record["samples"], record["labels"]) == (STEPS, 3 * STEPS, "none")
    assert record["settings"]["seed"] == 0 and "git_sha" in record and "cpu" in record
    assert pd.read_csv(trained[1] / "model" / "loss.csv").stage.tolist() == ["vit"] * STEPS


def test_only_images_reach_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions and places of parts that cannot be read change nothing."""
    pool = join(list(render_pool(3, 128, 0, 1)))
    monkeypatch.setattr(command, "_rendered", lambda *_: Pool(pool.images, None, None))  # type: ignore[arg-type]
    words = ["vit", "--output", str(tmp_path), "--images", "3", "--steps", "1", "--batch-size", "2", "--device", "cpu"]
    done = CliRunner().invoke(command.app, words)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "model" / "config.json").exists()


def test_the_shipped_model_is_small_and_loads_whole() -> None:
    folder = Path("methods/features/mini_vit")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8e6
    _, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
