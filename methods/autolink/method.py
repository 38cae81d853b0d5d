"""AutoLink as a method of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from methods.autolink.config import AutoLinkConfig
from methods.autolink.restoring import EdgeMethod
from methods.base import ImageStream, MethodCard, MethodConfig, MethodError, Report
from methods.files import weights_sha256
from methods.frozen import PERCEPTUAL, FrozenData

if TYPE_CHECKING:
    from torch import Tensor, nn

    from methods.autolink.network import Network
    from methods.training.features import Features


class AutoLink(EdgeMethod):
    """Learns keypoints by restoring a masked image from a drawing of the edges between them.

    Source: He, Wandt and Rhodin, NeurIPS 2022, and the released code.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="autolink",
        name="AutoLink",
        summary="keypoints joined by learned edges, whose drawing helps to restore a masked image",
        paper="AutoLink: Self-supervised Learning of Human Skeletons and Object Outlines by Linking Keypoints, "
        "He et al., NeurIPS 2022",
        year=2022,
        licence="own code, Apache-2.0",
        supervision="unsupervised",
        trained_on="the fit images; the features of its loss were trained on ImageNet (VGG) or on drawings (mini VAE)",
        frozen=PERCEPTUAL,
    )
    Config: ClassVar[type[MethodConfig]] = AutoLinkConfig
    version: ClassVar[str] = "2"  # 2: keypoints as the released evaluation has them, -1 to 1 from border to border

    @classmethod
    def frozen_data(cls, config: AutoLinkConfig) -> FrozenData | None:
        """The data of the features, unknown for a detector or for features whose weights the user names."""
        return super().frozen_data(config) if config.weights is None else None

    def identity(self) -> dict[str, Any]:
        """The features that the loss compares and the sha256 of their weights, or the sha256 of ``weights``.

        Raises MethodError where they are missing.
        """
        config = self.config
        if config.weights is not None:
            return {"weights_sha256": weights_sha256(Path(config.weights).expanduser(), self.card.id)}
        return super().identity()

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Train detector, edges and painter; with ``weights`` set, load the detector and learn nothing.

        Raises MethodError for fewer than 2 keypoints, no images, a loss that is not finite, or weights that do not fit.
        """
        if self.config.weights is None:
            super().fit(images, num_keypoints, seed, report)
            return
        network = self._with_detector(Path(self.config.weights).expanduser(), num_keypoints, seed)
        self._take(network, num_keypoints, seed)
        report(1, 1)

    def build(self, num_keypoints: int) -> nn.Module:
        """A network of detector, edge weights and painter."""
        from methods.autolink.network import Detector, Network

        config = self.config
        detector = Detector(num_keypoints, config.width, config.levels, config.reach)
        return Network(detector, num_keypoints, config.width, config.edge_rate, config.edge_start)

    def paint(self, network: nn.Module, seen: Tensor, masked: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The restored images; the loss has no other terms."""
        return network(seen, masked, self.config.thickness), {}

    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (x, y) in [0, 1]: value / 2 + 0.5, as in the released evaluation.

        The detector's -1 and 1 are the centres of the outer cells of its maps, so a keypoint at the border is off by
        up to half a cell (1/64 of the side for 32 cells). A regression about the centre or with a bias corrects
        that; one about the corner without bias (``autolink/*``) depends on it.
        """
        places: Tensor = cast("Network", network).detector(2 * pixels - 1).flip(2)
        return places / 2 + 0.5

    def _with_detector(self, file: Path, num_keypoints: int, seed: int) -> nn.Module:
        """A network with the detector of a released checkpoint. Raises MethodError where it does not fit."""
        from methods.autolink.released import load_detector

        network = cast("Network", self._new_network(num_keypoints, seed))
        try:
            network.detector.load_state_dict(load_detector(file, num_keypoints).state_dict())
        except MethodError as error:
            raise MethodError(f"{self.card.id}: {error}") from error
        except RuntimeError as error:
            raise MethodError(
                f"{self.card.id}: {file} holds a detector of another width than {self.config.width}; "
                f"set {self.card.id}.preset=paper"
            ) from error
        return network

    def frozen_network(self) -> Features | None:
        """The features that the loss compares; None for a detector that was learned elsewhere."""
        return super().frozen_network() if self.config.weights is None else None
