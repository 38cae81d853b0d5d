"""LMDIS as a method of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from methods.base import ImageBatch, MethodCard, MethodConfig
from methods.frozen import NOTHING
from methods.lmdis.config import LMDISConfig
from methods.training.base import TrainedMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor, nn

    from methods.lmdis.network import Network


class LMDIS(TrainedMethod):
    """Draws the image again from detected keypoints and their descriptors, with three constraints on the keypoints.

    Each keypoint's score map is concentrated, keypoints keep apart, and they follow random warps of the image. Source:
    Zhang, Guo, Jin, Luo, He and Lee, CVPR 2018, and their released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="lmdis",
        name="LMDIS",
        summary="keypoints and local descriptors from which an autoencoder draws the image again",
        paper="Unsupervised Discovery of Object Landmarks as Structural Representations, Zhang et al., CVPR 2018",
        year=2018,
        licence="own code, Apache-2.0; the released code has the same licence",
        supervision="unsupervised",
        trained_on="the fit images",
        frozen={"": NOTHING},
    )
    Config: ClassVar[type[MethodConfig]] = LMDISConfig
    curve_labels: ClassVar[Mapping[str, str]] = {
        "loss": "loss",
        "reconstruction": "reconstruction",
        "equivariance": "equivariance",
        "concentration": "concentration",
        "separation": "separation",
    }

    def build(self, num_keypoints: int) -> nn.Module:
        """A network of the three hourglasses and the linear maps of descriptors."""
        from methods.layout import memory_format
        from methods.lmdis.network import Network

        network = Network(self.config, num_keypoints)
        return network.to(memory_format=memory_format(self.device))  # type: ignore[call-overload]

    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """The weighted sum of the four losses, and each loss without its weight."""
        import torch
        from torch.nn.functional import avg_pool2d, grid_sample

        from methods.lmdis import losses
        from methods.lmdis.network import Detected
        from methods.training.warps import sampling_grid

        config, model = self.config, cast("Network", network)
        pixels = self._recoloured(pixels, generator)
        padded = model.padded(pixels)
        coefficients = losses.draw(config, len(pixels), generator)
        grid = sampling_grid(coefficients, padded.shape[-1]).to(padded)
        mode = "border" if config.outside == "border" else "reflection"
        warped = grid_sample(padded, grid, padding_mode=mode, align_corners=False)
        both = model.detect(torch.cat([padded, warped]))
        points, moved = both.points.chunk(2)
        back = losses.spline(moved, torch.from_numpy(coefficients).to(moved))
        sides = 1 / (2 * model.share)  # of the image, in half a side of the padded image
        first = Detected(*(tensor[: len(pixels)] for tensor in both))  # of the images as they are
        small = avg_pool2d(pixels, 2**config.stem)
        terms = {
            "reconstruction": losses.reconstruction(model.draw(padded, first), small),
            "equivariance": losses.equivariance(sides * points, sides * back),
            "concentration": losses.concentration(sides * both.deviations),
            "separation": losses.separation(sides * both.points, config.separation_bandwidth),
        }
        weights = {name: getattr(config, f"{name}_weight") for name in terms}
        thirds = (3 * model.taken).div(config.steps, rounding_mode="floor")
        weights["reconstruction"] = weights["reconstruction"] * config.reconstruction_growth**thirds
        model.taken += 1
        return {"loss": torch.stack([weights[name] * term for name, term in terms.items()]).sum(), **terms}

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Points (B, K, 2), (x, y) in [0, 1] of the image; those in the padding lie beyond."""
        model = cast("Network", network)
        return (model.detect(model.padded(pixels)).points / model.share + 1) / 2

    def _recoloured(self, pixels: Tensor, generator: np.random.Generator) -> Tensor:
        """Images whose contrast, and whose brightness in each channel, is changed at random."""
        import torch

        count, colour = len(pixels), self.config.colour
        contrast = 1 + colour * generator.uniform(-1, 1, (count, 1, 1, 1))
        brightness = colour / 2 * generator.uniform(-1, 1, (count, 3, 1, 1))
        changed = (pixels - 0.5) * torch.from_numpy(contrast).to(pixels) + 0.5 + torch.from_numpy(brightness).to(pixels)
        return changed.clamp(0, 1)
