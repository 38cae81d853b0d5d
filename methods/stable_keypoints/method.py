"""Stable Keypoints as a method of the benchmark: its card, and what it learns, keeps and predicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Report
from methods.stable_keypoints import weights
from methods.stable_keypoints.config import StableKeypointsConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.stable_keypoints.learning import Learner

TOKENS_FILE = "tokens.safetensors"
STATE_FILE = "state.json"


class StableKeypoints(Method):
    """Tokens of a frozen text-to-image model, optimised until each attends to one small place in every image.

    Source: Hedlin et al., CVPR 2024. With ``steps=0`` the tokens stay random.
    """

    card: ClassVar[MethodCard] = MethodCard(
        id="stable_keypoints",
        name="Stable Keypoints",
        summary="text tokens of a frozen diffusion model, optimised until their attention is a small Gaussian",
        paper="Unsupervised Keypoints from Pretrained Diffusion Models, Hedlin et al., CVPR 2024",
        year=2024,
        licence="Apache-2.0",
        supervision="unsupervised",
        trained_on="the fit images; the diffusion model was trained on captioned images",
    )
    Config: ClassVar[type[MethodConfig]] = StableKeypointsConfig

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._learner: Learner | None = None
        self._tokens: Tensor | None = None
        self._chosen: Tensor | None = None

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """An explicit preset wins; else the mini profile or the mini model mean ``mini``, all else ``paper``."""
        default = {"preset": "mini"} if profile == "mini" else {}
        return cls.Config(**{**default, **settings})

    @property
    def image_size(self) -> int:
        """``image_size`` of the config, or what the pipeline was made for. Raises MethodError without weights."""
        return self.config.image_size or weights.image_side(self.config.model, self.config.revision)

    def identity(self) -> dict[str, Any]:
        """sha256 of the weights used, or hub id and revision. Raises MethodError for a folder without weights."""
        text = ("text_encoder", "tokenizer") if self.config.keep_null_tokens else ()
        return weights.identity(self.config.model, self.config.revision, ("unet", "vae", "scheduler", *text))

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Optimise the tokens, then keep the K that furthest point sampling picks most often.

        ``report`` gets loss, sharpening and equivariance at every step, and no scalars while tokens are chosen.
        Raises MethodError for missing weights or settings that leave fewer tokens than keypoints.
        """
        from methods.stable_keypoints.fitting import choose, optimise

        if len(images) == 0:
            raise MethodError(f"{self.card.id}: there are no images to fit, expected at least 1")
        learner = self._new_learner(num_keypoints, seed)
        self._tokens = optimise(learner, learner.initial_tokens(), images, report)
        self._chosen = choose(learner, self._tokens, images, report)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]. Raises MethodError before ``fit`` or ``load``."""
        import torch

        learner, tokens, chosen = self._learned()
        return learner.locate(tokens, chosen, batch.ids, torch.tensor(batch.pixels))

    def save(self, folder: Path) -> None:
        """Write tokens (N, width) and chosen ids (K,) as safetensors, seed, config and weights' name as JSON."""
        from safetensors.torch import save_file

        learner, tokens, chosen = self._learned()
        save_file({"tokens": tokens.cpu(), "chosen": chosen.cpu()}, folder / TOKENS_FILE)
        state = {
            "seed": learner.seed,
            "num_keypoints": learner.num_keypoints,
            "identity": self.identity(),
            "config": self.config.model_dump(mode="json"),
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n")

    def load(self, folder: Path) -> None:
        """Take up saved tokens for this method's own weights and settings.

        Raises MethodError where the files are missing or the tokens belong to other weights.
        """
        from safetensors.torch import load_file

        try:
            state = json.loads((folder / STATE_FILE).read_text())
            tensors = load_file(folder / TOKENS_FILE, device=self.device)
        except (OSError, ValueError) as error:
            raise MethodError(
                f"stable_keypoints: cannot load tokens from {folder} ({type(error).__name__}: {error}); fit again"
            ) from error
        identity = self.identity()
        if state["identity"] != identity:
            raise MethodError(
                f"stable_keypoints: the tokens in {folder} belong to weights {state['identity']}, got {identity}; "
                f"use the model they were learned with: {state['config']['model']}"
            )
        self._tokens, self._chosen = tensors["tokens"], tensors["chosen"]
        self._new_learner(state["num_keypoints"], state["seed"])

    def _new_learner(self, num_keypoints: int, seed: int) -> Learner:
        from methods.stable_keypoints.backbone import Backbone
        from methods.stable_keypoints.learning import Learner

        backbone = self._learner.backbone if self._learner else Backbone(self.config, self.device)
        self._learner = Learner(backbone, num_keypoints, seed)
        return self._learner

    def _learned(self) -> tuple[Learner, Tensor, Tensor]:
        if self._learner is None or self._tokens is None or self._chosen is None:
            raise MethodError(f"{self.card.id}: no tokens yet; call fit or load first")
        return self._learner, self._tokens, self._chosen
