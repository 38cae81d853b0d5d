"""A world in which the right answer is known: three coloured squares on black, landmarks linear in their centres.

``Colours`` finds the squares exactly, so every regressed landmark is exact too.
"""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmarks.run import predictions
from benchmarks.tasks import Task
from datasets.base import Annotation, DatasetCard, DatasetError, KeypointDataset, Split
from methods.base import ImageBatch, ImageStream, Method, MethodCard, MethodConfig, MethodError, Report

CALLS: list[str] = []
LOG = "KEYPOINT_TOYS_LOG"  # names a file that gets a line for each fit and each batch, from all processes
MIX = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])


def tasks() -> list[Task]:
    """Tasks over the toy datasets."""

    def make(id: str, dataset: str, fit_on: str | None = None) -> Task:
        return Task(id=id, dataset=dataset, fit_on=fit_on, num_keypoints=3, protocols=("sk/side",))

    # In the paper profile a dataset keeps its name, so the toys need no synthetic counterparts.
    return [
        make("toy", "toy_squares"),
        make("toy_transfer", "toy_squares", fit_on="toy_squares"),
        make("toy_many", "toy_many"),
        make("toy_coinciding", "toy_coinciding"),
        make("toy_truncated", "toy_truncated"),
        make("toy_malformed", "toy_malformed"),
        make("toy_absent", "toy_absent"),
    ]


class Squares(KeypointDataset):
    """Squares of 4 x 4 pixels on a 32 x 32 image: red, green and blue, at whole pixels."""

    def __init__(self, id: str, root: Path | None, missing: bool = False, regress: int = 12, test: int = 8) -> None:
        super().__init__(root)
        self.missing = missing
        counts: dict[Split, int] = {"fit": 6, "regress": regress, "test": test}
        self.card = DatasetCard(
            id=id,
            title="Toy squares",
            landmark_names=("red-green", "green-blue", "all", "red"),
            counts=counts,
            licence="Apache-2.0",
            citation="none",
            how_to_get="put it there",
            preprocessing="none",
        )

    def available(self) -> tuple[bool, str]:
        return not self.missing, f"{self.card.id}: nothing under {self.root}; {self.card.how_to_get}"

    def split(self, name: Split) -> tuple[str, ...]:
        return self.check_count(name, tuple(f"{name}/{index}" for index in range(self.card.counts[name])))

    def corners(self, image_id: str) -> NDArray[np.int64]:
        seed = int.from_bytes(hashlib.sha256(image_id.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).integers(0, 28, size=(3, 2))

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        CALLS.append(f"decode {image_id}")
        image = np.zeros((32, 32, 3), np.uint8)
        for colour, (x, y) in enumerate(self.corners(image_id)):
            image[y : y + 4, x : x + 4, colour] = 255
        return image.repeat(size // 32, axis=0).repeat(size // 32, axis=1)

    def annotation(self, image_id: str) -> Annotation:
        centres = (self.corners(image_id) + 2) / 32
        return Annotation(MIX @ centres, np.ones(4, bool), group=image_id)

    def digest(self, name: Split) -> str:
        return hashlib.sha256(json.dumps([self.card.id, self.split(name)]).encode()).hexdigest()


class Truncated(Squares):
    """One test image cannot be decoded."""

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        if image_id == "test/3":
            raise DatasetError(f"{self.card.id}: cannot read image {image_id}: truncated\nunpack it again")
        return super().image(image_id, size)


class Coinciding(Squares):
    """It is tested on the images that it is regressed on."""

    def split(self, name: Split) -> tuple[str, ...]:
        return super().split("regress" if name == "test" else name)


class Malformed(Squares):
    """Its annotation file lacks a column."""

    def digest(self, name: Split) -> str:
        raise DatasetError("parts.txt: line 7 has 4 columns, expected 5; unpack it again")


def squares(root: Path | None) -> Squares:
    return Squares("toy_squares", root)


def many(root: Path | None) -> Squares:
    return Squares("toy_many", root, regress=40, test=44)


def coinciding(root: Path | None) -> Squares:
    return Coinciding("toy_coinciding", root, regress=20, test=20)


def truncated(root: Path | None) -> Squares:
    return Truncated("toy_truncated", root)


def malformed(root: Path | None) -> Squares:
    return Malformed("toy_malformed", root)


def absent(root: Path | None) -> Squares:
    return Squares("toy_absent", root, missing=True)


def called(text: str) -> None:
    """Add a call to ``CALLS``, and to the log if there is one."""
    CALLS.append(text)
    if path := os.environ.get(LOG):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {text}\n")


def send_due_signal() -> None:
    """Send this process a signal in the batch of predictions that ``KEYPOINT_TOYS_SIGNAL`` names: "number batch".

    All batches before it have been kept by then.
    """
    number, due = map(int, os.environ.get("KEYPOINT_TOYS_SIGNAL", "0 0").split())
    if due:
        predictions.PART_IMAGES = 16
    if due == sum(call.startswith("predict") for call in CALLS):
        os.kill(os.getpid(), number)


class ColoursConfig(MethodConfig):
    """Settings that move keypoints, and settings that delay or crash a run."""

    shift: float = Field(default=0.0, description="Added to every coordinate, in image sides.")
    noise: bool = Field(default=False, description="Whether each fit adds a random number to the shift.")
    crash: bool = Field(default=False, description="Whether the fit raises an error.")
    pause: float = Field(default=0.0, description="Seconds that each step of the fit takes.")
    steps: int = Field(default=5, description="Steps of the fit.")
    batch_pause: float = Field(default=0.0, description="Seconds that each batch of predictions takes.")
    memory: str = Field(default="auto", description="Changes nothing.")


class Colours(Method):
    """The centre of mass of each colour channel."""

    card: ClassVar[MethodCard] = MethodCard(id="toy_colours", name="Toy colours", summary="centres of colours")
    Config: ClassVar[type[MethodConfig]] = ColoursConfig
    num_keypoints = 0
    noise = 0.0

    @property
    def image_size(self) -> int:
        return 64

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        called(f"fit seed {seed} on {len(images)} images")
        if self.config.crash:
            raise ValueError("the toy\ncrashed")
        for step in range(self.config.steps):
            time.sleep(self.config.pause)
            report(step + 1, self.config.steps, loss=1 / (step + 1))
        self.num_keypoints = num_keypoints
        self.noise = np.random.default_rng().random() if self.config.noise else 0.0

    def predict(self, batch: ImageBatch) -> NDArray[np.float64]:
        called(f"predict {len(batch.ids)} {batch.ids[0]}" if os.environ.get(LOG) else f"predict {len(batch.ids)}")
        send_due_signal()
        time.sleep(self.config.batch_pause)
        weights = batch.pixels.astype(np.float64)
        place = (np.arange(weights.shape[-1]) + 0.5) / weights.shape[-1]
        mass = weights.sum(axis=(2, 3))
        x = (weights.sum(axis=2) * place).sum(axis=-1) / mass
        y = (weights.sum(axis=3) * place).sum(axis=-1) / mass
        return np.stack([x, y], axis=-1)[:, : self.num_keypoints] + self.config.shift + self.noise

    def save(self, folder: Path) -> None:
        (folder / "state.json").write_text(json.dumps(self.num_keypoints))
        if self.config.noise:
            (folder / "noise.json").write_text(json.dumps(self.noise))

    def load(self, folder: Path) -> None:
        CALLS.append("load")
        try:
            self.num_keypoints = json.loads((folder / "state.json").read_text())
            self.noise = json.loads((folder / "noise.json").read_text()) if self.config.noise else 0.0
        except (OSError, ValueError) as error:
            raise MethodError(f"cannot load {folder}: {error}") from error


class Shared(Colours):
    """Fits together with the other processes that torchrun launched, and says how many images each was given."""

    card: ClassVar[MethodCard] = MethodCard(id="toy_shared", name="Toy shared", summary="colours, fitted together")
    shares_fit: ClassVar[bool] = True

    def fit(self, images: ImageStream, num_keypoints: int, seed: int, report: Report) -> None:
        import torch

        from methods.parallel import Team

        team = Team(self.device)
        seen = torch.zeros(team.size)
        seen[team.rank] = len(images.load([0, 1]).ids)
        for image_count in team.total(seen).tolist():
            report(1, 1, images=image_count)
        with team.agreed():
            if self.config.crash and team.rank:
                raise MethodError("the toy crashed in one of two processes")
        for _ in range(self.config.steps):
            time.sleep(self.config.pause)
            if self.config.pause:
                report(1, 1)
        self.num_keypoints = num_keypoints
