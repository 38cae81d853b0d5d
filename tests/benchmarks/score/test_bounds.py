"""Hostile files given to the command itself: status 2 and one line, before anything is scored."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.methods.adapters.test_bounds import START, nested

Score = Callable[..., tuple[int, str, str]]


def make(path: Path) -> None:
    """The file that its name describes."""
    match path.name:
        case "deep.mat":
            path.write_bytes(START + nested(5_000))
        case "raw.npz":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("a", "notnpy")
        case "meta.pt":
            torch.save(torch.empty(2, 4, 2, device="meta"), path)
        case "sparse.pt":
            indices = torch.zeros((3, 1), dtype=torch.long)
            torch.save(torch.sparse_coo_tensor(indices, torch.ones(1), (10**5, 10**5, 100)), path)
        case "field.csv":
            path.write_text("a,b\n" + "9" * 200_000 + ",1\n")
        case "columns.csv":
            path.write_text(",".join(["1"] * 2_000_001) + "\n")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deep.mat", "has 65 values within each other, expected at most 64"),
        ("raw.npz", "member 'a' is no array; save numbers of one shape"),
        ("meta.pt", "has a shape but no numbers (device meta)"),
        ("sparse.pt", "is stored as sparse_coo, expected a dense tensor; save tensor.to_dense()"),
        ("field.csv", "line 2: field larger than field limit (131072); expected numbers and names"),
        ("columns.csv", "has 2,000,001 columns, expected at most 20,000"),
    ],
)
def test_a_hostile_file_is_one_line(tmp_path: Path, score: Score, name: str, message: str) -> None:
    path, truth = tmp_path / name, tmp_path / "truth.npy"
    make(path)
    np.save(truth, np.random.default_rng(0).random((2, 4, 2)))
    files: list[Any] = ["--fit-pred", path, "--fit-gt", truth, "--test-pred", path, "--test-gt", truth]
    status, out, error = score(*files)
    assert (status, out) == (2, "")
    assert error.startswith(f"error: {path}") and message in error and error.count("\n") == 1


@pytest.mark.parametrize("length", [201, 300, 100_000])
def test_a_long_name_is_refused_before_anything_is_scored(tmp_path: Path, score: Score, length: int) -> None:
    status, out, error = score(
        *("--task", "cub_001", "--profile", "mini", "--predictions", tmp_path / "no.parquet"),
        *("--record", tmp_path / "runs", "--method", "a" * length),
    )
    assert (status, out) == (2, "") and len(error) < 400
    assert f"the name has {length} characters, expected at most 200" in error
    assert not (tmp_path / "runs").exists()
