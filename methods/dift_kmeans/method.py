"""Clustered diffusion features as a method of the benchmark: its card, and the source of its features."""

from __future__ import annotations

from typing import ClassVar

from methods.base import MethodCard, MethodConfig
from methods.diffusion.weights import ModelFiles
from methods.dift_kmeans.config import DiftKmeansConfig
from methods.feature_kmeans.method import FeatureKmeans
from methods.features.provider import FeatureSource
from methods.features.sources import DiffusionSource
from methods.frozen import DIFFUSION


class DiftKmeans(FeatureKmeans):
    """K clusters of a frozen diffusion model's features, located by nearest neighbours in every image.

    The features are those of Tang et al., NeurIPS 2023, who match points of two images with them. Tourani et al., CVPR
    2024, published the clustering of Stable Diffusion features as a baseline of landmark discovery; how the K clusters
    are chosen is this repository's.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="dift_kmeans",
        name="DIFT + k-means",
        summary="k-means clusters of a frozen diffusion model's features, located by nearest neighbours",
        paper="Emergent Correspondence from Image Diffusion, Tang et al., NeurIPS 2023 (the features); Pose-Guided "
        "Self-Training with Two-Stage Clustering for Unsupervised Landmark Discovery, Tourani et al., CVPR 2024 "
        "(their clustering, as a baseline)",
        year=2023,
        licence="Apache-2.0",
        supervision="unsupervised",
        trained_on="nothing; the fit images are clustered, the diffusion model was trained on captioned images",
        frozen=DIFFUSION,
    )
    Config: ClassVar[type[MethodConfig]] = DiftKmeansConfig

    def source(self) -> FeatureSource:
        """The block of the UNet that the config names."""
        config = self.config
        return DiffusionSource(
            ModelFiles(config.model, config.revision, self.card.id),
            config.image_size,
            config.dtype,
            config.timestep,
            config.up_block,
            config.ensemble,
            config.predict_batch,
        )
