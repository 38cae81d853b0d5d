"""Deep feature factorization as a method of the benchmark: card, rectified features, factors, and keypoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import MethodCard, MethodConfig
from methods.dff.config import DFFConfig
from methods.features.config import frozen_data_of, source_of
from methods.features.method import FeatureMethod
from methods.features.provider import FeatureSource
from methods.frozen import PERCEPTUAL, FrozenData

if TYPE_CHECKING:
    from torch import Tensor


class DFF(FeatureMethod):
    """K non-negative factors of a frozen network's features; the place of a factor's heat map is a keypoint.

    Source: Collins, Achanta and Süsstrunk, ECCV 2018, and the released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="dff",
        name="DFF",
        summary="non-negative factors of a frozen network's features, located by their heat maps",
        paper="Deep Feature Factorization For Concept Discovery, Collins et al., ECCV 2018",
        year=2018,
        licence="own code, Apache-2.0",
        supervision="unsupervised",
        trained_on="nothing; the features of the fit images are factorised. VGG was trained on ImageNet's classes; "
        "what a diffusion model or a vision transformer was trained on, dift_kmeans and dino_kmeans say",
        frozen={name: PERCEPTUAL[name] for name in ("vgg19", "mini_vae")},
    )
    Config: ClassVar[type[MethodConfig]] = DFFConfig
    file: ClassVar[str] = "factors.safetensors"
    names: ClassVar[tuple[str, ...]] = ("mean", "factors")
    learned_name: ClassVar[str] = "factors"

    @classmethod
    def frozen_data(cls, config: Any) -> FrozenData | None:
        """What the network was trained on, by the settings ``features`` and ``model``."""
        return frozen_data_of(config)

    def source(self) -> FeatureSource:
        """The layer of the network that the config names."""
        return source_of(self.config, self.card.id)

    def learn(self, maps: Tensor, num_keypoints: int, seed: int) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Factorise the rectified features of all cells; the error to report is relative to their norm."""
        import torch

        from methods.dff.factors import factorise
        from methods.dff.places import rectified

        mean = maps.mean((0, 2, 3))
        rows = rectified(maps, mean, self.config.rectify).permute(0, 2, 3, 1).flatten(0, 2)
        found = factorise(rows.numpy(), num_keypoints, self.config.iterations, self.config.tolerance, seed)
        tensors = {"mean": mean, "factors": torch.from_numpy(found.factors)}
        return tensors, {"error": found.errors[-1] / (float(rows.norm()) or 1.0)}

    def locate(self, maps: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """Keypoints (B, K, 2) in the heat maps, which are the weights of the factors in each cell."""
        from methods.dff.places import heat_maps, places_of, rectified

        heat = heat_maps(rectified(maps, tensors["mean"], self.config.rectify), tensors["factors"])
        return places_of(heat, self.config.point, self.config.window)
