"""The features that perceptual losses compare: those of VGG or of the mini model's autoencoder, or plain pixels.

VGG reads the weights that timm publishes on the Hugging Face hub (``timm/vgg16.tv_in1k``), or a file with torchvision's
names; neither package has to be installed. Finding out which features are available imports no torch and uses no
network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from methods import hub
from methods.base import MethodError
from methods.diffusion.weights import MINI_MODEL
from methods.files import weights_sha256

if TYPE_CHECKING:
    from methods.training.features import Features

Kind = Literal["vgg16", "vgg19", "mini_vae", "pixels"]
Choice = Literal["auto", "vgg16", "vgg19", "mini_vae", "pixels"]

HUB = {"vgg16": "timm/vgg16.tv_in1k", "vgg19": "timm/vgg19.tv_in1k"}
HUB_FILE = "model.safetensors"
MINI_VAE = MINI_MODEL / "vae" / "diffusion_pytorch_model.safetensors"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")

# The layers that are compared by default. Those of VGG are from Jakab et al. (2018) and Chen and Koltun (2017), after
# their ReLU; ``input`` stands for the pixels themselves.
LAYERS: dict[str, tuple[str, ...]] = {
    "vgg16": ("input", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"),
    "vgg19": ("input", "conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"),
    "mini_vae": ("input", "conv_in", "down_0", "down_1"),
    "pixels": ("input",),
}


def check_weights(features: Kind | Choice, weights: str | None) -> None:
    """Raise ValueError for ``features_weights`` of features that have none to choose."""
    if weights is not None and features not in HUB:
        raise ValueError(f"features_weights are those of {' or '.join(HUB)}, got features={features}")


def at_hand(choice: Choice, weights: str | None = None) -> Kind:
    """Replace ``auto`` by the features that are available on this machine; return any other choice unchanged.

    ``auto`` is VGG-16 if ``weights`` is given or the hub's cache has the weights of VGG-16, else the mini model's
    autoencoder, else pixels. Uses no network.
    """
    if choice != "auto":
        return choice
    folder = hub.cached(HUB["vgg16"])
    if weights is not None or (folder and (folder / HUB_FILE).is_file()):
        return "vgg16"
    return "mini_vae" if MINI_VAE.is_file() else "pixels"


def weight_file(kind: Kind, weights: str | None, method: str) -> Path | None:
    """The file with the weights of features of ``kind``; None for pixels.

    ``weights`` is a file, a hub id, or None for timm's weights of that network; a hub id that the hub's cache lacks is
    downloaded. Error messages name the settings of ``method``. Raises MethodError if the weights are not available.
    """
    if kind == "pixels":
        return None
    if kind == "mini_vae":
        if not MINI_VAE.is_file():
            raise MethodError(f"{method}: no file {MINI_VAE}; {_remedy(kind, method)}")
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
    return _from_hub(name, kind, method)


def identity(kind: Kind, weights: str | None, method: str) -> dict[str, Any]:
    """Plain data that identifies the features, for ``Method.identity``. Raises MethodError without the weights."""
    file = weight_file(kind, weights, method)
    return {"features": kind} | ({"features_sha256": weights_sha256(file, method)} if file else {})


def load(kind: Kind, weights: str | None, layers: tuple[str, ...] | None, device: Any, method: str) -> Features:
    """Frozen features on ``device``; ``layers`` None means those of ``LAYERS``.

    Raises MethodError for missing weights or those of another network, and for a layer that the network lacks.
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


def _remedy(kind: Kind, method: str) -> str:
    """The end of an error message: what to do without weights."""
    if kind not in HUB:
        return f"restore it from the repository or take other features (describe {method} lists them)"
    return (
        f"name a file (--set {method}.features_weights=FILE), download it where there is a network (hf download "
        f"{HUB[kind]} {HUB_FILE} --local-dir FOLDER), or take other features (--set {method}.features=mini_vae)"
    )


def _from_hub(model: str, kind: Kind, method: str) -> Path:
    """The weights of a hub id, downloaded if need be. Raises MethodError where the hub does not provide them."""
    try:
        return hub.folder_with(model, None, (HUB_FILE,)) / HUB_FILE
    except hub.HubError as error:
        raise MethodError(
            f"{method}: no weights of {kind}: {model} is not in {error.where} ({error.reason}); {_remedy(kind, method)}"
        ) from error
