"""Features in which images are compared: VGG's, those of the small model's autoencoder, or plain pixels.

VGG is built here of thirteen or sixteen convolutions and reads the weights that timm publishes on the Hugging Face
hub (``timm/vgg16.tv_in1k``) or a file in torchvision's naming, so that neither package has to be installed.
Deciding what is at hand imports no torch and asks no network.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from methods.base import MethodError
from methods.diffusion.weights import MINI_MODEL

if TYPE_CHECKING:
    from methods.training.features import Features

Kind = Literal["vgg16", "vgg19", "mini_vae", "pixels"]
Choice = Literal["auto", "vgg16", "vgg19", "mini_vae", "pixels"]

HUB = {"vgg16": "timm/vgg16.tv_in1k", "vgg19": "timm/vgg19.tv_in1k"}
HUB_FILE = "model.safetensors"
MINI_VAE = MINI_MODEL / "vae" / "diffusion_pytorch_model.safetensors"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
TIMEOUT = 10.0

# What is compared where nothing else is asked for. VGG's are the layers of Jakab et al. (2018) and of Chen and
# Koltun (2017), after their ReLU; ``input`` stands for the pixels themselves.
LAYERS: dict[str, tuple[str, ...]] = {
    "vgg16": ("input", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"),
    "vgg19": ("input", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"),
    "mini_vae": ("input", "conv_in", "down_0", "down_1"),
    "pixels": ("input",),
}


def at_hand(choice: Choice, weights: str | None = None, preferred: Kind = "vgg16") -> Kind:
    """What ``auto`` stands for on this machine; any other choice is itself.

    The ``preferred`` VGG where ``weights`` names a file or the hub's cache has its weights, else the autoencoder of
    the small model, else pixels. Asks no network. Put its answer in the config, so that records say which it was.
    """
    if choice != "auto":
        return choice
    if preferred not in HUB:
        return preferred
    if weights is not None or _cached(HUB[preferred]) is not None:
        return preferred
    return "mini_vae" if MINI_VAE.is_file() else "pixels"


def weight_file(kind: Kind, weights: str | None, method: str) -> Path | None:
    """The file that features of ``kind`` are read from, None for pixels.

    ``weights`` is a file, a hub id, or None for timm's own of that network; a hub id is looked up in the hub's cache
    and fetched where it is not there. ``method`` is whose settings a message names. Raises MethodError, one line,
    where the weights cannot be had.
    """
    if kind == "pixels":
        return None
    if kind == "mini_vae":
        if not MINI_VAE.is_file():
            raise MethodError(f"{method}: no file {MINI_VAE}; restore it from the repository or {_other(method)}")
        return MINI_VAE
    name = weights or HUB[kind]
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise MethodError(
                f"{method}: {path} is no weights file of {kind}, expected one that ends in {', '.join(SUFFIXES)}"
            )
        return path
    if name.startswith((".", "~", "/")) or name.count("/") != 1:
        raise MethodError(f"{method}: no file {path} with weights of {kind}; {_remedy(kind, method)}")
    return _cached(name) or _fetched(name, kind, method)


def identity(kind: Kind, weights: str | None, method: str) -> dict[str, Any]:
    """Plain data that names the features, for ``Method.identity``. Raises MethodError where the weights are missing."""
    file = weight_file(kind, weights, method)
    return {"features": kind} | ({"features_sha256": _sha256(file, file.stat().st_mtime_ns)} if file else {})


def load(kind: Kind, weights: str | None, layers: tuple[str, ...] | None, device: Any, method: str) -> Features:
    """Frozen features on ``device``; ``layers`` None takes those of ``LAYERS``.

    Raises MethodError for missing or foreign weights and for a layer that the network does not have.
    """
    from methods.training import features

    wanted = layers or LAYERS[kind]
    network = features.BUILDERS[kind]()
    unknown = [name for name in wanted if name not in network.names]
    if unknown:
        raise MethodError(f"{method}: {kind} has no layer '{unknown[0]}', expected some of {', '.join(network.names)}")
    file = weight_file(kind, weights, method)
    if file is not None:
        features.read_weights(network, file, f"{method}: {file} as weights of {kind}", _remedy(kind, method))
    network.keep(wanted)
    return network.to(device).requires_grad_(False).eval()


def _other(method: str) -> str:
    return f"take other features (--set {method}.features=mini_vae or pixels)"


def _remedy(kind: Kind, method: str) -> str:
    """What a user without weights may do."""
    if kind not in HUB:
        return _other(method)
    return (
        f"name a file (--set {method}.features_weights=FILE), download it where there is a network (hf download "
        f"{HUB[kind]} {HUB_FILE} --local-dir FOLDER), or {_other(method)}"
    )


def _cached(model: str) -> Path | None:
    """The weights of a hub id in the hub's cache, as ``main`` stood when they were fetched; None without."""
    from huggingface_hub import constants

    store = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    reference = store / "refs" / "main"
    if not reference.is_file():
        return None
    file = store / "snapshots" / reference.read_text().strip() / HUB_FILE
    return file if file.is_file() else None


def _fetched(model: str, kind: Kind, method: str) -> Path:
    """The weights of a hub id, downloaded. Raises MethodError where the hub does not give them."""
    from huggingface_hub import HfApi, constants, hf_hub_download

    reason = "HF_HUB_OFFLINE is set"
    if not constants.HF_HUB_OFFLINE:
        try:
            # Where nothing answers, the download itself would wait and try again for minutes.
            HfApi().model_info(model, timeout=TIMEOUT)
            return Path(hf_hub_download(model, HUB_FILE))
        except Exception as error:  # the hub raises a dozen kinds, from its own to those of its network library
            reason = f"the hub does not give them: {type(error).__name__}"
    raise MethodError(
        f"{method}: no weights of {kind}: {model} is not in {constants.HF_HUB_CACHE}, and {reason}; "
        f"{_remedy(kind, method)}"
    )


@lru_cache
def _sha256(file: Path, modified: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
