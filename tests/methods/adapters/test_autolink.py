"""AutoLink: checkpoints of the encoder, run over images, and keypoints in [-1, 1], y first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.importing.joining import join
from methods.adapters.autolink import AutoLinkOutputs
from methods.base import ImageBatch
from tests.methods.adapters.foreign import K, Trap, keypoints, splits, swapped
from tests.methods.adapters.requests import refusal, request

WIDTHS = (3, 4, 8, 16, 32, 16, 8)  # the released ones are 16 times these


@dataclass(frozen=True)
class Pictures:
    """Noise of 128 x 128 pixels under the ids of a split, three a batch."""

    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def load(self, indices: Any) -> ImageBatch:
        pixels = [np.random.default_rng(index).random((3, 128, 128), dtype=np.float32) for index in indices]
        return ImageBatch(tuple(self.ids[index] for index in indices), np.stack(pixels))

    def __iter__(self) -> Iterator[ImageBatch]:
        for start in range(0, len(self.ids), 3):
            yield self.load(range(start, min(start + 3, len(self.ids))))


def released_state(num_keypoints: int = K) -> dict[str, torch.Tensor]:
    """A state dict with the names and shapes of the released encoder, and some of a decoder."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {"decoder.alpha": torch.ones(1)}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        state[f"encoder.detector.conv.{name}.weight"] = torch.randn(outputs, inputs, 3, 3) * (0.3 / inputs**0.5)
        state[f"encoder.detector.conv.{name}.bias"] = torch.randn(outputs) * 0.1

    def norm(name: str, width: int) -> None:
        prefix = f"encoder.detector.conv.{name}."
        for part in ("bias", "running_mean"):
            state[prefix + part] = torch.randn(width) * 0.1
        for part in ("weight", "running_var"):
            state[prefix + part] = torch.rand(width) + 0.5
        state[prefix + "num_batches_tracked"] = torch.tensor(7)

    for stage, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        if stage < 4:
            for name, width in (
                (f"{stage}.conv_res.0", inputs),
                (f"{stage}.net.0", inputs),
                (f"{stage}.net.4", outputs),
            ):
                convolution(name, width, outputs)
            for name in ("conv_res.2", "net.2", "net.5"):
                norm(f"{stage}.{name}", outputs)
        else:
            convolution(f"{stage}.net.1", inputs, outputs)
            norm(f"{stage}.net.2", outputs)
    convolution("6", WIDTHS[-1], num_keypoints)
    state["encoder.detector.conv.6.weight"] *= 20
    ticks = torch.linspace(-1, 1, 32)
    state["encoder.detector.coord"] = torch.stack(torch.meshgrid(ticks, ticks, indexing="ij"), dim=-1).reshape(
        1, 1, 1024, 2
    )
    return state


def released_keypoints(state: dict[str, torch.Tensor], pixels: Any) -> Any:
    """What the released encoder makes of images in [0, 1], written with functions from its description."""
    double = {name.removeprefix("encoder.detector.conv."): tensor.double() for name, tensor in state.items()}

    def convolution(name: str, hidden: Any) -> Any:
        return functional.conv2d(hidden, double[f"{name}.weight"], double[f"{name}.bias"], padding=1)

    def norm(name: str, hidden: Any) -> Any:
        mean, var = double[f"{name}.running_mean"], double[f"{name}.running_var"]
        return functional.batch_norm(hidden, mean, var, double[f"{name}.weight"], double[f"{name}.bias"])

    def resize(hidden: Any, factor: float) -> Any:
        return functional.interpolate(hidden, scale_factor=factor, mode="bilinear", align_corners=False)

    hidden = (torch.from_numpy(pixels).double() - 0.5) / 0.5
    for stage in range(4):
        short = norm(f"{stage}.conv_res.2", resize(convolution(f"{stage}.conv_res.0", hidden), 0.5))
        long = norm(f"{stage}.net.2", resize(convolution(f"{stage}.net.0", hidden), 0.5))
        long = norm(f"{stage}.net.5", convolution(f"{stage}.net.4", functional.leaky_relu(long, 0.2)))
        hidden = functional.leaky_relu(short + long, 0.2)
    for stage in (4, 5):
        hidden = convolution(f"{stage}.net.1", resize(hidden, 2))
        hidden = functional.leaky_relu(norm(f"{stage}.net.2", hidden), 0.2)
    maps = convolution("6", hidden).flatten(2).softmax(dim=2)
    return torch.einsum("bkp,pc->bkc", maps, state["encoder.detector.coord"].double()[0, 0]).numpy()


def save(path: Path, state: dict[str, Any], **more: Any) -> Path:
    """A checkpoint as PyTorch Lightning 1.5 writes it."""
    whole = {
        "epoch": 3,
        "global_step": 20001,
        "pytorch-lightning_version": "1.5.10",
        "state_dict": state,
        "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_path": "model.ckpt"}},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"n_parts": 4, "missing": 0.8, "block": 16, "thick": 5e-2},
    }
    torch.save(whole | more, path)
    return path


def test_a_checkpoint_is_run_over_both_splits_as_the_released_encoder_would(tmp_path: Path) -> None:
    made, state = splits(), released_state()
    path = save(tmp_path / "model.ckpt", state)
    sizes: list[int] = []

    def images(split: Any, size: int) -> Pictures:
        sizes.append(size)
        return Pictures(made[split].ids)

    joined = join(AutoLinkOutputs().read(request(path, splits=made, images=images)), made)
    assert sizes == [128, 128]
    for split, truth in made.items():
        values = released_keypoints(state, Pictures(truth.ids).load(range(len(truth.ids))).pixels)
        expected = swapped(values) * 0.5 + 0.5  # as the released evaluation has it
        assert np.ptp(expected, axis=0).max() > 0.01, split
        np.testing.assert_allclose(joined.of(truth.ids), expected, atol=2e-6)


@pytest.mark.parametrize("form", ["npz", "npy", "pt"])
def test_arrays_in_the_order_of_the_split(tmp_path: Path, form: str) -> None:
    made = splits()
    points = {"train": keypoints(20), "test": keypoints(12, seed=4)}
    paths = [tmp_path / f"{name}.{form}" for name in points]
    for path, values in zip(paths, points.values(), strict=True):
        written = (2 * swapped(values) - 1).astype(np.float32)
        if form == "npz":
            np.savez(path, det_keypoints=written, keypoints=np.zeros((len(values), 5, 2)))
        elif form == "npy":
            np.save(path, written)
        else:
            torch.save({"det_keypoints": torch.from_numpy(written)}, path)
    joined = join(AutoLinkOutputs().read(request(*paths, splits=made)), made)
    np.testing.assert_allclose(joined.of(made["regress"].ids), points["train"], atol=1e-6)
    np.testing.assert_allclose(joined.of(made["test"].ids), points["test"], atol=1e-6)


def test_the_ends_of_the_range_are_the_borders_as_in_the_released_evaluation(tmp_path: Path) -> None:
    np.save(tmp_path / "test.npy", np.tile([[-1.0, 1.0], [1.0, -1.0]], (12, 2, 1)))
    (found,) = AutoLinkOutputs().read(request(tmp_path / "test.npy"))
    np.testing.assert_allclose(found.keypoints[0, :2], [[1.0, 0.0], [0.0, 1.0]])


def _transposed(state: dict[str, torch.Tensor]) -> None:
    grid = state["encoder.detector.coord"]
    state["encoder.detector.coord"] = grid.flip(-1)


def _nan(state: dict[str, torch.Tensor]) -> None:
    state["encoder.detector.conv.2.net.0.weight"][0, 0, 0, 0] = torch.nan


def _without(name: str) -> Any:
    return lambda state: state.pop(name)


def _renamed(state: dict[str, torch.Tensor]) -> None:
    for name in [name for name in state if name.startswith("encoder")]:
        state["model." + name] = state.pop(name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_transposed, "(y, x) from -1 to 1, row by row; got one of shape (1, 1, 1024, 2)"),
        (_without("encoder.detector.coord"), "got none"),
        (_nan, "holds numbers that are not finite"),
        (_without("encoder.detector.conv.3.net.4.bias"), "is not that of AutoLink"),
        (_without("encoder.detector.conv.0.net.0.weight"), "expected the layers of AutoLink's"),
        (_renamed, "expected encoder.detector.* of AutoLink"),
    ],
)
def test_refuses_checkpoints_of_another_network(tmp_path: Path, spoil: Any, message: str) -> None:
    state = released_state()
    spoil(state)
    assert message in refusal(AutoLinkOutputs(), request(save(tmp_path / "model.ckpt", state)))


def test_refuses_checkpoints_of_another_number_of_keypoints(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt", released_state(6))
    assert "finds K=6 keypoints, the task has K=4" in refusal(AutoLinkOutputs(), request(path))


def test_a_trap_in_a_checkpoint_is_named_and_not_sprung(tmp_path: Path) -> None:
    path = save(tmp_path / "model.ckpt", released_state(), callbacks=Trap(tmp_path / "sprung"))
    message = refusal(AutoLinkOutputs(), request(path))
    assert "code in a file is never run" in message and "weights.ckpt" in message
    assert not (tmp_path / "sprung").exists()


def test_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    broken, bare = tmp_path / "broken.ckpt", tmp_path / "bare.ckpt"
    broken.write_bytes(b"PK\x03\x04 nothing")
    torch.save(torch.zeros(3), bare)
    assert "a checkpoint could not be read" in refusal(AutoLinkOutputs(), request(broken))
    assert "holds no state_dict" in refusal(AutoLinkOutputs(), request(bare))
    assert "expected one checkpoint alone" in refusal(AutoLinkOutputs(), request(bare, broken))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda values: values / 2 + 0.5, "none below 0"),
        (lambda values: values * 64 + 64, "expected -1 to 1"),
        (lambda values: values * np.nan, "row 0, keypoint 0 is not finite"),
        (lambda values: values[:, :3], "got K=3 keypoints per image, the task has K=4"),
        (lambda values: values.reshape(12, 8), "expected numbers (N, K, 2)"),
        (lambda values: values.astype(str), "expected numbers"),
    ],
)
def test_refuses_arrays(tmp_path: Path, spoil: Any, message: str) -> None:
    np.savez(tmp_path / "test.npz", det_keypoints=spoil(2 * swapped(keypoints(12)) - 1))
    assert message in refusal(AutoLinkOutputs(), request(tmp_path / "test.npz"))


def test_refuses_a_file_whose_arrays_have_other_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", kp=keypoints(12), img=np.zeros(3))
    message = refusal(AutoLinkOutputs(), request(tmp_path / "test.npz"))
    assert "holds kp, img, expected det_keypoints or keypoints" in message
