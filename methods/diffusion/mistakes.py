"""Paths given as a diffusion pipeline that hold something else: the reason in words, and the remedy. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHECKPOINTS = {".safetensors", ".ckpt", ".pt", ".pth", ".bin"}
LORA = {"adapter_config.json", "pytorch_lora_weights.safetensors", "adapter_model.safetensors"}
SHARD = re.compile(r"(.+?)-(\d+)-of-(\d+)(\..+)?\.safetensors")
MERGE = (
    "merge it into its base model once (diffusers: load_lora_weights, fuse_lora, save_pretrained) and give the folder "
    "of the merged model"
)


def found_instead(path: Path) -> tuple[str, str]:
    """What ``path`` holds instead of a pipeline with a UNet, and the remedy; '' for each that cannot be told."""
    if path.is_file():
        return _file(path)
    if not path.is_dir() or (path / "unet").is_dir():
        return "", ""
    kind = _class_name(path / "model_index.json")
    if kind:
        return f"it is a {kind}, expected Stable Diffusion 1.x, 2.x or XL, which have a UNet", ""
    names = {file.name for file in path.iterdir()}
    if names & LORA:
        return "it is a LoRA folder: changes to a model, but no model", MERGE
    part = _class_name(path / "config.json")
    if part:
        whole = path.resolve().parent
        remedy = f"give the folder of the pipeline: {whole}" if (whole / "unet" / "config.json").is_file() else ""
        return f"it holds one part of a pipeline: {part}", remedy
    below = sorted(path.glob("*/model_index.json")) + sorted(path.glob("snapshots/*/model_index.json"))
    if below:
        return "the pipeline is in a folder below it", f"give that folder: {below[0].parent}"
    files = [path / name for name in sorted(names) if (path / name).suffix.lower() in {".safetensors", ".ckpt"}]
    if files:
        reason, remedy = _file(files[0])
        return f"no folder in diffusers' layout; of {files[0].name}: {reason}", remedy
    return "", ""


def missing_shards(names: Iterable[str]) -> tuple[str, ...]:
    """Names of the files that a part's sharded weights lack, the index last; () where there are no shards.

    Where all shards are missing their number is unknown, and a pattern stands for them.
    """
    known = set(names)
    for name in sorted(known):
        found = SHARD.fullmatch(name)
        if found:
            stem, digits, count, dot = found[1], len(found[2]), found[3], found[4] or ""
            numbers = (f"{number:0{digits}d}-of-{count}" for number in range(1, int(count) + 1))
            before = re.fullmatch(r"(.+)\.([^.]+)", stem)  # older releases: model.fp16-00001-of-00002.safetensors
            base, variant = (before[1], f".{before[2]}") if before else (stem, dot)
            needed = [f"{stem}-{number}{dot}.safetensors" for number in numbers]
            needed.append(f"{base}.safetensors.index{variant}.json")
            return tuple(file for file in needed if file not in known)
    indices = sorted(name for name in known if ".safetensors.index" in name)
    return tuple(f"{name.split('.safetensors')[0]}-*.safetensors" for name in indices[:1])


def _file(path: Path) -> tuple[str, str]:
    if path.suffix.lower() not in CHECKPOINTS:
        return "it is a file, expected a folder in diffusers' layout", ""
    if path.suffix.lower() == ".safetensors" and any("lora" in name.lower() for name in _tensor_names(path)):
        return "it is a LoRA file: changes to a model, but no model", MERGE
    return "it is a single-file checkpoint, expected a folder in diffusers' layout", (
        'convert it once: python -c "import sys; from diffusers import StableDiffusionPipeline; '
        f"StableDiffusionPipeline.from_single_file(sys.argv[1]).save_pretrained(sys.argv[2])\" '{path}' FOLDER "
        "(StableDiffusionXLPipeline for XL; it needs a network for the configs), then give FOLDER as the model"
    )


def _tensor_names(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return list(file.keys())
    except (OSError, SafetensorError):
        return []


def _class_name(path: Path) -> str:
    """Class that a JSON config names; '' where there is no such file or it names none."""
    try:
        content: Any = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return ""
    name = content.get("_class_name", "") if isinstance(content, dict) else ""
    return name if isinstance(name, str) else ""
