"""Clustered features of a vision transformer as a method of the benchmark: its card, and the source of its features."""

from __future__ import annotations

from typing import Any, ClassVar

from methods.base import MethodCard, MethodConfig
from methods.dino_kmeans.config import DinoKmeansConfig
from methods.feature_kmeans.method import FeatureKmeans
from methods.features.config import frozen_data_of, source_of
from methods.features.provider import FeatureSource
from methods.frozen import VIT, FrozenData


class DinoKmeans(FeatureKmeans):
    """K clusters of a self-supervised vision transformer's patch features, located by nearest neighbours.

    It is ``dift_kmeans`` with another frozen network: the difference of the two shows what the diffusion model adds.
    Amir et al. (2021) cluster such features into parts; the settings here are not theirs.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="dino_kmeans",
        name="DINO + k-means",
        summary="k-means clusters of a self-supervised vision transformer's features, located by nearest neighbours",
        paper="DINOv2: Learning Robust Visual Features without Supervision, Oquab et al., TMLR 2024 (the features); "
        "clustered as in dift_kmeans",
        year=2024,
        licence="Apache-2.0",
        supervision="unsupervised",
        trained_on="nothing; the fit images are clustered, the vision transformer was trained on images without labels",
        frozen=VIT,
    )
    Config: ClassVar[type[MethodConfig]] = DinoKmeansConfig

    @classmethod
    def frozen_data(cls, config: Any) -> FrozenData | None:
        """What the network was trained on, by the settings ``features`` and ``model``."""
        return frozen_data_of(config)

    def source(self) -> FeatureSource:
        """The layer of the network that the config names."""
        return source_of(self.config, self.card.id)
