"""Where a diffusion pipeline's files are, what its JSON configs say, and which weights it holds. No torch.

A model is ``mini``, a folder in diffusers' layout, or a hub id. A hub id is looked up in the hub's cache first,
without network; only what is not there is fetched, and only the files that are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from methods.base import MethodError

MINI_MODEL = Path(__file__).parent / "mini_model"
EXAMPLE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
STEMS = ("diffusion_pytorch_model", "model")
VARIANTS = (None, "fp16")
WITHOUT_WEIGHTS = {"scheduler", "tokenizer", "tokenizer_2"}
CONFIGS = ("*.json", "*.txt")
# Seconds to wait for the hub to answer at all.
TIMEOUT = 10.0


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


def missing(model: str, where: str, reason: str, remedy: str = "") -> MethodError:
    """The one line that tells a user whose weights are not there what to do."""
    if model == "mini":
        remedy = "restore it from the repository or train it with python -m benchmarks.pretrain train"
    elif not remedy:
        remedy = (
            "give a folder in diffusers' layout (--set stable_keypoints.model=FOLDER), download one where there is a "
            f"network (hf download {EXAMPLE} --include '*.json' --include '*.txt' --include "
            "'*/diffusion_pytorch_model.safetensors' --local-dir FOLDER), or use the small model "
            "(--set stable_keypoints.model=mini)"
        )
    return MethodError(f"stable_keypoints: no usable weights of '{model}' at {where} ({reason}); {remedy}")


def read_config(model: str, revision: str | None, part: str, file: str = "config.json") -> dict[str, Any]:
    """A part's JSON config (``unet``, ``vae``, ``scheduler``), from the folder or the hub's cache or the hub.

    Raises MethodError where it cannot be had.
    """
    name = str(PurePosixPath(part, file))
    folder = locate(model) or _hub_folder(model, revision, (name,))
    try:
        return dict(json.loads((folder / name).read_text()))
    except (OSError, ValueError) as error:
        raise missing(model, str(folder / name), type(error).__name__ + _other_kind(folder)) from error


def image_side(model: str, revision: str | None) -> int:
    """Side in pixels of the images a pipeline was made for: latent side x what the autoencoder shrinks by.

    Raises MethodError where the configs cannot be had or do not say.
    """
    latent_side = read_config(model, revision, "unet").get("sample_size")
    if not isinstance(latent_side, int):
        raise MethodError(
            f"stable_keypoints: sample_size in unet/config.json of '{model}' is {latent_side}, expected the side of "
            "its latents; set stable_keypoints.image_size"
        )
    levels = len(read_config(model, revision, "vae")["block_out_channels"])
    return latent_side * 2 ** (levels - 1)


def empty_caption_is_zero(model: str, revision: str | None) -> bool:
    """Whether the pipeline stands for "no caption" by zeros, as Stable Diffusion XL was trained, not by encoding ''."""
    folder = locate(model) or _hub_folder(model, revision, ("unet/config.json",))
    if not (folder / "model_index.json").is_file():
        return False
    return bool(read_config(model, revision, "", "model_index.json").get("force_zeros_for_empty_prompt", False))


def parts_read(model: str, revision: str | None, keep_null_tokens: bool) -> tuple[str, ...]:
    """The pipeline's parts that maps depend on: text encoders only where the empty caption has to be encoded.

    Raises MethodError where the UNet's config cannot be had.
    """
    parts = ["unet", "vae", "scheduler"]
    pooled = read_config(model, revision, "unet").get("addition_embed_type") == "text_time"
    if pooled and empty_caption_is_zero(model, revision):
        return tuple(parts)
    if keep_null_tokens:
        parts += ["text_encoder", "tokenizer"]
    if pooled:
        parts += ["text_encoder_2", "tokenizer_2"]
    return tuple(parts)


def weight_files(names: Iterable[str]) -> tuple[tuple[str, ...], str | None]:
    """Of the file names of a part those of its weights, and their variant; () where there are none.

    Only safetensors count, whole or as all shards with their index; full precision goes before ``fp16``.
    """
    known = set(names)
    for variant in VARIANTS:
        dot = f".{variant}" if variant else ""
        for stem in STEMS:
            whole, index = f"{stem}{dot}.safetensors", f"{stem}.safetensors.index{dot}.json"
            if whole in known:
                return (whole,), variant
            number = r"-\d+-of-\d+"
            shard = re.compile(rf"{stem}({re.escape(dot)}{number}|{number}{re.escape(dot)})\.safetensors")
            shards = sorted(filter(shard.fullmatch, known))
            if index in known and shards and len(shards) >= int(re.findall(r"-of-(\d+)", shards[0])[0]):
                return (index, *shards), variant
    return (), None


def identity(model: str, revision: str | None, parts: tuple[str, ...]) -> dict[str, Any]:
    """What names the weights: one sha256 over the files read of a folder; of a hub id, the commit it stands for.

    Raises MethodError where there are none, or where a hub id is neither in the cache nor to be reached.
    """
    chosen = {part: _part_weights(model, revision, part) for part in parts if part not in WITHOUT_WEIGHTS}
    folder = locate(model)
    if folder is None:
        commit = _hub_folder(model, revision, ("unet/config.json",)).name
        variants = sorted({variant for _, variant in chosen.values() if variant})
        return {"model": model, "revision": commit} | ({"variant": ", ".join(variants)} if variants else {})
    weights = {folder / part / name for part, (names, _) in chosen.items() for name in names}
    texts = {file for part in parts for file in (folder / part).rglob("*") if file.suffix in {".json", ".txt"}}
    digest = hashlib.sha256()
    for file in sorted(weights | texts):
        digest.update(f"{file.relative_to(folder)}\0{_sha256(file, file.stat().st_mtime_ns)}\0".encode())
    return {"weights_sha256": digest.hexdigest()}


def fetch(model: str, revision: str | None, parts: tuple[str, ...]) -> Path:
    """Folder that holds the configs and weights of ``parts``; a hub id's are fetched where the cache lacks them.

    Raises MethodError where a part has no safetensors, or cannot be had.
    """
    names = tuple(
        f"{part}/{name}"
        for part in parts
        if part not in WITHOUT_WEIGHTS
        for name in (*_part_weights(model, revision, part)[0], "config.json")
    )
    return locate(model) or _hub_folder(model, revision, names)


def _part_weights(model: str, revision: str | None, part: str) -> tuple[tuple[str, ...], str | None]:
    """The weight files of a part and their variant: those that lie there, else those that the hub lists."""
    folder = locate(model)
    here = folder or _hub_folder(model, revision, ("unet/config.json",))
    names = {file.name for file in (here / part).glob("*") if file.is_file()}
    found = weight_files(names)
    if not found[0] and not folder:
        listed = map(PurePosixPath, _listing(model, here.name))
        names = {path.name for path in listed if str(path.parent) == part}
        found = weight_files(names)
    if found[0]:
        return found
    where = str(here / part) if folder else f"{_hub_url()}/{model}"
    pickles = sorted(name for name in names if name.endswith((".bin", ".ckpt")))
    if pickles:
        source = (folder or Path("FOLDER")) / part / pickles[0]
        raise missing(model, where, f"no .safetensors file, only {', '.join(pickles)}", _conversion(model, source))
    raise missing(model, where, f"no .safetensors file for {part}{_other_kind(here)}")


def _conversion(model: str, source: Path) -> str:
    """How to turn a file of pickled weights into safetensors, without running what else is pickled in it."""
    stem = "model" if source.parent.name.startswith("text_encoder") else STEMS[0]
    target = source.with_name(f"{stem}.safetensors")
    first = "" if source.is_file() else f"download it (hf download {model} --local-dir FOLDER), then "
    return (
        f'{first}convert such a file once: python -c "import sys, torch; from safetensors.torch import save_file; '
        "save_file(torch.load(sys.argv[1], map_location='cpu', weights_only=True), sys.argv[2], {'format': 'pt'})\" "
        f"'{source}' '{target}'"
    )


def _other_kind(folder: Path) -> str:
    """What kind of pipeline a folder says it is, where it has no UNet; '' otherwise."""
    try:
        kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if (folder / "unet").is_dir():
        return ""
    return f": it is a {kind}, expected Stable Diffusion 1.x, 2.x or XL, which have a UNet"


def _hub_cache(model: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"


def _hub_url() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _cached(model: str, revision: str | None) -> Path | None:
    """Folder of a revision (``main`` where none is given) in the hub's cache, named after its commit."""
    store = _hub_cache(model)
    reference = store / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    folder = store / "snapshots" / commit if commit else None
    return folder if folder and folder.is_dir() else None


def _hub_folder(model: str, revision: str | None, names: tuple[str, ...]) -> Path:
    """Folder of a commit in the hub's cache that holds ``names``, which are fetched if they are not there."""
    cached = _cached(model, revision)
    if cached and all((cached / name).is_file() for name in names):
        return cached
    commit = cached.name if cached else revision
    folder = Path(_from_hub(model, revision, lambda: _download(model, commit, [*names, *CONFIGS])))
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking:
        raise missing(model, f"{folder} and {_hub_url()}/{model}", f"no {lacking[0]}{_other_kind(folder)}")
    return folder


def _download(model: str, revision: str | None, patterns: list[str]) -> str:
    from huggingface_hub import HfApi, snapshot_download

    # Where nothing answers, the download itself would wait and try again for minutes.
    HfApi().model_info(model, revision=revision, timeout=TIMEOUT)
    return str(snapshot_download(model, revision=revision, allow_patterns=patterns))


@lru_cache
def _listing(model: str, commit: str) -> tuple[str, ...]:
    """Every file of a commit on the hub."""
    from huggingface_hub import HfApi

    ask = partial(HfApi().model_info, model, revision=commit, timeout=TIMEOUT)
    return tuple(file.rfilename for file in _from_hub(model, commit, ask).siblings or [])


def _from_hub(model: str, revision: str | None, ask: Callable[[], Any]) -> Any:
    """The hub's answer; in offline mode it is not asked. Raises MethodError, with what may help, without one."""
    from huggingface_hub import constants

    where = f"{_hub_cache(model)} and {_hub_url()}/{model}"
    named = f", revision '{revision}'" if revision else ""
    if constants.HF_HUB_OFFLINE:
        raise missing(model, str(_hub_cache(model)), f"not all in the hub's cache{named}, and HF_HUB_OFFLINE is set")
    try:
        return ask()
    except Exception as error:  # the hub raises a dozen kinds, from its own to those of its network library
        reason = {
            "GatedRepoError": "accept its licence there, then hf auth login",
            "RepositoryNotFoundError": "no such repository, or a private one: hf auth login",
            "RevisionNotFoundError": "no such revision",
        }.get(type(error).__name__, f"not in the cache, and the hub cannot be reached: {type(error).__name__}")
        raise missing(model, where, reason + named) from error


@lru_cache
def _sha256(file: Path, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
