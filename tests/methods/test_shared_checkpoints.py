"""Two processes with the checkpoint of one fit: neither disturbs the other; a fit without steps has one too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from methods.base import MethodError
from methods.checkpoints import ATTEMPTS, FILE, CheckpointFile
from tests.methods.test_checkpoints import bits, images, learn, make

TENSORS = {"x": torch.arange(3)}


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "fit.partial", {"method": "m"})


def test_a_checkpoint_is_written_where_another_process_removes_the_folder(file, tmp_path, monkeypatch):
    times = []

    def removed(descriptor: int) -> None:
        times.append(descriptor)
        if len(times) < ATTEMPTS:
            shutil.rmtree(tmp_path / "fit.partial")

    monkeypatch.setattr("methods.checkpoints.os.fsync", removed)
    file.write_tensors(TENSORS)
    assert [path.name for path in (tmp_path / "fit.partial").iterdir()] == [FILE]
    assert file.read_tensors()["x"].tolist() == [0, 1, 2]


def test_a_folder_that_never_stays_is_one_line(file, tmp_path, monkeypatch):
    monkeypatch.setattr("methods.checkpoints.os.fsync", lambda descriptor: shutil.rmtree(tmp_path / "fit.partial"))
    with pytest.raises(MethodError, match=r"cannot write checkpoint .*: No such file or directory; make room .*=0$"):
        file.write_tensors(TENSORS)


def test_a_fit_without_steps_keeps_its_selection(pipeline: Path, tmp_path: Path):
    settings: dict[str, Any] = {"steps": 0, "selection_images": 4, "checkpoint_every": 1}
    whole = bits(learn(pipeline, None, **settings))
    method = make(pipeline, **settings)
    method.checkpoints = tmp_path / "fit.partial"

    def stop(done: int, total: int, **scalars: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method.fit(images(), 3, 0, stop)
    assert (tmp_path / "fit.partial" / FILE).exists()
    assert bits(learn(pipeline, tmp_path / "fit.partial", **settings)) == whole
