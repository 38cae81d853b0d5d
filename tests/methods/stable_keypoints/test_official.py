"""Files of tokens, the released code's and ours: reading, use without learning, writing; no pickle is executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.errors import UserError
from benchmarks.records.digests import FitRecord, write_fit
from benchmarks.records.export import export
from benchmarks.run.plan import Request, make_plan
from benchmarks.tasks import TASKS
from methods.base import MethodError
from methods.stable_keypoints import StableKeypoints, official
from methods.stable_keypoints.random_tokens import RandomTokens
from tests.leaderboard.synthetic import record
from tests.methods.test_checkpoints import images, learn, make
from tests.methods.tiny_pipeline import TOKEN_WIDTH, build_pipeline

K = 3
EMBEDDING, INDICES = "embedding.pt", "indices.pt"


@pytest.fixture(scope="module")
def fit(pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit."""
    folder = tmp_path_factory.mktemp("fit")
    learn(pipeline, None).save(folder)
    return folder


def release(folder: Path, embedding: Any = None, indices: Any = None) -> Path:
    """Files as the released code writes them: a leaf that requires a gradient, ids of chosen tokens."""
    folder.mkdir(exist_ok=True)
    if embedding is None:
        embedding = torch.randn(1, 6, TOKEN_WIDTH, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    torch.save(embedding, folder / EMBEDDING)
    torch.save(torch.tensor([4, 0, 2]) if indices is None else indices, folder / INDICES)
    return folder


def take(pipeline: Path, tokens: Path, num_keypoints: int = K, **settings: Any) -> StableKeypoints:
    method = make(pipeline, tokens=str(tokens), **settings)
    method.fit(images(), num_keypoints, 0, lambda *_, **__: None)
    return method


def test_the_released_codes_tokens_predict_without_a_step(pipeline: Path, tmp_path: Path):
    tokens = torch.load(release(tmp_path / "official") / EMBEDDING, weights_only=True)[0].detach()
    method = take(pipeline, tmp_path / "official")
    learner, taken, chosen = method._learned()
    assert torch.equal(taken, tokens)
    assert chosen.tolist() == [4, 0, 2]
    batch = images().load(range(5))
    expected = learner.locate(tokens, torch.tensor([4, 0, 2]), batch.ids, torch.tensor(batch.pixels))
    assert method.predict(batch).tobytes() == expected.tobytes()
    (tmp_path / "saved").mkdir()
    method.save(tmp_path / "saved")
    again = make(pipeline, tokens=str(tmp_path / "official"))
    again.load(tmp_path / "saved")
    assert again.predict(batch).tobytes() == expected.tobytes()


def test_a_fit_of_ours_is_taken_and_goes_there_and_back(pipeline: Path, fit: Path, tmp_path: Path):
    batch = images().load(range(5))
    expected = take(pipeline, fit).predict(batch).tobytes()
    line = export(fit, tmp_path / "exported")
    assert str(tmp_path / "exported" / EMBEDDING) in line
    embedding, indices = (torch.load(tmp_path / "exported" / name, weights_only=True) for name in (EMBEDDING, INDICES))
    assert (embedding.shape, embedding.dtype) == ((1, 8, TOKEN_WIDTH), torch.float32)
    assert (indices.shape, indices.dtype) == ((K,), torch.int64)
    assert take(pipeline, tmp_path / "exported").predict(batch).tobytes() == expected
    ours, theirs = make(pipeline), take(pipeline, fit)
    ours.load(fit)
    assert ours.predict(batch).tobytes() == theirs.predict(batch).tobytes() == expected


def test_what_is_in_the_files_identifies_a_fit_and_not_where_they_are(pipeline: Path, tmp_path: Path):
    release(tmp_path / "one")
    same = make(pipeline, tokens=str(release(tmp_path / "two"))).identity()
    assert make(pipeline, tokens=str(tmp_path / "one")).identity() == same
    assert set(same["tokens_sha256"]) == {EMBEDDING, INDICES}
    release(tmp_path / "two", indices=torch.tensor([4, 2, 0]))
    assert make(pipeline, tokens=str(tmp_path / "two")).identity() != same
    assert "tokens_sha256" not in make(pipeline).identity()
    assert RandomTokens(make(pipeline, tokens=str(tmp_path / "one")).config).config.tokens is None


def test_labels_name_the_tokens_but_not_those_of_the_floor(pipeline: Path, tmp_path: Path):
    folder = release(tmp_path / "celeba_k10")
    settings = [f"stable_keypoints.model={pipeline}", f"stable_keypoints.tokens={folder}"]
    plan = make_plan(Request(["stable_keypoints"], [TASKS["cub_001"]], "mini", assignments=settings))
    labels = {cell.method: cell.label for cell in plan.cells}
    assert "tokens=celeba_k10" in labels["stable_keypoints"]
    assert "tokens" not in labels["random_tokens"].replace("Random tokens", "")


class Payload:
    """Unpickling this makes a file, if anything is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def mistakes() -> dict[str, tuple[Any, Any, str]]:
    tokens = torch.randn(1, 6, TOKEN_WIDTH)
    ids = torch.tensor([0, 1, 2])
    return {
        "wrong width": (torch.randn(1, 6, 768), ids, f"are 768 wide, expected {TOKEN_WIDTH} of"),
        "no batch axis": (tokens[0], ids, r"embedding.pt has shape \(6, 32\), expected \(1, N, width\)"),
        "two embeddings": (tokens.repeat(2, 1, 1), ids, r"shape \(2, 6, 32\)"),
        "not numbers": (tokens * torch.nan, ids, "not finite"),
        "whole numbers": (tokens.long(), ids, "expected N tokens of floats"),
        "id too high": (tokens, torch.tensor([0, 1, 6]), "indices.pt has token 6, expected ids from 0 to 5"),
        "id below 0": (tokens, torch.tensor([0, 1, -1]), "indices.pt has token -1"),
        "id twice": (tokens, torch.tensor([0, 1, 1]), "more than once"),
        "ids that are floats": (tokens, torch.tensor([0.0, 1.0, 2.0]), "torch.float32, expected ids"),
        "another K": (tokens, torch.tensor([0, 1]), "find 2 keypoints, expected the 3 asked for"),
        "a dictionary": ({"embedding": tokens}, ids, "embedding.pt has a dict, expected one tensor"),
    }


@pytest.mark.parametrize("name", mistakes())
def test_files_that_do_not_fit_are_one_line(pipeline: Path, tmp_path: Path, name: str):
    embedding, indices, message = mistakes()[name]
    with pytest.raises(MethodError, match=message) as caught:
        take(pipeline, release(tmp_path / "official", embedding, indices))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("which", [EMBEDDING, INDICES])
def test_nothing_of_a_foreign_pickle_is_run(pipeline: Path, tmp_path: Path, which: str):
    folder = release(tmp_path / "official")
    pickles = {"zip": lambda path: torch.save(Payload(tmp_path / "ran"), path)}
    pickles["plain"] = lambda path: path.write_bytes(pickle.dumps(Payload(tmp_path / "ran"), 2))
    for write in pickles.values():
        write(folder / which)
        with pytest.raises(MethodError, match=f"{which} has a file that is broken or holds more than a tensor"):
            take(pipeline, folder)
    assert not (tmp_path / "ran").exists()
    # Loaded on purpose: the payload is made here and only touches tmp_path. A dead one would prove nothing.
    pickle.loads((folder / which).read_bytes())
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_broken_files(pipeline: Path, fit: Path, tmp_path: Path, kept: float):
    folder = release(tmp_path / "official")
    (tmp_path / "fit").mkdir()
    for name in (official.TOKENS, official.STATE):
        (tmp_path / "fit" / name).write_bytes((fit / name).read_bytes())
    for path in (folder / EMBEDDING, tmp_path / "fit" / official.TOKENS, tmp_path / "fit" / official.STATE):
        data = path.read_bytes()
        path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
        with pytest.raises(MethodError) as caught:
            take(pipeline, path.parent)
        assert "\n" not in str(caught.value)
        assert str(path.parent) in str(caught.value)
        path.write_bytes(data)


def test_no_tokens_there(pipeline: Path, tmp_path: Path):
    (tmp_path / "other.txt").write_text("")
    for folder, got in ((tmp_path, "it has other.txt"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(MethodError, match=f"no tokens at {folder} .{got}.; expected embedding.pt and indices.pt"):
            make(pipeline, tokens=str(folder)).identity()


def test_tokens_of_other_weights_or_beside_null_tokens(pipeline: Path, fit: Path, tmp_path: Path):
    with pytest.raises(MethodError, match="belong to weights"):
        take(build_pipeline(tmp_path / "other", seed=1), fit)
    (tmp_path / "with_null").mkdir()
    learn(pipeline, None, keep_null_tokens=True, steps=0).save(tmp_path / "with_null")
    with pytest.raises(MethodError, match="belong to weights|keep_null_tokens"):
        take(pipeline, tmp_path / "with_null")
    with pytest.raises(MethodError, match="beside the empty caption's.*fit with .*keep_null_tokens=false"):
        export(tmp_path / "with_null", tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_more_keypoints_than_the_settings_would_learn(pipeline: Path, tmp_path: Path):
    """The settings kappa=5 and num_tokens=8 matter only in learning."""
    folder = release(tmp_path / "official", torch.randn(1, 20, TOKEN_WIDTH), torch.arange(12))
    assert take(pipeline, folder, 12).predict(images().load([0])).shape == (1, 12, 2)


def test_the_command(fit: Path, tmp_path: Path):
    runs = tmp_path / "runs"
    for name in ("one", "two"):
        (runs / "fits" / name).mkdir(parents=True)
        for file in fit.iterdir():
            (runs / "fits" / name / file.name).write_bytes(file.read_bytes())
        write_fit(runs / "fits" / name, name, FitRecord(seconds=1.0))
    made = record("stable_keypoints", "cub_001", 5.0, cell_id="cell", provenance={"fit_id": "two"})
    (runs / "cells" / "cell").mkdir(parents=True)
    (runs / "cells" / "cell" / "result.json").write_text(made.model_dump_json())
    with pytest.raises(UserError, match="has 2 fits; name one of them: .*one, two"):
        export(runs, tmp_path / "a")
    done = CliRunner().invoke(app, ["export", str(runs / "cells" / "cell"), str(tmp_path / "a")])
    assert done.exit_code == 0, done.output
    assert str(runs / "fits" / "two") in done.output
    assert {path.name for path in (tmp_path / "a").iterdir()} == {EMBEDDING, INDICES}
    with pytest.raises(MethodError, match="exists already"):
        export(runs / "fits" / "one", tmp_path / "a")
    with pytest.raises(UserError, match="nothing to export at"):
        export(tmp_path, tmp_path / "b")
    (runs / "fits" / "one").rename(runs / "fits" / "random_tokens--of the baseline")
    assert str(runs / "fits" / "two") in export(runs, tmp_path / "b")
    (runs / "cells" / "cell" / "result.json").write_text('{"provenance": {"fit_id": "gone"}}')
    with pytest.raises(UserError, match="whose fit cannot be exported: .*gone"):
        export(runs / "cells" / "cell", tmp_path / "c")
