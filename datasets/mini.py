"""Synthetic counterparts of the paper's datasets, rendered on the fly with exact landmarks; nothing is downloaded.

Each has the landmarks and visibility rule of its original, and CUB-00x also the number of fit images. An image depends
only on its id, such as ``celeba_wild/test/00007``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets.base import Annotation, Box, DatasetCard, DatasetError, KeypointDataset, Split
from datasets.mini_world import birds, faces, people
from datasets.mini_world.canvas import SIZE
from datasets.mini_world.scene import Drawing, View

RENDERER_VERSION = 1
COUNTS: dict[Split, int] = {"fit": 300, "regress": 200, "test": 100}
SMALL_COUNTS: dict[Split, int] = {"fit": 30, "regress": 30, "test": 100}
SPECIES = 20
_PROTOCOLS: dict[tuple[str, ...], tuple[str, ...]] = {
    faces.LANDMARKS: ("faces",),
    birds.LANDMARKS: ("birds",),
    people.OPENPOSE: ("taichi",),
    people.COCO: ("deepfashion",),
    people.HUMAN36M: ("human36m",),
}
IMAGES_PER_IDENTITY = 2


@dataclass(frozen=True)
class Spec:
    """The specification of a mini dataset; ``species`` are the bird species in it."""

    id: str
    title: str
    world: Literal["faces", "birds", "people"]
    view: View
    landmark_names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    counts: dict[Split, int] = field(default_factory=lambda: COUNTS)
    species: tuple[int, ...] = ()
    faces_left: bool = False
    motion: people.Motion = people.FLOWING
    all_visible: bool = False


def seeded(*names: object) -> np.random.Generator:
    """Make a random generator that depends on these names alone."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


class MiniDataset(KeypointDataset):
    """A rendered dataset; it is always available, and ``root`` is ignored."""

    def __init__(self, spec: Spec, root: Path | None = None) -> None:
        super().__init__(root)
        self.spec = spec
        self.card = DatasetCard(
            id=f"mini_{spec.id}",
            title=spec.title,
            landmark_names=spec.landmark_names,
            protocols=_PROTOCOLS[spec.landmark_names],
            left_right_pairs=spec.pairs,
            interocular=(0, 1) if spec.world == "faces" else None,
            has_visibility=not (spec.all_visible or spec.world == "faces"),
            has_boxes=spec.world == "birds",
            has_masks=True,
            counts=spec.counts,
            licence="Apache-2.0",
            citation="drawn by this repository (datasets/mini_world)",
            how_to_get="nothing to get: it is drawn on the fly",
            preprocessing=f"rendered at {SIZE}x{SIZE}; other sizes by Pillow's antialiased bilinear resize",
        )
        self._drawing = lru_cache(maxsize=1024)(self._draw)

    def available(self) -> tuple[bool, str]:
        """Always True."""
        return True, ""

    def split(self, name: Split) -> tuple[str, ...]:
        """Ids of a split. The 30-image sets regress on the images they were fitted on, as the paper does."""
        source = "fit" if name == "regress" and self.spec.counts is SMALL_COUNTS else name
        return tuple(f"{self.spec.id}/{source}/{index:05d}" for index in range(self.spec.counts[name]))

    def image(self, image_id: str, size: int) -> NDArray[np.uint8]:
        """The rendered image, (size, size, 3) uint8."""
        image = self._drawing(image_id).image
        if size == SIZE:
            return image
        return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))

    def annotation(self, image_id: str) -> Annotation:
        """Exact landmarks; a bird's box is the smallest around its visible parts.

        Raises DatasetError for an id of another dataset.
        """
        drawing = self._drawing(image_id)
        seen = drawing.landmarks[drawing.visible]
        low, high = seen.min(axis=0), seen.max(axis=0)
        box = np.concatenate([low, high - low]) if self.card.has_boxes else None
        return Annotation(drawing.landmarks, drawing.visible, self._identity(image_id), box)

    def object_box(self, image_id: str) -> Box:
        """The smallest box around the whole rendered object, hidden parts included, cut to the image.

        It includes hair, shoulders, tail and limbs, unlike the annotated box around visible landmarks.
        """
        x0, y0, x1, y1 = self._drawing(image_id).box.tolist()
        return x0, y0, x1, y1

    def mask(self, image_id: str) -> NDArray[np.bool_]:
        """The pixels of the rendered object that nothing hides, at three times the size of the image."""
        return self._drawing(image_id).mask()

    def digest(self, name: Split) -> str:
        """sha256 over renderer version, specification and ids."""
        plain = {"renderer": RENDERER_VERSION, "spec": asdict(self.spec), "ids": self.split(name)}
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def _identity(self, image_id: str) -> str:
        prefix, _, index = image_id.rpartition("/")
        if prefix not in {f"{self.spec.id}/{split}" for split in COUNTS} or not index.isdecimal():
            raise DatasetError(
                f"{self.card.id}: no image '{image_id}', expected ids such as '{self.split('test')[0]}'; "
                f"see `python -m benchmarks describe {self.card.id}`"
            )
        return f"{prefix}/{int(index) // IMAGES_PER_IDENTITY:05d}"

    def _draw(self, image_id: str) -> Drawing:
        identity, rng = seeded("identity", self._identity(image_id)), seeded("image", image_id)
        spec = self.spec
        if spec.world == "faces":
            return faces.draw(spec.view, identity, rng)
        if spec.world == "birds":
            species = seeded("species", spec.species[int(identity.integers(len(spec.species)))])
            return birds.draw(spec.view, identity, rng, species, spec.faces_left)
        return people.draw(spec.view, identity, rng, spec.motion, spec.landmark_names, spec.all_visible)


def _faces(id: str, title: str, view: View) -> partial[MiniDataset]:
    return partial(MiniDataset, Spec(id, title, "faces", view, faces.LANDMARKS, faces.PAIRS))


def _birds(id: str, title: str, view: View, species: tuple[int, ...], **options: Any) -> partial[MiniDataset]:
    spec = Spec(id, title, "birds", view, birds.LANDMARKS, birds.PAIRS, species=species, **options)
    return partial(MiniDataset, spec)


def _people(id: str, title: str, view: View, skeleton: tuple[str, ...], **options: Any) -> partial[MiniDataset]:
    return partial(MiniDataset, Spec(id, title, "people", view, skeleton, people.PAIRS[skeleton], **options))


ALIGNED_FACE = View(0.1, aligned_scale=0.78)
WILD_FACE = View(1.0, scale=(0.4, 0.85))
ALIGNED_BIRD = View(0.12, aligned_scale=1.0, rotation=float(np.radians(30)))
WILD_BIRD = View(1.0, scale=(0.45, 0.85), rotation=float(np.radians(30)))
_TURN = float(np.radians(20))
BOXED_PERSON = View(0.1, aligned_scale=1.0, rotation=_TURN, surroundings="black")
STUDIO_PERSON = View(0.7, scale=(0.5, 0.9), aligned_scale=0.95, rotation=_TURN, surroundings="plain")
OUTDOOR_PERSON = View(0.9, scale=(0.5, 0.85), aligned_scale=0.9, rotation=_TURN)
WILD_PERSON = View(1.0, scale=(0.5, 0.85), rotation=_TURN)
_ALL_SPECIES = tuple(range(1, SPECIES + 1))

CELEBA_ALIGNED = _faces("celeba_aligned", "Mini CelebA, aligned", ALIGNED_FACE)
CELEBA_WILD = _faces("celeba_wild", "Mini CelebA in the wild", WILD_FACE)
CUB_ALIGNED = _birds("cub_aligned", "Mini CUB, aligned", ALIGNED_BIRD, _ALL_SPECIES, faces_left=True)
CUB_001 = _birds("cub_001", "Mini CUB species 001", WILD_BIRD, (1,), counts=SMALL_COUNTS)
CUB_002 = _birds("cub_002", "Mini CUB species 002", WILD_BIRD, (2,), counts=SMALL_COUNTS)
CUB_003 = _birds("cub_003", "Mini CUB species 003", WILD_BIRD, (3,), counts=SMALL_COUNTS)
CUB_ALL = _birds("cub_all", "Mini CUB, every species", WILD_BIRD, _ALL_SPECIES)
TAICHI = _people("taichi", "Mini Tai-Chi", OUTDOOR_PERSON, people.OPENPOSE)
DEEPFASHION = _people(
    "deepfashion", "Mini DeepFashion", STUDIO_PERSON, people.COCO, motion=people.STANDING, all_visible=True
)
HUMAN36M = _people("human36m", "Mini Human3.6M", BOXED_PERSON, people.HUMAN36M, motion=people.ACTING, all_visible=True)
HUMAN36M_UNALIGNED = _people(
    "human36m_unaligned",
    "Mini Human3.6M, unaligned",
    WILD_PERSON,
    people.HUMAN36M,
    motion=people.ACTING,
    all_visible=True,
)
