"""The interface of a method: images in, K keypoints per image out, without landmarks.

Coordinates are float64 (x, y) in [0, 1] of the image as the method sees it; pixel ``i`` of ``n`` has its
centre at ``(i + 0.5) / n``. A batch of images has their ids, so that a method can key every random draw by the image
instead of its position.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, model_validator

from methods.frozen import FrozenData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Picture = Literal["attention", "choices"]
SCORES = "scores"  # the column, or the array, of scores beside keypoints in files


class MethodError(Exception):
    """A mistake that the user can correct, such as a missing weight file or a bad setting; shown as one line."""


class MethodConfig(BaseModel):
    """Settings of a method: frozen, and an unknown name is an error.

    Each setting has a description, one sentence with its unit and source: ``Field(default=..., description=...)``.
    ``of_predict`` names the settings that matter in ``predict`` alone: methods that differ only in these share a fit.
    ``Field(exclude=True)`` marks a setting that changes no keypoint: it identifies neither a fit nor a result.
    ``of_label`` names the settings that every table shows after the method's name. ``of_frozen`` names the setting that
    chooses the frozen part, '' if there is only one choice (see ``MethodCard.frozen``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    of_predict: ClassVar[frozenset[str]] = frozenset()
    of_label: ClassVar[frozenset[str]] = frozenset()
    of_frozen: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # settings by preset, for a config with a field `preset`

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        """Complete the given settings by those of their preset; the model ``mini`` has preset ``mini`` by default."""
        if not cls.presets or not isinstance(given, dict):
            return given
        default = "mini" if given.get("model") == "mini" else cls.model_fields["preset"].default
        preset = given.get("preset") or default
        return cls.resolve({**cls.presets.get(preset, {}), **given, "preset": preset})

    @classmethod
    def resolve(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Replace values that depend on this machine, such as features 'auto'; by default there are none."""
        return settings


class MethodCard(BaseModel):
    """The facts about a method that readers of a table need.

    ``supervision`` says in words what the method learns from; ``saw_landmarks`` says whether that includes landmarks of
    the images it is fitted on. ``is_floor`` marks a baseline that learns nothing. ``frozen`` says what the frozen part
    was trained on, for each value of the setting ``Config.of_frozen`` ('' without one); for other values it is unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    name: str
    summary: str
    paper: str | None = None
    year: int | None = None
    licence: str | None = None
    supervision: str = "unsupervised"
    saw_landmarks: bool = False
    trained_on: str | None = None
    is_floor: bool = False
    frozen: Mapping[str, FrozenData] = {}


@dataclass(frozen=True)
class Parameters:
    """The numbers of parameters of a fitted method: ``own`` ones, which it learned, and ``frozen`` ones."""

    own: int
    frozen: int = 0


@dataclass(frozen=True)
class Ablation:
    """A method with some of its settings changed, to measure what they contribute.

    Tables write ``name`` behind the method's label ('without equivariance') and ``note`` below the table.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Attention:
    """Maps (B, K, S, S) float32 of B images; the maximum of each map is a keypoint.

    ``names`` has one name for each of the K maps, such as 'token 7'.
    """

    names: tuple[str, ...]
    maps: NDArray[np.float32]


@dataclass(frozen=True)
class Choices:
    """The number of images on which each of N candidates was kept, and the K candidates that became keypoints.

    ``counts`` (N,) are over the first ``seen`` of the ``total`` selection images. ``chosen`` holds the K indices in the
    order of the keypoints. ``candidate`` is the word for a candidate, such as 'token'.
    """

    counts: NDArray[np.int64]
    seen: int
    total: int
    chosen: tuple[int, ...]
    candidate: str = "candidate"


@dataclass(frozen=True)
class ImageBatch:
    """Images with their ids: ``pixels`` is (B, 3, H, W) float32 in [0, 1]."""

    ids: tuple[str, ...]
    pixels: NDArray[np.float32]


@dataclass(frozen=True)
class LabelledBatch(ImageBatch):
    """Images with annotations: ``landmarks`` (B, L, 2) float64, (x, y) in [0, 1], and ``visible`` (B, L) bool.

    Where ``visible`` is False the landmark is missing and its coordinates have no meaning.
    """

    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]


class ImageStream(Protocol):
    """A list of images, decoded on access: iterable any number of times, in the order of ``ids``."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[ImageBatch]: ...

    def load(self, indices: Sequence[int]) -> ImageBatch:
        """The images at these positions of ``ids``, in the order given."""
        ...


class Report(Protocol):
    """A callback for the progress of a fit: the number of steps done, their total, and scalars to plot as curves."""

    def __call__(self, done: int, total: int, **scalars: float) -> None: ...


class Method(ABC):
    """Discovers K keypoints on a set of images and locates them in any image.

    A subclass defines its ``card`` and ``Config``; a heavy import belongs inside the function that needs it. Raise
    ``version`` when a change of the code gives other keypoints for the same settings.

    A method whose card says ``saw_landmarks=True`` learns from landmarks: ``fit`` (and only ``fit``) gets batches of
    type ``LabelledBatch``, and ``num_keypoints`` is the number of landmarks, whatever the task's K. No other method
    gets landmarks.

    ``checkpoints`` is a folder that the caller may set before ``fit``, for that fit only: a method that can resume
    creates it and keeps its checkpoints there. The caller removes it once what was learned is saved. ``shares_fit``
    says that ``fit`` shares its work among the processes launched by torchrun, all of which must call it
    (``methods.parallel``); the fit of any other method runs in the first process only.

    The following hooks are optional:

    * ``floor``: id of the method's own baseline, which ``run`` runs beside the method. Settings that both have in
      common get the method's values.
    * ``ablations``: variants of the settings for the suite ``ablation``.
    * ``settings_on``: settings for particular datasets.
    * ``curve_labels``: titles of the reported scalars that ``show`` plots, in this order. If none of them was reported,
      ``show`` plots every scalar.
    * ``frozen_data`` and ``parameters``: columns of tables, for readers who compare methods.
    * ``pictures``: whether ``show`` may call ``attention`` and ``choices``.
    * ``exportable`` and ``export``: ``export`` writes a fit in the format of another program; ``exportable`` names the
      files that the fit must have.
    """

    card: ClassVar[MethodCard]
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    version: ClassVar[str] = "1"
    shares_fit: ClassVar[bool] = False
    floor: ClassVar[str | None] = None
    curve_labels: ClassVar[Mapping[str, str]] = {"loss": "loss"}
    exportable: ClassVar[tuple[str, ...]] = ()
    checkpoints: Path | None = None

    def __init__(self, config: MethodConfig | None = None, device: str = "cpu") -> None:
        self.config: Any = config if config is not None else self.Config()
        self.device = device

    @classmethod
    def config_for(cls, profile: str, settings: Mapping[str, Any]) -> MethodConfig:
        """The config for a profile ('mini' or 'paper') with the user's settings.

        The mini profile selects preset ``mini`` if there is one and the user names no preset. Raises
        pydantic.ValidationError for an unknown name or a bad value.
        """
        default = {"preset": "mini"} if profile == "mini" and "mini" in cls.Config.presets else {}
        return cls.Config(**{**default, **settings})

    @classmethod
    def settings_on(cls, fit_dataset: str, config: Any) -> Mapping[str, Any]:
        """Settings that the paper states for a fit on this dataset; none by default.

        The user's settings take precedence.
        """
        return {}

    @classmethod
    def ablations(cls, config: Any, num_keypoints: int) -> tuple[Ablation, ...]:
        """The ablations that the suite ``ablation`` runs for this config; each must change the config."""
        return ()

    @classmethod
    def pictures(cls, config: Any) -> frozenset[Picture]:
        """The names of the hooks, ``attention`` and ``choices``, that a fit with this config supports."""
        return frozenset()

    @classmethod
    def frozen_data(cls, config: Any) -> FrozenData | None:
        """What the frozen part was trained on under this config, as the card says; None if that is unknown."""
        setting = cls.Config.of_frozen
        return cls.card.frozen.get(str(getattr(config, setting)) if setting else "")

    def parameters(self) -> Parameters | None:
        """The numbers of parameters after ``fit`` or ``load``; None (the default) if the method does not count them."""
        return None

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that ``fit`` and ``predict`` take; 0 if they use no pixels."""
        return 128

    def identity(self) -> dict[str, Any]:
        """Plain data that determines the keypoints besides config and version, such as a weight file's sha256."""
        return {}

    @abstractmethod
    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        """Learn ``num_keypoints`` keypoints from the images, bit for bit the same for the same seed on CPU."""

    @abstractmethod
    def predict(self, batch: ImageBatch) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Keypoints (B, K, 2), (x, y) in [0, 1]; an image's row does not depend on the rest of the batch.

        Or keypoints and their scores (B, K), real numbers that are higher for surer ones. With scores, a keypoint that
        was not found is NaN in x and y; protocols have a rule for it (``metrics.absent``).
        """

    def save(self, folder: Path) -> None:
        """Write all that ``load`` needs into an existing folder (safetensors and JSON, never pickle)."""
        raise MethodError(f"{self.card.id} learns nothing that could be saved")

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote, so that ``predict`` can be called."""
        raise MethodError(f"{self.card.id} learns nothing that could be loaded")

    def attention(self, batch: ImageBatch) -> Attention:
        """The maps of the images, from whose maxima ``predict`` reads the keypoints."""
        raise MethodError(f"{self.card.id} does not read its keypoints from maps")

    def choices(self, images: ImageStream, at_most: int) -> Choices:
        """Count how often each candidate is kept on the first ``at_most`` images of the selection.

        ``images`` are the images of the fit.
        """
        raise MethodError(f"{self.card.id} does not choose its keypoints among candidates")

    @classmethod
    def export(cls, folder: Path, destination: Path) -> tuple[Path, ...]:
        """Write the fit in ``folder`` to ``destination`` in another program's format, and return the files' paths."""
        raise MethodError(f"{cls.card.id} has no export to another format")
