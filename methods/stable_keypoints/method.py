"""Stable Keypoints as a method of the benchmark: card, fit, predict, save and load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import (
    Ablation,
    Attention,
    Choices,
    ImageBatch,
    ImageStream,
    Method,
    MethodCard,
    MethodConfig,
    MethodError,
    Parameters,
    Picture,
    Report,
)
from methods.diffusion.weights import ModelFiles
from methods.frozen import DIFFUSION
from methods.stable_keypoints import official
from methods.stable_keypoints.config import HUMAN_POSE_STEPS, HUMAN_POSES, StableKeypointsConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.stable_keypoints.learning import Learner


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
        frozen=DIFFUSION,
    )
    Config: ClassVar[type[MethodConfig]] = StableKeypointsConfig
    version: ClassVar[str] = "2"  # 2: maps are formed in another order, which rounds differently
    shares_fit: ClassVar[bool] = True
    floor: ClassVar[str | None] = "random_tokens"
    curve_labels: ClassVar[Mapping[str, str]] = {
        "loss": "loss",
        "sharpening": "sharpening loss before its weight",
        "equivariance": "equivariance loss before its weight",
    }
    exportable: ClassVar[tuple[str, ...]] = (official.TOKENS, official.STATE)

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        super().__init__(config, device)
        self._files = ModelFiles(self.config.model, self.config.revision, self.card.id)
        self._learner: Learner | None = None
        self._tokens: Tensor | None = None
        self._chosen: Tensor | None = None

    @classmethod
    def settings_on(cls, fit_dataset: str, config: StableKeypointsConfig) -> Mapping[str, Any]:
        """Fewer steps on the human pose datasets in preset ``paper``. Source: section 4.1 of the paper."""
        optimised = config.preset == "paper" and config.tokens is None
        return {"steps": HUMAN_POSE_STEPS} if optimised and fit_dataset in HUMAN_POSES else {}

    @classmethod
    def ablations(cls, config: StableKeypointsConfig, num_keypoints: int) -> tuple[Ablation, ...]:
        """The rows of the paper's Table 4, other timesteps, and half and twice kappa and N."""
        from methods.stable_keypoints.ablations import ablations

        return ablations(config, num_keypoints)

    @classmethod
    def pictures(cls, config: StableKeypointsConfig) -> frozenset[Picture]:
        """Attention maps, and, unless the tokens come from the setting ``tokens``, how they were chosen."""
        return frozenset({"attention"} if config.tokens else {"attention", "choices"})

    @property
    def image_size(self) -> int:
        """``image_size`` of the config, or the pipeline's own. Raises MethodError without weights."""
        return self.config.image_size or self._files.image_side()

    def identity(self) -> dict[str, Any]:
        """sha256 of the weights used, or hub id and revision, and sha256 of the files of ``tokens``.

        Raises MethodError for a folder without weights or tokens.
        """
        config = self.config
        identity = self._weights()
        if config.tokens is not None:
            identity["tokens_sha256"] = official.digests(Path(config.tokens).expanduser())
        return identity

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Optimise the tokens, then keep the K that furthest point sampling picks most often.

        ``report`` gets loss, sharpening and equivariance of every step, and no scalars while tokens are chosen.
        Resumes from ``checkpoints``; processes launched by torchrun share the work (``methods.parallel``). With
        ``tokens`` set, those are used and nothing is learned. Raises MethodError for missing weights or settings that
        leave fewer tokens than keypoints.
        """
        from methods.checkpoints import CheckpointFile
        from methods.parallel import Team, own_device, world
        from methods.stable_keypoints.fitting import fit

        if self.config.tokens is not None:
            self._take(Path(self.config.tokens).expanduser(), num_keypoints, seed)
            report(1, 1)
            return
        if len(images) == 0:
            raise MethodError(f"{self.card.id}: there are no images to fit, expected at least 1")
        if self.config.batch_size < world()[1]:
            raise MethodError(
                f"{self.card.id}: batch_size is {self.config.batch_size}, expected at least the {world()[1]} processes "
                f"that share a batch; raise {self.card.id}.batch_size or launch fewer"
            )
        self.device = own_device(self.device)
        team = Team(self.device)
        with team.agreed():
            learner = self._new_learner(num_keypoints, seed)
            checkpoint = CheckpointFile.of_fit(self, images, num_keypoints, seed, leave_out={"tokens"})
        self._tokens, self._chosen = fit(learner, learner.initial_tokens(), images, report, team, checkpoint)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]. Raises MethodError before ``fit`` or ``load``."""
        from methods.stable_keypoints.learning import pixels_of

        learner, tokens, chosen = self._learned()
        return learner.locate(tokens, chosen, batch.ids, pixels_of(batch))

    def parameters(self) -> Parameters:
        """The numbers of all optimised tokens, none without optimisation; the frozen parts are UNet and autoencoder."""
        learner, tokens, _ = self._learned()
        learned = self.config.steps > 0 or self.config.tokens is not None
        return Parameters(own=tokens.numel() if learned else 0, frozen=learner.backbone.parameters())

    def attention(self, batch: ImageBatch) -> Attention:
        """The maps of the chosen tokens, at the resolution at which ``predict`` takes their maxima."""
        from methods.stable_keypoints.inspect import attention

        return attention(*self._learned(), batch)

    def choices(self, images: ImageStream, at_most: int) -> Choices:
        """How often each token is kept over the first ``at_most`` selection images."""
        from methods.stable_keypoints.inspect import choices

        return choices(*self._learned(), images, at_most)

    @classmethod
    def export(cls, folder: Path, destination: Path) -> tuple[Path, ...]:
        """Write ``embedding.pt`` and ``indices.pt`` of the released code. Raises MethodError where they cannot be."""
        return official.write(folder, destination)

    def save(self, folder: Path) -> None:
        """Write tokens (N, width) and chosen ids (K,) as safetensors; seed, K, config and identity as JSON."""
        from safetensors.torch import save_file

        learner, tokens, chosen = self._learned()
        save_file({"tokens": tokens.cpu(), "chosen": chosen.cpu()}, folder / official.TOKENS)
        state = {
            "seed": learner.seed,
            "num_keypoints": learner.num_keypoints,
            "identity": self.identity(),
            "config": self.config.model_dump(mode="json"),
        }
        (folder / official.STATE).write_text(json.dumps(state, indent=2) + "\n")

    def load(self, folder: Path) -> None:
        """Restore saved tokens; this method's own weights and settings are used.

        Raises MethodError where the files are missing or the tokens belong to other weights.
        """
        tokens, chosen, state = official.read(folder)
        if state is None:
            raise MethodError(
                f"{self.card.id}: {folder} is not a fit of this benchmark; set {self.card.id}.tokens={folder} and fit"
            )
        self._check_weights(folder, state)
        self._tokens, self._chosen = tokens.to(self.device), chosen.to(self.device)
        self._new_learner(state["num_keypoints"], state["seed"])

    def _take(self, folder: Path, num_keypoints: int, seed: int) -> None:
        """Use tokens learned elsewhere. Raises MethodError where K, width or weights do not fit."""
        tokens, chosen, state = official.read(folder)
        if len(chosen) != num_keypoints:
            raise MethodError(
                f"{self.card.id}: the tokens in {folder} find {len(chosen)} keypoints, expected the {num_keypoints} "
                "asked for; name tokens chosen for this number"
            )
        if state is not None:
            self._check_weights(folder, state)
        learner = self._new_learner(num_keypoints, seed, len(tokens))
        if tokens.shape[1] != learner.backbone.token_width:
            raise MethodError(
                f"{self.card.id}: the tokens in {folder} are {tokens.shape[1]} wide, expected "
                f"{learner.backbone.token_width} of {self.config.model}; use the model they were learned with"
            )
        self._tokens = tokens.to(learner.backbone.device, learner.backbone.map_dtype)
        self._chosen = chosen.to(learner.backbone.device)

    def _check_weights(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Raise MethodError where a fit's state is incomplete, or differs from ours in weights or null tokens."""
        missing = {"identity", "config", "num_keypoints", "seed"} - state.keys()
        if missing:
            raise MethodError(
                f"{self.card.id}: {folder / official.STATE} lacks {', '.join(sorted(missing))}; fit again"
            )
        theirs = {name: value for name, value in state["identity"].items() if name != "tokens_sha256"}
        ours = self._weights()
        if theirs != ours:
            raise MethodError(
                f"{self.card.id}: the tokens in {folder} belong to weights {theirs}, got {ours}; "
                f"use the model they were learned with: {state['config'].get('model')}"
            )
        kept = state["config"].get("keep_null_tokens", False)
        if kept != self.config.keep_null_tokens:
            raise MethodError(
                f"{self.card.id}: the tokens in {folder} were learned with keep_null_tokens={kept}; "
                f"set {self.card.id}.keep_null_tokens={str(kept).lower()}"
            )

    def _weights(self) -> dict[str, Any]:
        """Identity of the model's weights."""
        return self._files.identity(self._files.parts_read(self.config.keep_null_tokens))

    def _new_learner(self, num_keypoints: int, seed: int, num_tokens: int | None = None) -> Learner:
        """A learner for this K and seed; ``num_tokens`` replaces the setting if tokens were learned elsewhere."""
        from methods.stable_keypoints.backbone import Backbone
        from methods.stable_keypoints.learning import Learner

        backbone = self._learner.backbone if self._learner else Backbone(self.config, self.device, method=self.card.id)
        if num_tokens is not None:
            kappa = self.config.kappa and max(self.config.kappa, num_keypoints)
            backbone.config = self.config.model_copy(update={"num_tokens": num_tokens, "kappa": kappa})
        self._learner = Learner(backbone, num_keypoints, seed)
        return self._learner

    def _learned(self) -> tuple[Learner, Tensor, Tensor]:
        if self._learner is None or self._tokens is None or self._chosen is None:
            raise MethodError(f"{self.card.id}: no tokens yet; call fit or load first")
        return self._learner, self._tokens, self._chosen
