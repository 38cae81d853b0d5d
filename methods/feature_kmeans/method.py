"""Clusters of frozen features as a method: k-means over the fit images, nearest neighbours in every image."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.features.method import FeatureMethod

if TYPE_CHECKING:
    from torch import Tensor


class FeatureKmeans(FeatureMethod):
    """K clusters of a frozen network's features, located by nearest neighbours in every image: nothing is trained.

    A subclass names its card, its config (with ``ClusterSettings``) and the source of its features. Clustering the
    features of a frozen network to discover landmarks is published: Tourani et al. (CVPR 2024) do so with Stable
    Diffusion's, as a baseline and as the start of their self-training. Their paper, and no code, is known here; the
    number of clusters, the choice among them and the soft-argmax are this repository's.
    """

    file: ClassVar[str] = "centres.safetensors"
    names: ClassVar[tuple[str, ...]] = ("mean", "centres")
    learned_name: ClassVar[str] = "clusters"

    def learn(self, maps: Tensor, num_keypoints: int, seed: int) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Cluster the features and keep K of the clusters. Raises MethodError for fewer features than clusters."""
        from methods.feature_kmeans.clusters import candidates, centred, choose, cluster

        config = self.config
        mean = maps.mean((0, 2, 3))
        maps = centred(maps, mean)
        count = config.clusters_per_keypoint * num_keypoints
        centres = cluster(maps, count, config.vectors_per_image, config.iterations, seed, self.card.id)
        found = candidates(maps, centres, config.temperature)
        chosen = choose(found, num_keypoints, config.spread_weight, config.min_distance)
        means = {name: float(getattr(found, name)[chosen].mean()) for name in ("consistency", "spread")}
        return {"mean": mean, "centres": centres[chosen]}, means

    def locate(self, maps: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """Keypoints (B, K, 2) where the features are most similar to each centre."""
        from methods.feature_kmeans.clusters import centred, locate

        return locate(centred(maps, tensors["mean"]), tensors["centres"], self.config.temperature, self.config.window)
