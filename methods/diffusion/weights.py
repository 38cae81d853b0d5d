"""The files of a diffusion pipeline: where they are, what their JSON configs say, which of them are read. No torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from methods import hub
from methods.base import MethodError
from methods.diffusion.mistakes import found_instead, missing_shards
from methods.files import weights_sha256

MINI_MODEL = Path(__file__).parents[1] / "stable_keypoints" / "mini_model"
EXAMPLE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
VARIANTS = (None, "fp16")
WITHOUT_WEIGHTS = {"scheduler", "tokenizer", "tokenizer_2"}
CONFIGS = ("*.json", "*.txt")
CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
TEXT_ENCODERS = ("clip", "clip_text_model")  # model_type of their configs


@dataclass(frozen=True)
class ModelFiles:
    """The files of ``model``, which is ``mini``, a folder in diffusers' layout, or a hub id at a ``revision``.

    A hub id is looked up in the hub's cache first, without network; only files that are read and missing there are
    downloaded. ``method`` is the id of the method that uses the model: error messages name its settings.
    """

    model: str
    revision: str | None
    method: str

    def error(self, text: str) -> MethodError:
        """An error of the method that uses the model."""
        return MethodError(f"{self.method}: {text}")

    def missing(self, where: str, reason: str, remedy: str = "") -> MethodError:
        """The error for weights that are missing or unusable; by default it lists the ways to get some."""
        if self.model == "mini":
            remedy = "restore it from the repository or train it with python -m benchmarks.pretrain train"
        elif not remedy:
            remedy = (
                f"give a folder in diffusers' layout (--set {self.method}.model=FOLDER), download one where there is a "
                f"network (hf download {EXAMPLE} --include '*.json' --include '*.txt' --include "
                "'*/diffusion_pytorch_model.safetensors' --include 'text_encoder*/model.safetensors' --local-dir "
                f"FOLDER), or use the small model (--set {self.method}.model=mini)"
            )
        return self.error(f"no usable weights of '{self.model}' at {where} ({reason}); {remedy}")

    def other_kind(self, reason: str) -> MethodError:
        """The error for a model of a kind that cannot be used."""
        return self.error(
            f"'{self.model}' cannot be used ({reason}); expected a text-to-image model laid out as Stable Diffusion "
            f"1.x, 2.x or XL, such as --set {self.method}.model={EXAMPLE}"
        )

    def folder(self) -> Path | None:
        """Folder of a model given as ``mini`` or as a path; None for a hub id.

        Raises MethodError for a folder that does not exist (``mini``, an absolute path, or one with a leading dot),
        and for a path that exists but is no folder.
        """
        folder = MINI_MODEL if self.model == "mini" else Path(self.model).expanduser()
        if folder.is_dir():
            return folder
        if folder.exists():
            reason, remedy = found_instead(folder)
            raise self.missing(str(folder), reason or "not a folder", remedy)
        if self.model == "mini" or self.model.startswith((".", "~", "/")) or self.model.count("/") != 1:
            raise self.missing(str(folder), "no such folder")
        return None

    def read_config(self, part: str, file: str = "config.json") -> dict[str, Any]:
        """JSON config of a part (``unet``, ``vae``, ``scheduler``).

        Raises MethodError if it cannot be read, is no JSON object, or is that of another class than expected.
        """
        name = str(PurePosixPath(part, file))
        folder = self._folder_with(name)
        try:
            config = json.loads((folder / name).read_text())
        except (OSError, ValueError, RecursionError) as error:
            found, remedy = found_instead(folder)
            raise self.missing(str(folder / name), found or type(error).__name__, remedy) from error
        if not isinstance(config, dict):
            raise self.missing(str(folder / name), f"a {type(config).__name__} in JSON, expected an object")
        kind = config.get("_class_name")
        if part in CLASSES and kind not in (None, CLASSES[part]):
            article = "an" if str(kind).startswith(("A", "E", "I", "O")) else "a"
            raise self.other_kind(f"its {part} is {article} {kind}, expected {CLASSES[part]}")
        if part.startswith("text_encoder") and config.get("model_type", "clip") not in TEXT_ENCODERS:
            raise self.other_kind(f"its {part} is of type {config['model_type']}, expected {TEXT_ENCODERS[1]}")
        return config

    def number(self, part: str, name: str) -> int:
        """Entry ``name``, above 0, of a part's config. Raises MethodError where it is missing or no whole number."""
        value = self.read_config(part).get(name)
        if type(value) is not int or value < 1:
            raise self.other_kind(f"{name} in {part}/config.json is {value}, expected a whole number above 0")
        return value

    def reduction(self) -> int:
        """Side of an image / side of its latents. Raises MethodError where the autoencoder's config does not say."""
        channels = self.read_config("vae").get("block_out_channels")
        if not isinstance(channels, list) or not channels:
            raise self.other_kind(f"block_out_channels in vae/config.json is {channels}, expected a list of numbers")
        return int(2 ** (len(channels) - 1))

    def image_side(self) -> int:
        """Side in pixels of the images that the pipeline was made for: latent side x the autoencoder's reduction.

        Raises MethodError where the configs cannot be read or do not say.
        """
        latent_side = self.read_config("unet").get("sample_size")
        if type(latent_side) is not int or latent_side < 1:
            raise self.error(
                f"sample_size in unet/config.json of '{self.model}' is {latent_side}, expected the side of its "
                f"latents; set {self.method}.image_size"
            )
        return latent_side * self.reduction()

    def empty_caption_is_zero(self) -> bool:
        """Whether zeros stand for the empty caption, as Stable Diffusion XL was trained, and not its encoding."""
        if not (self._folder_with("unet/config.json") / "model_index.json").is_file():
            return False
        return bool(self.read_config("", "model_index.json").get("force_zeros_for_empty_prompt", False))

    def parts_read(self, keep_null_tokens: bool) -> tuple[str, ...]:
        """Parts of the pipeline that are read: a text encoder only where the empty caption has to be encoded.

        Raises MethodError where the UNet's config cannot be read.
        """
        parts = ["unet", "vae", "scheduler"]
        pooled = self.read_config("unet").get("addition_embed_type") == "text_time"
        if pooled and self.empty_caption_is_zero():
            return tuple(parts)
        if keep_null_tokens:
            parts += ["text_encoder", "tokenizer"]
        if pooled:
            parts += ["text_encoder_2", "tokenizer_2"]
        return tuple(parts)

    def identity(self, parts: tuple[str, ...]) -> dict[str, Any]:
        """Plain data that identifies the weights: sha256 over the files read from a folder, or a hub id's commit.

        Raises MethodError where there are none, or for a hub id that is not cached and cannot be fetched.
        """
        chosen = {part: self._weights_of(part) for part in parts if part not in WITHOUT_WEIGHTS}
        folder = self.folder()
        if folder is None:
            commit = self._folder_with("unet/config.json").name
            variants = sorted({variant for _, variant in chosen.values() if variant})
            return {"model": self.model, "revision": commit} | ({"variant": ", ".join(variants)} if variants else {})
        weights = {folder / part / name for part, (names, _) in chosen.items() for name in names}
        texts = {file for part in parts for file in (folder / part).rglob("*") if file.suffix in {".json", ".txt"}}
        digest = hashlib.sha256()
        for file in sorted(weights | texts):
            digest.update(f"{file.relative_to(folder)}\0{weights_sha256(file, self.method)}\0".encode())
        return {"weights_sha256": digest.hexdigest()}

    def fetch(self, parts: tuple[str, ...]) -> Path:
        """Folder with configs and weights of ``parts``; those of a hub id that the cache lacks are downloaded.

        Raises MethodError where a part has no safetensors or cannot be had.
        """
        names = [
            f"{part}/{name}"
            for part in parts
            if part not in WITHOUT_WEIGHTS
            for name in (*self._weights_of(part)[0], "config.json")
        ]
        return self._folder_with(*names)

    def _folder_with(self, *names: str) -> Path:
        """The model's own folder, or the one in the hub's cache, after a download if it lacks one of ``names``."""
        folder = self.folder()
        if folder:
            return folder
        try:
            folder = hub.folder_with(self.model, self.revision, names, CONFIGS)
        except hub.HubError as error:
            raise self.missing(error.where, error.reason) from error
        lacking = [name for name in names if not (folder / name).is_file()]
        if lacking:
            raise self.missing(f"{folder} and {hub.url(self.model)}", _lacking(lacking[0], folder))
        return folder

    def _weights_of(self, part: str) -> tuple[tuple[str, ...], str | None]:
        """Weight files of a part and their variant: those in the folder, else those that the hub lists."""
        own = self.folder()
        folder = own or self._folder_with("unet/config.json")
        names = {file.name for file in (folder / part).glob("*") if file.is_file()}
        found = weight_files(names, stem_of(part))
        if not found[0] and not own:
            names = self._listed(part, folder.name)
            found = weight_files(names, stem_of(part))
        if found[0]:
            return found
        where = str(folder / part) if own else hub.url(self.model)
        lacking = missing_shards(names)
        if lacking:
            raise self.missing(where, f"no {', '.join(lacking)}", f"download {', '.join(lacking)} as well")
        pickles = sorted(name for name in names if name.endswith((".bin", ".ckpt")))
        if pickles:
            remedy = self._conversion((own or Path("FOLDER")) / part / pickles[0])
            raise self.missing(where, f"no .safetensors file, only {', '.join(pickles)}", remedy)
        raise self.missing(where, _lacking(f".safetensors file for {part}", folder))

    def _listed(self, part: str, commit: str) -> set[str]:
        """Names of a part's files on the hub."""
        try:
            listed = map(PurePosixPath, hub.listing(self.model, commit))
        except hub.HubError as error:
            raise self.missing(error.where, error.reason) from error
        return {path.name for path in listed if str(path.parent) == part}

    def _conversion(self, source: Path) -> str:
        """How to convert pickled weights to safetensors without executing the pickle."""
        target = source.with_name(f"{stem_of(source.parent.name)}.safetensors")
        first = "" if source.is_file() else f"download it (hf download {self.model} --local-dir FOLDER), then "
        return (
            f'{first}convert such a file once: python -c "import sys, torch; from safetensors.torch import save_file; '
            "save_file(torch.load(sys.argv[1], map_location='cpu', weights_only=True), sys.argv[2], {'format': 'pt'})\""
            f" '{source}' '{target}'"
        )


def stem_of(part: str) -> str:
    """How the weight files of a part are called: transformers and diffusers have a name each."""
    return "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"


def weight_files(
    names: Iterable[str], stem: str, variants: Sequence[str | None] = VARIANTS
) -> tuple[tuple[str, ...], str | None]:
    """Those of a part's file names that hold its weights, and their variant; () where none does.

    ``stem`` is how such files are called. Only safetensors count, a whole file or all shards with their index; full
    precision is preferred to ``fp16``.
    """
    known = set(names)
    for variant in variants:
        dot = f".{variant}" if variant else ""
        whole, index = f"{stem}{dot}.safetensors", f"{stem}.safetensors.index{dot}.json"
        if whole in known:
            return (whole,), variant
        number = r"-\d+-of-\d+"
        shard = re.compile(rf"{stem}({re.escape(dot)}{number}|{number}{re.escape(dot)})\.safetensors")
        shards = sorted(filter(shard.fullmatch, known))
        if index in known and shards and len(shards) >= int(re.findall(r"-of-(\d+)", shards[0])[0]):
            return (index, *shards), variant
    return (), None


def _lacking(name: str, folder: Path) -> str:
    """What a folder lacks, with what it holds instead where that can be told."""
    found, _ = found_instead(folder)
    return f"no {name}: {found}" if found else f"no {name}"
