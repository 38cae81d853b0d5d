"""Cross-attention dropped at random in training."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from benchmarks.pretrain.drawings import Draws


class CrossAttentionDrop:
    """Drops what a UNet's cross-attention layers (``attn2``) add, each layer and image at random with ``probability``.

    So no layer can leave the words to another: without it, words point at parts in one layer and nowhere in the others.
    What is kept is not scaled up. Nothing is dropped before ``draw``, nor in a module that is not in training.
    """

    def __init__(self, unet: nn.Module, probability: float) -> None:
        self.probability = probability
        self.layers = [name for name, _ in unet.named_modules() if name.endswith("attn2")]
        self.dropped: Tensor | None = None
        for index, name in enumerate(self.layers):
            unet.get_submodule(name).register_forward_hook(self._hook(index))

    def draw(self, batch: int, draws: Draws) -> None:
        """Choose for the next pass which images each layer drops: ``dropped`` (layers, batch)."""
        self.dropped = draws.uniform(len(self.layers), batch) < self.probability

    def _hook(self, index: int) -> Any:
        def drop(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if self.dropped is None or not module.training:
                return output
            return output.masked_fill(self.dropped[index, :, None, None], 0.0)

        return drop
