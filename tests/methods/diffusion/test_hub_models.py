"""Models named by a hub id: the hub's cache, offline mode, revisions, and what is fetched from the hub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from methods import hub as model_hub
from methods.base import MethodError
from methods.diffusion.weights import ModelFiles
from tests.methods.diffusion.hub_server import HubServer
from tests.methods.tiny_pipeline import edit, loaded

MODEL = "someone/small-diffusion"
FIRST, SECOND = "a" * 40, "b" * 40
PARTS = ("unet", "vae", "scheduler")
WEIGHTS = {f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae")}

# Fails where anything is asked of a network.
DEAF = """
import socket
def refuse(*_):
    raise SystemExit("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
"""


@pytest.fixture
def cache(layouts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with two commits of one model, offline: main is the first, the branch next the second."""
    store = tmp_path / "hub" / "models--someone--small-diffusion"
    for commit in (FIRST, SECOND):
        shutil.copytree(layouts["sd1"][0], store / "snapshots" / commit)
    edit(store / "snapshots" / SECOND / "scheduler" / "scheduler_config.json", beta_end=0.02)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(FIRST)
    (store / "refs" / "next").write_text(SECOND)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return store


@pytest.fixture
def hub(layouts, tmp_path: Path) -> Iterator[HubServer]:
    """A hub with one model, whose repository also has files that are not read: pickles and half precision."""
    repository = Path(shutil.copytree(layouts["sd1"][0], tmp_path / "repository"))
    for name in ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.safetensors"):
        (repository / "unet" / name).write_bytes(b"not read")
    (repository / "v1-5-pruned.ckpt").write_bytes(b"not read")
    with HubServer(MODEL, {FIRST: repository}, {"main": FIRST, "next": FIRST}) as server:
        yield server


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code as a user would, with this hub cache and environment."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    variables = {"HF_HUB_CACHE": str(folder / "hub"), "HF_HOME": str(folder / "home"), **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=clean | variables, capture_output=True, text=True, check=False)


def files(model: str = MODEL, revision: str | None = None) -> ModelFiles:
    return ModelFiles(model, revision, "tiny")


def ask(
    call: str, folder: Path, server: HubServer | None = None, of: ModelFiles | None = None, **environment: str
) -> Any:
    """The result of a method of ModelFiles in a new process, or the message of its MethodError."""
    code = (
        "import json\nfrom methods.base import MethodError\nfrom methods.diffusion.weights import ModelFiles\n"
        f"try:\n    print(json.dumps({of or files()}.{call}, default=str))\n"
        "except MethodError as error:\n    print(json.dumps(str(error)))\n"
    )
    endpoint = {"HF_ENDPOINT": server.url} if server else {}
    done = python(code if server else DEAF + code, folder, **endpoint, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("revision", "commit"), [(None, FIRST), ("main", FIRST), ("next", SECOND), (SECOND, SECOND)])
def test_a_revision_is_its_commit(revision: str | None, commit: str, cache: Path):
    assert files(revision=revision).identity(PARTS) == {"model": MODEL, "revision": commit}
    parts = loaded(MODEL, revision=revision, timestep=500)
    assert parts.signal == loaded(cache / "snapshots" / commit, timestep=500).signal
    assert (parts.signal == loaded(MODEL, timestep=500).signal) is (commit == FIRST)


def test_a_cached_model_is_the_folders(cache: Path, layouts):
    found, expected = loaded(MODEL, keep_null_tokens=True), loaded(layouts["sd1"][0], keep_null_tokens=True)
    torch.testing.assert_close(found.unet.state_dict(), expected.unet.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(found.null_tokens, expected.null_tokens, rtol=0, atol=0)
    assert files().image_side() == 512


def test_half_precision_of_a_commit_is_another_identity(cache: Path):
    for part in ("unet", "vae"):
        folder = cache / "snapshots" / FIRST / part
        (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.fp16.safetensors")
    assert files().identity(PARTS) == {"model": MODEL, "revision": FIRST, "variant": "fp16"}
    assert loaded(MODEL).unet.dtype == torch.float32


@pytest.mark.parametrize(
    ("model", "revision", "where"),
    [(MODEL, "v9", "small-diffusion"), ("someone/nothing", None, "nothing"), (MODEL, "c" * 40, "small-diffusion")],
)
def test_what_is_not_cached_is_missing_offline(model: str, revision: str | None, where: str, cache: Path):
    for attempt in (
        lambda: files(model, revision).identity(PARTS),
        lambda: files(model, revision).image_side(),
        lambda: loaded(model, revision=revision),
    ):
        with pytest.raises(MethodError, match="HF_HUB_OFFLINE is set") as caught:
            attempt()
        message = str(caught.value)
        assert f"no usable weights of '{model}' at {cache.parent / ('models--someone--' + where)} (" in message
        assert revision is None or f"revision '{revision}'" in message
        assert "hf download stable-diffusion-v1-5/stable-diffusion-v1-5" in message
        assert "\n" not in message


def test_a_commit_with_a_part_missing_is_missing_offline(cache: Path):
    (cache / "snapshots" / FIRST / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(MethodError, match="HF_HUB_OFFLINE is set"):
        loaded(MODEL)
    with pytest.raises(MethodError, match="HF_HUB_OFFLINE is set"):
        files().identity(PARTS)


@pytest.mark.parametrize("offline", ["0", "1"])
def test_nothing_is_asked_of_a_network_for_what_is_cached(offline: str, cache: Path, tmp_path: Path):
    call = f"identity({PARTS})"
    assert ask(call, tmp_path, HF_HUB_OFFLINE=offline) == {"model": MODEL, "revision": FIRST}
    assert ask("image_side()", tmp_path, HF_HUB_OFFLINE=offline) == 512


@pytest.mark.slow
def test_loading_offline_as_a_user_does(cache: Path, tmp_path: Path):
    code = (
        f"{DEAF}\nimport torch\nfrom tests.methods.tiny_pipeline import loaded\n"
        f"parts = loaded({MODEL!r}, revision='next', keep_null_tokens=True)\n"
        "print(parts.token_width, tuple(parts.null_tokens.shape))"
    )
    done = python(code, tmp_path, HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout.strip()) == (0, "32 (8, 32)"), done.stderr


def test_only_what_is_read_is_fetched_and_then_cached(hub: HubServer, tmp_path: Path):
    call = f"identity({PARTS})"
    assert ask(call, tmp_path, hub) == {"model": MODEL, "revision": FIRST}
    assert hub.handed_out
    assert all(name.endswith((".json", ".txt")) for name in hub.handed_out)
    folder = Path(ask(f"fetch({PARTS})", tmp_path, hub))
    assert folder == tmp_path / "hub" / "models--someone--small-diffusion" / "snapshots" / FIRST
    fetched = [name for name in hub.handed_out if not name.endswith((".json", ".txt"))]
    assert sorted(fetched) == sorted(WEIGHTS)
    assert ask(call, tmp_path) == {"model": MODEL, "revision": FIRST}
    assert ask(f"fetch({PARTS})", tmp_path) == str(folder)
    assert loaded(folder).token_width == 32


def test_a_commit_found_once_stays_when_the_hub_moves_on(hub: HubServer, tmp_path: Path):
    ask(f"identity({PARTS})", tmp_path, hub)
    hub.commits[SECOND] = hub.commits[FIRST]
    hub.branches["main"] = SECOND
    assert Path(ask(f"fetch({PARTS})", tmp_path, hub)).name == FIRST
    assert ask(f"identity({PARTS})", tmp_path, hub, files(revision=SECOND))["revision"] == SECOND


def test_what_the_hub_refuses_is_said(hub: HubServer, tmp_path: Path):
    def message(model: str, revision: str | None = None) -> str:
        found = ask(f"identity({PARTS})", tmp_path, hub, files(model, revision))
        assert isinstance(found, str)
        assert "\n" not in found
        return found

    assert f"{hub.url}/someone/nothing (no such repository, or a private one: hf auth login)" in message(
        "someone/nothing"
    )
    assert "(no such revision, revision 'v9')" in message(MODEL, "v9")
    shutil.rmtree(hub.commits[FIRST] / "vae")
    assert "no .safetensors file for vae" in message(MODEL)
    hub.gated = True
    assert "accept its licence there, then hf auth login" in message(MODEL, "next")


def test_a_repository_of_pickles_is_refused(hub: HubServer, tmp_path: Path):
    for file in (hub.commits[FIRST] / "unet").glob("*.safetensors"):
        file.unlink()
    found = ask(f"fetch({PARTS})", tmp_path, hub)
    assert "no .safetensors file, only diffusion_pytorch_model.bin" in found
    assert f"download it (hf download {MODEL} --local-dir FOLDER), then convert" in found
    assert not any(name.endswith((".bin", ".safetensors")) for name in hub.handed_out)


def test_a_hub_out_of_reach_is_said(tmp_path: Path):
    with HubServer(MODEL, {}, {}) as closed:
        pass
    assert "the hub cannot be reached: ConnectError" in ask(f"identity({PARTS})", tmp_path, closed)


@pytest.mark.slow
def test_a_hub_that_does_not_answer_is_given_up_soon(tmp_path: Path):
    silent = HubServer(MODEL, {}, {})
    before = time.monotonic()
    assert "the hub cannot be reached" in ask(f"identity({PARTS})", tmp_path, silent)
    assert time.monotonic() - before < 3 * model_hub.TIMEOUT
