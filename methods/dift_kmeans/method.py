"""Clustered diffusion features as a method of the benchmark: card, fit, predict, save and load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Parameters, Report
from methods.diffusion.weights import ModelFiles
from methods.dift_kmeans.config import DiftKmeansConfig
from methods.frozen import DIFFUSION

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.dift_kmeans.features import Features

CENTRES = "centres.safetensors"
STATE = "state.json"
DECODED_AT_ONCE = 16  # fit images


class DiftKmeans(Method):
    """K clusters of a frozen model's features, located by nearest neighbours in every image: nothing is trained.

    The features are those of Tang et al., NeurIPS 2023, who match points of two images with them. The clustering and
    the choice of clusters are our own.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="dift_kmeans",
        name="DIFT + k-means",
        summary="k-means clusters of a frozen diffusion model's features, located by nearest neighbours",
        paper="Emergent Correspondence from Image Diffusion, Tang et al., NeurIPS 2023 (the features)",
        year=2023,
        licence="Apache-2.0",
        supervision="unsupervised",
        trained_on="nothing; the fit images are clustered, the diffusion model was trained on captioned images",
        frozen=DIFFUSION,
    )
    Config: ClassVar[type[MethodConfig]] = DiftKmeansConfig

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._files = ModelFiles(self.config.model, self.config.revision, self.card.id)
        self._features: Features | None = None
        self._mean: Tensor | None = None
        self._centres: Tensor | None = None

    @property
    def image_size(self) -> int:
        """``image_size`` of the config, or the pipeline's own. Raises MethodError without weights."""
        return self.config.image_size or self._files.image_side()

    def identity(self) -> dict[str, Any]:
        """sha256 of the weights used, or hub id and revision. Raises MethodError for a folder without weights."""
        return self._files.identity(self._files.parts_read(keep_null_tokens=True))

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Cluster the features of the fit images and keep K of the clusters; ``report`` counts images.

        Raises MethodError for no images, fewer than 1 keypoint or missing weights.
        """
        import torch

        from methods.dift_kmeans.clusters import candidates, centred, choose, cluster

        if len(images) == 0 or num_keypoints < 1:
            raise MethodError(
                f"{self.card.id}: got {len(images)} images and {num_keypoints} keypoints, expected at least 1 of each"
            )
        config = self.config
        features = self._features_for(seed)
        maps = torch.cat(list(self._maps(features, images, seed, report)))
        self._mean = maps.mean((0, 2, 3))
        maps = centred(maps, self._mean)
        count = config.clusters_per_keypoint * num_keypoints
        centres = cluster(maps, count, config.vectors_per_image, config.iterations, seed)
        found = candidates(maps, centres, config.temperature)
        chosen = choose(found, num_keypoints, config.spread_weight, config.min_distance)
        self._centres = centres[chosen]
        means = {name: float(getattr(found, name)[chosen].mean()) for name in ("consistency", "spread")}
        report(len(maps) + 1, len(maps) + 1, **means)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]. Raises MethodError before ``fit`` or ``load``."""
        import torch

        from methods.dift_kmeans.clusters import centred, locate

        features, mean, centres = self._learned()
        found = [torch.empty((0, len(centres), 2))]
        for first in range(0, len(batch.ids), features.images_at_once):
            some = slice(first, first + features.images_at_once)
            maps = centred(features.maps(batch.ids[some], torch.tensor(batch.pixels[some])), mean)
            found.append(locate(maps, centres, self.config.temperature, self.config.window).cpu())
        return torch.cat(found).double().numpy()

    def parameters(self) -> Parameters:
        """The numbers of the centres and of the mean; the frozen parts are UNet and autoencoder."""
        features, mean, centres = self._learned()
        return Parameters(own=mean.numel() + centres.numel(), frozen=features.pipeline.parameters())

    def save(self, folder: Path) -> None:
        """Write centres (K, C) and mean (C,) as safetensors; seed, config and identity of the weights as JSON."""
        from safetensors.torch import save_file

        features, mean, centres = self._learned()
        save_file({"mean": mean.cpu(), "centres": centres.cpu().contiguous()}, folder / CENTRES)
        state = {"seed": features.seed, "identity": self.identity(), "config": self.config.model_dump(mode="json")}
        (folder / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote. Raises MethodError where it is missing, broken, or of other weights."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            tensors = load_file(folder / CENTRES)
            mean, centres = tensors["mean"].to(self.device), tensors["centres"].to(self.device)
            seed, theirs = int(state["seed"]), state["identity"]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise MethodError(f"{self.card.id}: cannot load {folder} ({reason}); fit again") from error
        if theirs != self.identity():
            raise MethodError(
                f"{self.card.id}: the centres in {folder} belong to weights {theirs}, got {self.identity()}; fit again"
            )
        self._features_for(seed)
        self._mean, self._centres = mean, centres

    def _maps(self, features: Features, images: ImageStream, seed: int, report: Report) -> Iterator[Tensor]:
        """Features of the fit images, or of ``config.fit_images`` of them, chosen by the seed."""
        import torch

        from methods.draws import image_order

        count = min(self.config.fit_images or len(images), len(images))
        order = image_order(seed, "clusters", len(images), count).tolist()
        for first in range(0, count, DECODED_AT_ONCE):
            batch = images.load(order[first : first + DECODED_AT_ONCE])
            yield features.maps(batch.ids, torch.tensor(batch.pixels))
            report(first + len(batch.ids), count + 1)

    def _features_for(self, seed: int) -> Features:
        """The model, loaded once, whose noise is determined by the seed."""
        from methods.dift_kmeans.features import Features

        if self._features is None:
            self._features = Features(self.config, self._files, self.device, seed)
        self._features.seed = seed
        return self._features

    def _learned(self) -> tuple[Features, Tensor, Tensor]:
        if self._features is None or self._mean is None or self._centres is None:
            raise MethodError(f"{self.card.id}: no clusters yet; call fit or load first")
        return self._features, self._mean, self._centres
