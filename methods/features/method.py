"""Base class of a method that reads keypoints off frozen features: the network, the fit images, save and load."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import ImageBatch, ImageStream, Method, MethodConfig, MethodError, Parameters, Report
from methods.features.provider import FeatureProvider, FeatureSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

STATE = "state.json"
DECODED_AT_ONCE = 16  # fit images


class FeatureMethod(Method):
    """Learns a few tensors from the feature maps of the fit images, and locates keypoints in the map of an image.

    A subclass defines ``source``, ``learn`` and ``locate``, the ``names`` of its tensors, the name of their ``file``,
    and ``learned_name``, which error messages use. The config has the settings ``fit_images`` and those of the source.
    """

    file: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    learned_name: ClassVar[str]

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._source = self.source()
        self._features: FeatureProvider | None = None
        self._tensors: dict[str, Tensor] | None = None

    @abstractmethod
    def source(self) -> FeatureSource:
        """The source of the features that the config names; it reads no file yet."""

    @abstractmethod
    def learn(self, maps: Tensor, num_keypoints: int, seed: int) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Tensors by name, and scalars to report, from the feature maps (N, C, h, w) of the fit images."""

    @abstractmethod
    def locate(self, maps: Tensor, tensors: dict[str, Tensor]) -> Tensor:
        """Keypoints (B, K, 2), (x, y) in [0, 1], in feature maps (B, C, h, w)."""

    @property
    def image_size(self) -> int:
        """Side in pixels of the images that the network sees. Raises MethodError without weights."""
        return self._source.image_size

    def identity(self) -> dict[str, Any]:
        """Plain data that identifies the weights of the network. Raises MethodError without weights."""
        return self._source.identity()

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Compute the features of the fit images and learn from them; ``report`` counts images.

        Raises MethodError for no images, fewer than 1 keypoint or missing weights.
        """
        import torch

        if len(images) == 0 or num_keypoints < 1:
            raise MethodError(
                f"{self.card.id}: got {len(images)} images and {num_keypoints} keypoints, expected at least 1 of each"
            )
        features = self._features_for(seed)
        maps = torch.cat(list(self._maps(features, images, seed, report)))
        self._tensors, scalars = self.learn(maps, num_keypoints, seed)
        report(len(maps) + 1, len(maps) + 1, **scalars)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]. Raises MethodError before ``fit`` or ``load``."""
        import torch

        features, tensors = self._learned()
        found = [torch.empty((0, len(tensors[self.names[-1]]), 2))]
        for first in range(0, len(batch.ids), features.images_at_once):
            some = slice(first, first + features.images_at_once)
            maps = features.maps(batch.ids[some], torch.tensor(batch.pixels[some]))
            found.append(self.locate(maps, tensors).cpu())
        return torch.cat(found).double().numpy()

    def parameters(self) -> Parameters:
        """The numbers in the learned tensors, and the parameters of the frozen network."""
        features, tensors = self._learned()
        return Parameters(own=sum(each.numel() for each in tensors.values()), frozen=features.parameters())

    def save(self, folder: Path) -> None:
        """Write the learned tensors as safetensors; seed, config and identity of the weights as JSON."""
        from safetensors.torch import save_file

        features, tensors = self._learned()
        save_file({name: each.cpu().contiguous() for name, each in tensors.items()}, folder / self.file)
        state = {"seed": features.seed, "identity": self.identity(), "config": self.config.model_dump(mode="json")}
        (folder / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote. Raises MethodError where it is missing, broken, or of other weights."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            found = load_file(folder / self.file)
            tensors = {name: found[name].to(self.device) for name in self.names}
            seed, theirs = int(state["seed"]), state["identity"]
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise MethodError(f"{self.card.id}: cannot load {folder} ({reason}); fit again") from error
        if theirs != self.identity():
            raise MethodError(
                f"{self.card.id}: the {self.learned_name} in {folder} belong to weights {theirs}, got "
                f"{self.identity()}; fit again"
            )
        self._features_for(seed)
        self._tensors = tensors

    def _maps(self, features: FeatureProvider, images: ImageStream, seed: int, report: Report) -> Iterator[Tensor]:
        """Features of the fit images, or of ``config.fit_images`` of them, chosen by the seed."""
        import torch

        from methods.draws import image_order

        count = min(self.config.fit_images or len(images), len(images))
        order = image_order(seed, "clusters", len(images), count).tolist()
        for first in range(0, count, DECODED_AT_ONCE):
            batch = images.load(order[first : first + DECODED_AT_ONCE])
            yield features.maps(batch.ids, torch.tensor(batch.pixels))
            report(first + len(batch.ids), count + 1)

    def _features_for(self, seed: int) -> FeatureProvider:
        """The network, loaded once, with the seed of its noise."""
        if self._features is None:
            self._features = self._source.open(self.device, seed)
        self._features.seed = seed
        return self._features

    def _learned(self) -> tuple[FeatureProvider, dict[str, Tensor]]:
        if self._features is None or self._tensors is None:
            raise MethodError(f"{self.card.id}: no {self.learned_name} yet; call fit or load first")
        return self._features, self._tensors
