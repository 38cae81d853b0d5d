"""The settings of clustered features, whichever network the features are of."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from methods.base import MethodConfig


class ClusterSettings(MethodConfig):
    """Settings of the clusters and of how a cluster is located in an image."""

    of_predict: ClassVar[frozenset[str]] = frozenset({"window"})

    fit_images: int = Field(
        default=100, ge=0, description="Number of fit images to sample for the clusters; 0 takes all (chosen here)."
    )
    vectors_per_image: PositiveInt = Field(
        default=100, description="Number of feature vectors to sample from each of these images (chosen here)."
    )
    clusters_per_keypoint: PositiveInt = Field(
        default=5, description="Clusters of k-means for each of the K keypoints (chosen here)."
    )
    iterations: PositiveInt = Field(default=15, description="Iterations of k-means (chosen here).")
    temperature: PositiveFloat = Field(
        default=0.05,
        description="Temperature of the softmax that turns cosine similarities into a distribution over places "
        "(chosen here).",
    )
    spread_weight: NonNegativeFloat = Field(
        default=3.0,
        description="Weight of a cluster's spread, in image sides, against its consistency; the K clusters with the "
        "largest consistency - spread_weight * spread are kept (chosen here).",
    )
    min_distance: NonNegativeFloat = Field(
        default=0.05,
        description="Least mean distance of two kept clusters' places, in image sides (chosen here).",
    )

    window: int = Field(
        default=2,
        ge=0,
        description="Number of cells of the feature map, on each side of the best cell, in the soft-argmax; "
        "0 takes the centre of the best cell (chosen here).",
    )
