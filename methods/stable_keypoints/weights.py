"""Where a diffusion pipeline's files are, what its JSON configs say, and which weights it holds. No torch."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from methods.base import MethodError

MINI_MODEL = Path(__file__).parent / "mini_model"


def locate(model: str) -> Path | None:
    """Folder of a model given as ``mini`` or as a path; None where the name is a hub id.

    Raises MethodError where a folder is meant (``mini``, an absolute path, a leading dot) and is not there.
    """
    folder = MINI_MODEL if model == "mini" else Path(model).expanduser()
    if folder.is_dir():
        return folder
    if model == "mini" or model.startswith((".", "~", "/")) or model.count("/") != 1:
        raise missing(model, str(folder), "no such folder")
    return None


def missing(model: str, where: str, reason: str) -> MethodError:
    """The one line that tells a user whose weights are not there what to do."""
    if model == "mini":
        remedy = "restore it from the repository or train it with python -m benchmarks.pretrain train"
    else:
        remedy = (
            "give a folder in diffusers' layout (--set stable_keypoints.model=FOLDER), download one "
            "(hf download sd-legacy/stable-diffusion-v1-5), or use the small model (--set stable_keypoints.model=mini)"
        )
    return MethodError(f"stable_keypoints: no usable weights of '{model}' at {where} ({reason}); {remedy}")


def read_config(model: str, revision: str | None, part: str, file: str = "config.json") -> dict[str, Any]:
    """A part's JSON config (``unet``, ``vae``, ``scheduler``), from the folder or through the hub's cache.

    Raises MethodError where it cannot be had.
    """
    folder = locate(model)
    path = folder / part / file if folder else _from_hub(model, revision, f"{part}/{file}")
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise missing(model, str(path), f"{type(error).__name__}") from error


@lru_cache
def _from_hub(model: str, revision: str | None, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(model, file, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        pass  # not in the cache: ask the hub
    try:
        return Path(hf_hub_download(model, file, revision=revision))
    except Exception as error:  # the hub raises a dozen kinds, from requests to its own
        raise missing(model, "the Hugging Face hub and its local cache", type(error).__name__) from error


def image_side(model: str, revision: str | None) -> int:
    """Side in pixels of the images a pipeline was made for: latent side x what the autoencoder shrinks by."""
    latent_side = read_config(model, revision, "unet")["sample_size"]
    levels = len(read_config(model, revision, "vae")["block_out_channels"])
    return int(latent_side) * 2 ** (levels - 1)


def identity(model: str, revision: str | None, parts: tuple[str, ...]) -> dict[str, Any]:
    """What names the weights: one sha256 over the parts' files of a folder, or hub id and revision."""
    folder = locate(model)
    if folder is None:
        return {"model": model, "revision": revision}
    files = sorted(
        file
        for part in parts
        for file in (folder / part).rglob("*")
        if file.suffix in {".safetensors", ".json", ".txt"}
    )
    if not any(file.suffix == ".safetensors" for file in files):
        raise missing(model, str(folder), f"no .safetensors file under {', '.join(parts)}")
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(folder)}\0{_sha256(file, file.stat().st_mtime_ns)}\0".encode())
    return {"weights_sha256": digest.hexdigest()}


@lru_cache
def _sha256(file: Path, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
