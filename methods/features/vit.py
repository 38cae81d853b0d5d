"""Features of a frozen vision transformer: the tokens of an image's patches after one of its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from methods.features.provider import FeatureProvider, stopped_at
from methods.features.vit_files import VitFiles
from methods.training.features import IMAGENET_DEVIATION, IMAGENET_MEAN

POOLING = ("pooler.", "embeddings.mask_token")  # tensors that no feature depends on, and that some files lack


class VitFeatures(FeatureProvider):
    """The output of block ``layer``, counted from 1 (0: the last), as a map with one cell for each patch.

    Class and register tokens are dropped. ``layer_norm`` applies the network's final layer norm, whichever the block.
    Images have ``image_size`` pixels a side; transformers interpolates the positional embeddings where the network was
    trained on another size. Raises MethodError where weights are missing or a setting does not fit them.
    """

    def __init__(
        self,
        files: VitFiles,
        image_size: int,
        layer: int,
        layer_norm: bool,
        dtype: str,
        device: str,
        seed: int,
        batch: int,
    ) -> None:
        super().__init__(device, seed, batch)
        self._files, self._dtype = files, getattr(torch, dtype)
        self._side = files.image_side(image_size)
        self._cells = self._side // files.number("patch_size")
        self._leading = files.leading_tokens()
        count = files.number("num_hidden_layers")
        if not 0 <= layer <= count:
            raise files.error(f"layer is {layer}, expected a block from 1 to {count}: {files.model} has {count}")
        mean, deviation = files.normalisation() or (IMAGENET_MEAN, IMAGENET_DEVIATION)
        self._mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(deviation, device=device).view(1, 3, 1, 1)
        self._network = _load(files, self._dtype).to(device)
        blocks = next(
            module for module in self._network.modules() if isinstance(module, nn.ModuleList) and len(module) == count
        )
        self._block = blocks[layer - 1]
        norm = getattr(self._network, "layernorm", None) or getattr(self._network, "norm", None)
        self._norm: Any = norm if layer_norm else nn.Identity()
        fixed = not files.config()["model_type"].startswith("dino")  # those of DINOv2 and later are always interpolated
        self._options: dict[str, Any] = {"interpolate_pos_encoding": True} if fixed else {}

    def parameters(self) -> int:
        """The number of parameters of the transformer."""
        return sum(each.numel() for each in self._network.parameters())

    def _maps(self, ids: Sequence[str], pixels: Tensor) -> Tensor:
        if pixels.shape[-2:] != (self._side, self._side):
            raise self._files.error(
                f"images are {tuple(pixels.shape[-2:])}, expected {self._side} a side; decode them at the method's "
                f"image_size or set {self._files.method}.image_size"
            )
        normalised = (pixels.to(self.device) - self._mean) / self._deviation
        with stopped_at(self._block) as found:
            self._network(normalised.to(self._dtype), **self._options)
        tokens = found[0][0] if isinstance(found[0], tuple) else found[0]
        patches: Tensor = self._norm(tokens)[:, self._leading :].float()
        return patches.unflatten(1, (self._cells, self._cells)).permute(0, 3, 1, 2).contiguous()


def _load(files: VitFiles, dtype: torch.dtype) -> nn.Module:
    """The transformer with all of its weights, without gradients. Raises MethodError where one is missing."""
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    folder, _ = files.fetch()
    options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    try:
        network, found = AutoModel.from_pretrained(folder, dtype=dtype, **options)
    except Exception as error:  # broken configs raise many kinds
        said = isinstance(error, (OSError, ValueError, TypeError, RuntimeError, SafetensorError))
        reason = str(error).strip().split("\n")[0]
        raise files.missing(str(folder), reason if said and reason else f"{type(error).__name__}: {reason}") from error
    lacking = sorted(name for name in found["missing_keys"] if not name.startswith(POOLING))
    if lacking:
        raise files.missing(str(folder), f"the file lacks {len(lacking)} of its tensors, such as {lacking[0]}")
    module: nn.Module = network
    return module.requires_grad_(False).eval()
