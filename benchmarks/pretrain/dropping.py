"""Random dropping of cross-attention in training."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from benchmarks.pretrain.drawings import RandomSource


class CrossAttentionDrop:
    """Drops the output of a UNet's cross-attention layers (``attn2``), for each layer and image with ``probability``.

    Every layer then has to use the words: without dropping, only one layer attends to the parts. Outputs that are kept
    are not scaled up. Nothing is dropped before ``choose`` is called, nor in evaluation mode.
    """

    def __init__(self, unet: nn.Module, probability: float) -> None:
        self.probability = probability
        self.layers = [name for name, _ in unet.named_modules() if name.endswith("attn2")]
        self.dropped: Tensor | None = None
        for index, name in enumerate(self.layers):
            unet.get_submodule(name).register_forward_hook(self._hook(index))

    def choose(self, batch: int, random: RandomSource) -> None:
        """Choose the images that each layer drops in the next pass: ``dropped`` (layers, batch) bool."""
        self.dropped = random.uniform(len(self.layers), batch) < self.probability

    def _hook(self, index: int) -> Any:
        def drop(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if self.dropped is None or not module.training:
                return output
            return output.masked_fill(self.dropped[index, :, None, None], 0.0)

        return drop
