"""An interrupted fit resumes to the same bytes, after a signal or a kill, and only from its own checkpoint."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.base import MethodError
from methods.checkpoints import FILE, CheckpointFile, content_sha256
from methods.stable_keypoints import StableKeypoints, StableKeypointsConfig
from methods.stable_keypoints.state import State
from tests.methods.tiny_pipeline import ArrayImages, blobs

K = 3
STEPS = 7
SETTINGS: dict[str, Any] = {
    "preset": "official",
    "num_tokens": 8,
    "kappa": 5,
    "map_size": 16,
    "steps": STEPS,
    "batch_size": 2,
    "selection_images": 5,
    "predict_batch": 2,
    "test_augmentations": 0,
    "timestep": 200,
    "checkpoint_every": 2,
}
Seen = list[tuple[int, dict[str, float]]]

# Fits, says each step, and waits for a line of input at step 5.
PROGRAM = """
import sys
import torch
from pathlib import Path
torch.set_num_threads(int(sys.argv[3]))
from tests.methods.test_checkpoints import make, images
method = make(Path(sys.argv[1]))
method.checkpoints = Path(sys.argv[2])
def report(done, total, **scalars):
    if done == 5:
        print(done, flush=True)
        sys.stdin.readline()
method.fit(images(), 3, 0, report)
"""


def make(pipeline: Path, **settings: Any) -> StableKeypoints:
    return StableKeypoints(StableKeypointsConfig(**{"model": str(pipeline), **SETTINGS, **settings}))


def images(count: int = 5) -> ArrayImages:
    return ArrayImages(blobs(count))


def learn(pipeline: Path, folder: Path | None, seen: Seen | None = None, **settings: Any) -> StableKeypoints:
    method = make(pipeline, **settings)
    method.checkpoints = folder
    method.fit(
        images(), K, 0, lambda done, total, **scalars: (seen if seen is not None else []).append((done, scalars))
    )
    return method


def bits(method: StableKeypoints) -> tuple[bytes, list[int]]:
    _, tokens, chosen = method._learned()
    return tokens.cpu().numpy().tobytes(), chosen.tolist()


def steps_kept(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / FILE, framework="pt") as file:
        return len(file.get_tensor("history"))


@pytest.fixture(scope="module")
def whole(pipeline: Path) -> tuple[tuple[bytes, list[int]], Seen]:
    """The result of a fit without interruption or checkpoints."""
    torch.set_num_threads(torch.get_num_threads())  # as the other process does, lest sums be split otherwise
    seen: Seen = []
    return bits(learn(pipeline, None, seen)), seen


def test_a_killed_process_is_continued_to_the_same_bytes(pipeline: Path, tmp_path: Path, repository: Path, whole):
    folder = tmp_path / "some" / "fit.partial"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(pipeline), str(folder), str(torch.get_num_threads())],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "5"
    process.kill()
    _, err = process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL, err
    assert steps_kept(folder) == 4
    seen: Seen = []
    assert bits(learn(pipeline, folder, seen)) == whole[0]
    assert seen == whole[1]


@pytest.mark.parametrize(
    ("number", "at"),
    [(signal.SIGINT, 1), (signal.SIGTERM, STEPS), (signal.SIGINT, STEPS + 1), (signal.SIGTERM, STEPS + 2)],
)
def test_interrupted_at_any_stage(pipeline: Path, tmp_path: Path, whole, number: signal.Signals, at: int):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    method = make(pipeline)
    method.checkpoints = tmp_path
    seen: list[int] = []

    def report(done: int, total: int, **scalars: float) -> None:
        seen.append(done)
        if done == at:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        method.fit(images(), K, 0, report)
    assert seen[-1] == (at if at <= STEPS else at + 1)  # the batch on its way is finished
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    again: Seen = []
    assert bits(learn(pipeline, tmp_path, again)) == whole[0]
    assert again[:STEPS] == whole[1][:STEPS]


def test_a_signal_after_the_last_step_is_not_lost(pipeline: Path, tmp_path: Path, whole):
    method = make(pipeline)
    method.checkpoints = tmp_path

    def report(done: int, total: int, **scalars: float) -> None:
        if done == total:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        method.fit(images(), K, 0, report)
    assert bits(learn(pipeline, tmp_path)) == whole[0]


def test_the_handler_that_was_there_before_decides(pipeline: Path, tmp_path: Path):
    class Ended(BaseException):
        pass

    def end(number: int, frame: object) -> None:
        raise Ended(number)

    method = make(pipeline)
    method.checkpoints = tmp_path
    before = signal.signal(signal.SIGTERM, end)
    try:
        with pytest.raises(Ended):
            method.fit(images(), K, 0, lambda *_, **__: signal.raise_signal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps_kept(tmp_path) == 1


def test_a_second_signal_counts_at_once(pipeline: Path, tmp_path: Path):
    method = make(pipeline)
    method.checkpoints = tmp_path

    def report(done: int, total: int, **scalars: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("not reached")

    with pytest.raises(KeyboardInterrupt):
        method.fit(images(), K, 0, report)
    assert not list(tmp_path.iterdir())


def broken_off(pipeline: Path, folder: Path, **settings: Any) -> None:
    """Leave a checkpoint of the first steps."""
    method = make(pipeline, **settings)
    method.checkpoints = folder

    def report(done: int, total: int, **scalars: float) -> None:
        if done == 3:
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        method.fit(images(), K, 0, report)
    assert steps_kept(folder) == 2


@pytest.mark.parametrize("change", [{"learning_rate": 0.1}, {"steps": 6}, {"timestep": 100}])
def test_of_other_settings(pipeline: Path, tmp_path: Path, whole, caplog: pytest.LogCaptureFixture, change: dict):
    broken_off(pipeline, tmp_path, **change)
    assert bits(learn(pipeline, tmp_path)) == whole[0]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / FILE} belongs to another fit (it differs in {next(iter(change))}); this fit starts from the "
        "beginning"
    ]


def test_of_other_images_seed_or_number_of_keypoints(pipeline: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for what, count, seed, keypoints in (("images", 4, 0, 3), ("seed", 5, 1, 3), ("num_keypoints", 5, 0, 2)):
        broken_off(pipeline, tmp_path)
        method = make(pipeline)
        method.checkpoints = tmp_path
        method.fit(images(count), keypoints, seed, lambda *_, **__: None)
        assert f"another fit (it differs in {what})" in caplog.messages[-1]


def test_settings_of_predict_and_how_often_to_keep_do_not_matter(pipeline: Path, tmp_path: Path, whole, caplog):
    broken_off(pipeline, tmp_path)
    assert bits(learn(pipeline, tmp_path, checkpoint_every=3, test_augmentations=4)) == whole[0]
    assert not caplog.records
    assert "checkpoint_every" not in make(pipeline).config.model_dump()


@pytest.mark.parametrize("kept", [4, 0.5])
def test_a_truncated_checkpoint(pipeline: Path, tmp_path: Path, whole, caplog: pytest.LogCaptureFixture, kept: float):
    broken_off(pipeline, tmp_path)
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    assert bits(learn(pipeline, tmp_path)) == whole[0]
    assert len(caplog.messages) == 1
    assert "is broken" in caplog.messages[0]


def test_a_checkpoint_with_a_flipped_bit(pipeline: Path, tmp_path: Path, whole, caplog: pytest.LogCaptureFixture):
    broken_off(pipeline, tmp_path)
    data = bytearray((tmp_path / FILE).read_bytes())
    data[-3] ^= 1  # in a number of the last tensor
    (tmp_path / FILE).write_bytes(data)
    assert bits(learn(pipeline, tmp_path)) == whole[0]
    assert len(caplog.messages) == 1
    assert "is broken (it has changed since it was written)" in caplog.messages[0]


def test_the_sha256_of_tensors_tells_names_shapes_types_and_values_apart():
    zeros, whole = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.int32)
    one = zeros.clone()
    one[1, 2] = 1e-45
    found = [{"a": zeros}, {"b": zeros}, {"a": zeros.reshape(3, 2)}, {"a": one}, {"a": zeros, "b": zeros}, {}]
    found += [{"a": torch.tensor(0.0)}, {"a": torch.zeros(2, 3, dtype=torch.bfloat16)}, {"a": whole}]
    assert len({content_sha256(tensors) for tensors in found}) == len(found)


def test_a_full_disk(pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken_off(pipeline, tmp_path)
    before = (tmp_path / FILE).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("methods.checkpoints.os.fsync", full)
    with pytest.raises(MethodError, match=r"cannot write checkpoint .*: No space left on device; .*=0$") as caught:
        learn(pipeline, tmp_path)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_cannot_be_made(pipeline: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MethodError, match="cannot write checkpoint .*Not a directory"):
        learn(pipeline, tmp_path / "file" / "fit.partial")


def test_nothing_is_kept_unless_asked_for(pipeline: Path, tmp_path: Path, whole):
    assert bits(learn(pipeline, tmp_path / "fit", checkpoint_every=0)) == whole[0]
    assert not (tmp_path / "fit").exists()


def test_outside_the_main_thread(pipeline: Path, tmp_path: Path, whole):
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(bits(learn(pipeline, tmp_path))))
    thread.start()
    thread.join()
    assert found == [whole[0]]


def test_the_loss_that_diverges_is_not_kept(pipeline: Path, tmp_path: Path):
    with pytest.raises(MethodError, match="the loss is nan at step 2"):
        learn(pipeline, tmp_path, learning_rate=1e30, checkpoint_every=1)
    state = State.read(CheckpointFile(tmp_path, {}))
    assert state is None  # of another fit
    assert steps_kept(tmp_path) == 1
    assert np.isfinite(learn(pipeline, None, steps=1)._learned()[1].numpy()).all()
