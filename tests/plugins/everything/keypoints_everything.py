"""All that a package can bring: a dataset with its synthetic counterpart and protocols, tasks, suites, a method.

The world is three coloured squares on black, whose centres are the landmarks, so the right answer is known.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmarks.tasks import Task
from datasets.base import Annotation, DatasetCard, DatasetError, KeypointDataset, Split
from leaderboard.suites import Suite
from methods.arrays import ArrayMethod
from methods.base import (
    Ablation,
    Attention,
    Choices,
    ImageBatch,
    ImageStream,
    MethodCard,
    MethodConfig,
    Picture,
    Report,
)

SIDE, SQUARE = 32, 4  # pixels
COUNTS: dict[Split, int] = {"fit": 6, "regress": 12, "test": 8}


class Squares(KeypointDataset):
    """Red, green and blue squares at whole pixels, chosen by the image's id."""

    def __init__(self, id: str, root: Path | None, mini_counterpart: str | None = None) -> None:
        super().__init__(root)
        self.card = DatasetCard(
            id=id,
            title="Squares",
            landmark_names=("red", "green", "blue"),
            protocols=("strict/relative", "strict/side"),
            counts=COUNTS,
            licence="Apache-2.0",
            citation="none",
            how_to_get="name any folder as data root",
            preprocessing="none",
            tree="nothing",
            mini_counterpart=mini_counterpart,
        )

    def available(self) -> tuple[bool, str]:
        found = self.card.mini_counterpart is None or self.root is not None
        return found, "" if found else f"{self.card.id}: no data root; {self.card.how_to_get}"

    def split(self, name: Split) -> tuple[str, ...]:
        return tuple(f"{name}/{number}" for number in range(COUNTS[name]))

    def corners(self, image_id: str) -> NDArray[np.int64]:
        name, _, number = image_id.partition("/")
        if name not in COUNTS or not number.isdecimal():
            raise DatasetError(f"{self.card.id}: no image '{image_id}', expected ids such as test/0")
        seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).integers(0, SIDE - SQUARE, size=(3, 2))

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        for colour, (x, y) in enumerate(self.corners(image_id)):
            image[y : y + SQUARE, x : x + SQUARE, colour] = 255
        nearest = np.arange(size) * SIDE // size
        return image[nearest][:, nearest]

    def annotation(self, image_id: str) -> Annotation:
        return Annotation((self.corners(image_id) + SQUARE / 2) / SIDE, np.ones(3, bool), group=image_id)

    def digest(self, name: Split) -> str:
        return hashlib.sha256(f"{self.card.id} {self.split(name)}".encode()).hexdigest()


def squares(root: Path | None) -> Squares:
    """The dataset, which needs a data root."""
    return Squares("every_squares", root, mini_counterpart="every_synthetic")


def synthetic(root: Path | None) -> Squares:
    """Its synthetic counterpart, which is there without one."""
    return Squares("every_synthetic", root)


TASKS = [
    Task(id="every_three", dataset="every_squares", num_keypoints=3),
    Task(id="every_two", dataset="every_squares", num_keypoints=2),
    Suite(name="every_ablation", tasks=("every_three",), kind="ablation", summary="squares, with ablations"),
    Suite(name="every_suite", tasks=("every_three", "every_two"), summary="squares"),
]


class ChannelsConfig(MethodConfig):
    """The blur of the channels."""

    blur: int = Field(default=8, description="Side in pixels of the box that channels are averaged over.")


class Channels(ArrayMethod):
    """Each keypoint is the maximum of one blurred colour channel."""

    card: ClassVar[MethodCard] = MethodCard(
        id="every_channel",
        name="Channels",
        summary="maxima of blurred colour channels",
        paper="unpublished",
        year=2026,
        licence="Apache-2.0",
        trained_on="the fit images",
    )
    Config: ClassVar[type[MethodConfig]] = ChannelsConfig
    floor: ClassVar[str | None] = "every_rolled"
    curve_labels: ClassVar[Mapping[str, str]] = {"brightness": "mean brightness"}
    exportable: ClassVar[tuple[str, ...]] = ("learned.safetensors",)

    @classmethod
    def ablations(cls, config: ChannelsConfig, num_keypoints: int) -> tuple[Ablation, ...]:
        return (Ablation("without blur", {"blur": 1}),)

    @classmethod
    def pictures(cls, config: Any) -> frozenset[Picture]:
        return frozenset(("attention", "choices"))

    @property
    def image_size(self) -> int:
        return 2 * SIDE

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        for number, batch in enumerate(images, start=1):
            report(number, number, brightness=float(batch.pixels.mean()), images=float(len(batch.ids)))
        self.learned["channels"] = np.arange(num_keypoints) % 3

    def attention(self, batch: ImageBatch) -> Attention:
        from scipy.ndimage import uniform_filter

        channels = batch.pixels[:, self.array("channels")]
        maps = uniform_filter(channels, size=(1, 1, self.config.blur, self.config.blur))
        return Attention(tuple(f"channel {channel}" for channel in self.array("channels").tolist()), maps)

    def choices(self, images: ImageStream, at_most: int) -> Choices:
        seen = min(len(images), at_most)
        chosen = tuple(self.array("channels").tolist())
        return Choices(np.full(3, seen), seen, len(images), chosen, "channel")

    @classmethod
    def export(cls, folder: Path, destination: Path) -> tuple[Path, ...]:
        method = cls()
        method.load(folder)
        destination.mkdir()
        (destination / "channels.txt").write_text(" ".join(map(str, method.array("channels").tolist())))
        return (destination / "channels.txt",)

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        maps = self.attention(batch).maps
        rows, columns = np.divmod(maps.reshape(*maps.shape[:2], -1).argmax(axis=-1), maps.shape[-1])
        return (np.stack([columns, rows], axis=-1) + 0.5) / maps.shape[-1]


class Rolled(Channels):
    """The baseline: the same maps, moved to a place that has nothing to do with the image."""

    card: ClassVar[MethodCard] = MethodCard(
        id="every_rolled", name="Rolled channels", summary="moved maxima", supervision="none", is_floor=True
    )
    floor: ClassVar[str | None] = None

    def attention(self, batch: ImageBatch) -> Attention:
        found = super().attention(batch)
        moved = [
            np.roll(maps, tuple(hashlib.sha256(image_id.encode()).digest()[:2]), axis=(1, 2))
            for image_id, maps in zip(batch.ids, found.maps, strict=True)
        ]
        return Attention(found.names, np.stack(moved))
