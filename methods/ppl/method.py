"""Pose Prior Learner as a method of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from methods.autolink.restoring import EdgeMethod
from methods.base import MethodCard, MethodConfig
from methods.frozen import PERCEPTUAL
from methods.ppl.config import PPLConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.ppl.network import PriorNetwork


class PPL(EdgeMethod):
    """Moves a template of the pose to each image, and restores a masked image from the edges drawn between its points.

    The template is what a memory of poses decodes the mean of its entries to. Source: Wang, Han and Zhang, ICLR 2026:
    the abstract, and facts of the released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="ppl",
        name="PPL (a reading)",
        summary="AutoLink's edges, drawn between the points of a learned template that is moved to each image",
        paper="Pose Prior Learner: Unsupervised Categorical Prior Learning for Pose Estimation, Wang et al., ICLR 2026",
        year=2026,
        licence="own code, Apache-2.0",
        supervision="unsupervised",
        trained_on="the fit images; the features of its loss were trained on ImageNet (VGG) or on drawings (mini VAE)",
        frozen=PERCEPTUAL,
    )
    Config: ClassVar[type[MethodConfig]] = PPLConfig

    def build(self, num_keypoints: int) -> nn.Module:
        """A network of detector, edge weights, painter, memory and affine maps."""
        from methods.autolink.network import Detector
        from methods.ppl.memory import Memory
        from methods.ppl.network import PriorNetwork

        config = self.config
        detector = Detector(num_keypoints, config.width, config.levels, config.reach)
        memory = Memory(
            num_keypoints,
            config.tokens,
            config.entries,
            config.token_width,
            config.encoder_layers,
            config.memory_decay,
        )
        return PriorNetwork(detector, memory, num_keypoints, config.width, config.edge_rate, config.edge_start)

    def paint(self, network: nn.Module, seen: Tensor, masked: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The restored images, and the terms of keypoints outside the image and of the memory, with their weights."""
        from methods.ppl.network import outside

        config = self.config
        painted = cast("PriorNetwork", network).restore(seen, masked, config.thickness)
        recalled = (painted.recalled - painted.keypoints.detach()).square().mean()
        return painted.images, {
            "outside": config.boundary_weight * outside(painted.keypoints),
            "memory": config.memory_weight * recalled,
            "commitment": config.commitment_weight * painted.commitment,
        }

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (x, y) in [0, 1]: value / 2 + 0.5, as in the released evaluation."""
        return cast("PriorNetwork", network).keypoints(2 * pixels - 1).flip(2) / 2 + 0.5
