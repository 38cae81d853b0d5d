"""The files of a vision transformer in Hugging Face's layout: where they are and what its config says. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from methods import hub
from methods.base import MethodError
from methods.diffusion.weights import weight_files
from methods.files import weights_sha256

PAPER_MODEL = "facebook/dinov2-with-registers-base"
MINI_VIT = Path(__file__).parent / "mini_vit"
CONFIG, PREPROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
# Kinds of transformers that are known to have been trained without labels, by `model_type`, and whether each has a
# class token before its patches. Checkpoints of type `vit` are self-supervised (DINO, MoCo v3) or not: it depends on
# the weights.
CLASS_TOKEN = {
    "vit": True,
    "vit_msn": True,
    "ijepa": False,
    "dinov2": True,
    "dinov2_with_registers": True,
    "dinov3_vit": True,
}


def mini_is_there() -> bool:
    """Whether this repository holds the weights of the mini vision transformer."""
    return (MINI_VIT / WEIGHTS).is_file()


@dataclass(frozen=True)
class VitFiles:
    """The files of ``model``, which is ``mini``, a folder in Hugging Face's layout, or a hub id at a ``revision``.

    A hub id is looked up in the hub's cache first, without network; only files that are missing there are downloaded.
    ``method`` is the id of the method that uses the model: error messages name its settings.
    """

    model: str
    revision: str | None
    method: str

    def error(self, text: str) -> MethodError:
        """An error of the method that uses the model."""
        return MethodError(f"{self.method}: {text}")

    def missing(self, where: str, reason: str) -> MethodError:
        """The error for weights that are missing or unusable; it lists the ways to get some."""
        if self.model == "mini":
            remedy = "restore it from the repository"
        else:
            remedy = (
                f"give a folder with {CONFIG} and {WEIGHTS} (--set {self.method}.model=FOLDER), download one where "
                f"there is a network (hf download {PAPER_MODEL} {CONFIG} {PREPROCESSOR} {WEIGHTS} --local-dir FOLDER)"
            )
        remedy += f", or use the mini autoencoder (--set {self.method}.features=mini_vae)"
        return self.error(f"no usable weights of '{self.model}' at {where} ({reason}); {remedy}")

    def folder(self) -> Path | None:
        """Folder of a model given as ``mini`` or as a path; None for a hub id.

        Raises MethodError for a folder that does not exist, and for a path that is no folder.
        """
        folder = MINI_VIT if self.model == "mini" else Path(self.model).expanduser()
        if folder.is_dir():
            return folder
        if folder.exists():
            raise self.missing(str(folder), "not a folder")
        if self.model == "mini" or self.model.startswith((".", "~", "/")) or self.model.count("/") != 1:
            raise self.missing(str(folder), "no such folder")
        return None

    def config(self) -> dict[str, Any]:
        """The network's config. Raises MethodError if it cannot be read or is that of another kind of network."""
        config = self._json(self._folder_with(CONFIG) / CONFIG)
        kind = config.get("model_type")
        if kind not in CLASS_TOKEN:
            raise self.error(
                f"'{self.model}' cannot be used (its model_type is {kind}); expected one of "
                f"{', '.join(CLASS_TOKEN)}, such as --set {self.method}.model={PAPER_MODEL}"
            )
        return config

    def number(self, name: str) -> int:
        """Entry ``name``, above 0, of the config. Raises MethodError where it is missing or no whole number."""
        value = self.config().get(name)
        if isinstance(value, list) and len(set(value)) == 1:  # older configs give both sides
            value = value[0]
        if type(value) is not int or value < 1:
            raise self.error(
                f"'{self.model}' cannot be used ({name} in {CONFIG} is {value}, expected a whole number above 0)"
            )
        return value

    def leading_tokens(self) -> int:
        """The number of class and register tokens before those of the patches. Raises MethodError without a config."""
        config = self.config()
        return int(CLASS_TOKEN[config["model_type"]]) + int(config.get("num_register_tokens", 0))

    def image_side(self, wanted: int) -> int:
        """``wanted``, or for 0 the side of the images that the network was trained on, in multiples of its patches.

        Raises MethodError for a wanted side that is no multiple of the patch's, and where the config does not say.
        """
        patch = self.number("patch_size")
        if wanted % patch:
            nearest = max(1, round(wanted / patch)) * patch
            raise self.error(
                f"image_size is {wanted}, expected a multiple of {patch}, the side of the patches of '{self.model}', "
                f"such as {nearest}"
            )
        return wanted or self.number("image_size") // patch * patch

    def normalisation(self) -> tuple[Any, Any] | None:
        """Mean and deviation of each colour that the preprocessor's config names; None where there is no such config.

        Raises MethodError for values that are no three numbers.
        """
        file = self._folder_with(CONFIG) / PREPROCESSOR
        if not file.is_file():
            return None
        config = self._json(file)
        mean, deviation = config.get("image_mean"), config.get("image_std")
        if mean is None and deviation is None:
            return None
        for values in (mean, deviation):
            kinds = [type(value) for value in values] if isinstance(values, list) else []
            if len(kinds) != 3 or not {int, float}.issuperset(kinds):
                raise self.error(
                    f"image_mean and image_std in {file} are {mean} and {deviation}, expected three numbers each"
                )
        return mean, deviation

    def identity(self) -> dict[str, Any]:
        """Plain data that identifies the weights: sha256 over the files of a folder, or a hub id's commit.

        Raises MethodError where there are none.
        """
        folder, names = self.fetch()
        if self.folder() is None:
            return {"model": self.model, "revision": folder.name}
        digest = hashlib.sha256()
        for name in sorted({CONFIG, PREPROCESSOR, *names}):
            if (folder / name).is_file():
                digest.update(f"{name}\0{weights_sha256(folder / name, self.method)}\0".encode())
        return {"weights_sha256": digest.hexdigest()}

    def fetch(self) -> tuple[Path, tuple[str, ...]]:
        """Folder with the config and the weights, and the names of the weight files.

        Raises MethodError where there are no safetensors or they cannot be downloaded.
        """
        own = self.folder()
        folder = own or self._folder_with(CONFIG)
        names = {file.name for file in folder.glob("*") if file.is_file()}
        found = _read(names)
        if not found and not own:
            names = self._listed(folder.name)
            found = _read(names)
        if not found:
            pickles = sorted(name for name in names if name.endswith((".bin", ".pth")))
            held = f", only {', '.join(pickles)}, which is never read" if pickles else ""
            raise self.missing(str(folder) if own else hub.url(self.model), f"no {WEIGHTS}{held}")
        return self._folder_with(CONFIG, *found), found

    def _folder_with(self, *names: str) -> Path:
        """The model's own folder, or the one in the hub's cache, after a download if it lacks one of ``names``."""
        folder = self.folder()
        if folder:
            return folder
        try:
            return hub.folder_with(self.model, self.revision, names, (PREPROCESSOR,))
        except hub.HubError as error:
            raise self.missing(error.where, error.reason) from error

    def _listed(self, commit: str) -> set[str]:
        """Names of the files on the hub."""
        try:
            return set(hub.listing(self.model, commit))
        except hub.HubError as error:
            raise self.missing(error.where, error.reason) from error

    def _json(self, file: Path) -> dict[str, Any]:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise self.missing(str(file), type(error).__name__) from error
        if not isinstance(content, dict):
            raise self.missing(str(file), f"a {type(content).__name__} in JSON, expected an object")
        return content


def _read(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the file names that transformers reads the weights from, () for none."""
    return weight_files(names, "model", (None,))[0]
