"""Base class of a method that trains a network: fit, checkpoints, predict, save and load."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from methods.base import ImageBatch, ImageStream, Method, MethodConfig, MethodError, Parameters, Report
from methods.checkpoints import CheckpointFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn, optim

NETWORK = "network.safetensors"
STATE = "state.json"


class TrainedConfig(MethodConfig):
    """Settings of every trained method; a subclass replaces the defaults by those of its paper.

    A ``preset`` fills in, from the subclass's ``presets``, every setting that is not given.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {}, "mini": {}}

    preset: Literal["paper", "mini"] = Field(
        default="paper",
        description="Source of the other defaults: the published method, or small networks that fit in about a minute "
        "on a CPU core.",
    )

    image_size: PositiveInt = Field(default=128, description="Side of the square images, in pixels.")
    steps: int = Field(default=20_000, ge=0, description="Optimisation steps.")
    batch_size: PositiveInt = Field(default=64, description="Images in a step.")
    learning_rate: PositiveFloat = Field(default=1e-4, description="Largest learning rate of AdamW.")
    weight_decay: NonNegativeFloat = Field(default=0.0, description="Decoupled weight decay of AdamW.")
    schedule: Literal["constant", "cosine", "thirds"] = Field(
        default="constant",
        description="Learning rate after the warm-up: constant; cosine, which falls to 0 along half a cosine wave; or "
        "thirds, which falls to a tenth after each third of the steps (chosen here).",
    )
    warmup: int = Field(
        default=0, ge=0, description="Steps over which the learning rate rises linearly at the start (chosen here)."
    )
    clip_gradient: NonNegativeFloat = Field(
        default=0.0,
        description="Largest norm of the gradient over all parameters together, to which longer ones are scaled down; "
        "0 scales none (chosen here).",
    )

    predict_batch: PositiveInt = Field(
        default=32, exclude=True, description="Images in one pass of the network in prediction (chosen here)."
    )
    checkpoint_every: int = Field(
        default=500,
        ge=0,
        exclude=True,
        description="Steps between two checkpoints of a fit; 0 keeps none (chosen here).",
    )


class TrainedMethod(Method):
    """Trains a network on the fit images by gradient descent.

    A subclass defines ``build``, ``losses`` and ``locate``. On the CPU the same seed gives the same bits: the seed
    determines the initial weights and the order of the images, and the random numbers of a step depend on seed and step
    alone. So neither the batch size of the stream nor an interruption changes the result.
    """

    Config: ClassVar[type[MethodConfig]] = TrainedConfig

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._network: nn.Module | None = None
        self._num_keypoints = 0
        self._seed = 0

    @abstractmethod
    def build(self, num_keypoints: int) -> nn.Module:
        """A new network on the CPU. Torch's global generator is seeded before the call."""

    @abstractmethod
    def losses(
        self, network: nn.Module, batch: ImageBatch, pixels: Tensor, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        """Scalars of a batch: ``loss``, which is minimised, and others to plot as curves.

        ``pixels`` (B, 3, H, W) in [0, 1] are those of the batch, on the device. Draw from ``generator`` or from torch's
        global generator; both are seeded for this step.
        """

    @abstractmethod
    def locate(self, network: nn.Module, pixels: Tensor) -> Tensor:
        """Keypoints (B, K, 2), (x, y) in [0, 1], of images (B, 3, H, W); called in eval mode without gradients."""

    def optimiser(self, network: nn.Module) -> optim.Optimizer:
        """Adam with decoupled weight decay, of all parameters that require a gradient."""
        from torch.optim import AdamW

        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        return AdamW(learning, lr=self.config.learning_rate, weight_decay=self.config.weight_decay)

    def begin(self, images: ImageStream, num_keypoints: int, seed: int) -> None:
        """Check or prepare something before the first step of a fit; does nothing unless a subclass overrides it."""

    @property
    def image_size(self) -> int:
        """``image_size`` of the config."""
        return int(self.config.image_size)

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Train a new network, or resume from ``checkpoints``; ``report`` gets the scalars of every step.

        Raises MethodError for no images, fewer than 1 keypoint or a loss that is not finite.
        """
        from methods.training.loop import TrainingLoop

        if len(images) == 0:
            raise MethodError(f"{self.card.id}: there are no images to fit, expected at least 1")
        network = self._new_network(num_keypoints, seed)
        self.begin(images, num_keypoints, seed)
        checkpoint = CheckpointFile.of_fit(self, images, num_keypoints, seed)
        TrainingLoop(self, network, images, seed, report, checkpoint).run()
        self._take(network, num_keypoints, seed)
        if not self.config.steps:
            report(1, 1)

    def parameters(self) -> Parameters:
        """The numbers of the network's parameters, and of those that a loss compares features with."""
        own = [each.numel() for each in self._learned().parameters()]
        frozen = self.frozen_network()
        return Parameters(sum(own), 0 if frozen is None else sum(each.numel() for each in frozen.parameters()))

    def frozen_network(self) -> nn.Module | None:
        """The frozen network of the loss; None (the default) without one."""
        return None

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]. Raises MethodError before ``fit`` or ``load``, or where one is NaN."""
        import torch

        network = self._learned().eval()
        found = [torch.empty((0, self._num_keypoints, 2), dtype=torch.float64)]
        with torch.no_grad():
            for pixels in torch.tensor(batch.pixels).split(self.config.predict_batch):
                found.append(self.locate(network, pixels.to(self.device)).double().cpu())
        keypoints = torch.cat(found)
        finite = torch.isfinite(keypoints).flatten(1).all(dim=1)
        if not finite.all():
            row = int(finite.long().argmin())
            why = self._why(batch, row)
            raise MethodError(f"{self.card.id}: keypoints of image '{batch.ids[row]}' are not finite: {why}")
        return keypoints.clamp(0, 1).numpy()

    def _why(self, batch: ImageBatch, row: int) -> str:
        """The cause of keypoints that are not finite, and its cure."""
        import numpy as np

        from methods.training.loop import AT_FIRST

        tensors = self._learned().state_dict()
        if not np.isfinite(batch.pixels[row]).all():
            return "so are its pixels; check the file"
        broken = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
        if broken is None:
            return "values overflow in the network, whose weights are finite; fit again with a lower learning_rate"
        cure = "training went wrong: fit again with a lower learning_rate" if self.config.steps else AT_FIRST
        return f"so is {broken} of the network; {cure}"

    def save(self, folder: Path) -> None:
        """Write the network as safetensors; K, seed and config as JSON. Raises MethodError before ``fit``."""
        from safetensors.torch import save_file

        network = self._learned()
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        save_file(tensors, folder / NETWORK)
        state = {
            "method": self.card.id,
            "version": self.version,
            "num_keypoints": self._num_keypoints,
            "seed": self._seed,
            "config": self.config.model_dump(mode="json"),
        }
        (folder / STATE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote with the same config. Raises MethodError where it is missing or broken.

        Tensors of other names or shapes are refused; a changed setting that affects neither goes unnoticed.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            num_keypoints, seed = int(state["num_keypoints"]), int(state["seed"])
            network = self._new_network(num_keypoints, seed)
            network.load_state_dict(load_file(folder / NETWORK))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise MethodError(f"{self.card.id}: cannot load {folder} ({reason}); fit again") from error
        self._take(network.to(self.device), num_keypoints, seed)

    def _new_network(self, num_keypoints: int, seed: int) -> nn.Module:
        """A new network on the device, its weights initialised by the seed. Raises MethodError for K below 1."""
        from methods.training.loop import seeded

        if num_keypoints < 1:
            raise MethodError(f"{self.card.id}: got {num_keypoints} keypoints, expected at least 1")
        with seeded(self.device, seed, "weights"):
            return self.build(num_keypoints).to(self.device)

    def _take(self, network: nn.Module, num_keypoints: int, seed: int) -> None:
        self._network, self._num_keypoints, self._seed = network.eval(), num_keypoints, seed

    def _learned(self) -> nn.Module:
        if self._network is None:
            raise MethodError(f"{self.card.id}: nothing is learned yet; call fit or load first")
        return self._network
