"""The settings of the clustered features of a vision transformer, and their two presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from methods.feature_kmeans.config import ClusterSettings
from methods.features.config import FeatureSettings

# What preset mini adds for the mini vision transformer, and for the mini autoencoder. The features of the latter are
# alike in many places of an image: the mean place over the whole image has smaller errors than the best match.
MINI_VIT: dict[str, Any] = {"image_size": 128}
MINI_VAE: dict[str, Any] = {"temperature": 0.2, "window": 32}


class DinoKmeansConfig(ClusterSettings, FeatureSettings):
    """Settings of a vision transformer's features and of their clusters.

    A ``preset`` fills in every setting that is not given; ``mini`` is the default wherever ``model`` is ``mini``. No
    paper has all of these settings: those of the features are DINOv2's (Oquab et al. 2024, Darcet et al. 2024), those
    of the clusters are the ones of ``dift_kmeans``, so that the two methods differ in the frozen network alone.
    """

    of_label: ClassVar[frozenset[str]] = frozenset({"features"})
    of_frozen: ClassVar[str] = "model"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"features": "vit"},
        "mini": {"features": "auto", "fit_images": 60},
    }

    features: Literal["auto", "vit", "mini_vae"] = Field(
        default="auto",
        description="Network whose features are clustered: vit (a vision transformer) or mini_vae (encoder of the "
        "mini model's autoencoder); auto takes the mini vision transformer where this repository has it, else "
        "mini_vae.",
    )

    @classmethod
    def resolve(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace settings that depend on the features, or on whether the mini vision transformer is there."""
        found = super().resolve(settings)
        if settings.get("preset") != "mini":
            return found
        own = MINI_VAE if found["features"] == "mini_vae" else MINI_VIT if found["model"] == "mini" else {}
        return {**own, **found}
