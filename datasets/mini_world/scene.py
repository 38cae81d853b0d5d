"""The scene around an object: camera, background, clutter, occluder and light; and the finished drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from datasets.mini_world.canvas import COLOURS, OVERSAMPLING, SIZE, Camera, Canvas, Colour, Points, blend, cover, shade

_BACKGROUNDS: tuple[Colour, ...] = (
    (190, 214, 230),
    (214, 226, 204),
    (236, 222, 200),
    (206, 200, 222),
    (226, 206, 206),
    (176, 198, 190),
    (150, 168, 190),
    (204, 204, 196),
)


@dataclass(frozen=True)
class Drawing:
    """A rendered image with its ground truth.

    ``image`` is (SIZE, SIZE, 3) uint8, ``landmarks`` (L, 2) float64 (x, y) in [0, 1], ``visible`` (L,) bool,
    ``caption`` one word for each coloured part ("redbeak"), ``parts`` (P, 3) float64 with x, y and radius in [0, 1] of
    the part that each word names, ``box`` (4,) float64 x0, y0, x1, y1 in [0, 1] around the whole object, hidden parts
    included. ``object_outlines`` are the corners (n, 2), in pixels, of the object's shapes, ``leaf_outlines`` those of
    the leaf before it.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    visible: NDArray[np.bool_]
    caption: tuple[str, ...]
    parts: NDArray[np.float64]
    box: NDArray[np.float64]
    object_outlines: tuple[Points, ...]
    leaf_outlines: tuple[Points, ...]

    def mask(self) -> NDArray[np.bool_]:
        """The pixels (H, W), of the size before averaging, where the object is seen: its shapes without the leaf."""
        return cover(self.object_outlines) & ~cover(self.leaf_outlines)


@dataclass(frozen=True)
class View:
    """Camera settings: ``misalignment`` 0 is centred and upright, 1 is random position, size and rotation."""

    misalignment: float
    scale: tuple[float, float] = (0.42, 0.86)
    aligned_scale: float = 0.8
    rotation: float = np.radians(35.0)
    surroundings: str = "clutter"


def place(view: View, extent: ArrayLike, rng: np.random.Generator, mirror: bool = False) -> Camera:
    """A camera that keeps the (n, 2) points of ``extent`` inside the image if they fit.

    Scale, rotation and position each move from their aligned value to a random one by ``view.misalignment``.
    """
    share = view.misalignment
    scale = (1 - share) * view.aligned_scale + share * rng.uniform(*view.scale)
    turn = share * rng.uniform(-view.rotation, view.rotation)
    points = Camera(scale * SIZE / 2, turn, (0.0, 0.0), mirror).project(extent)
    low, high = points.min(axis=0), points.max(axis=0)
    slack = np.maximum(0.94 * SIZE - (high - low), 0.0) / 2
    shift = SIZE / 2 - (low + high) / 2 + share * rng.uniform(-1.0, 1.0, 2) * slack
    return Camera(scale * SIZE / 2, turn, (float(shift[0]), float(shift[1])), mirror)


def backdrop(view: View, camera: Camera, rng: np.random.Generator) -> Canvas:
    """A canvas with the background; its box covers only shapes drawn afterwards."""
    side = SIZE * OVERSAMPLING
    if view.surroundings == "black":
        return Canvas(Image.new("RGB", (side, side), (0, 0, 0)), camera)
    base = np.array(_BACKGROUNDS[rng.integers(len(_BACKGROUNDS))], dtype=np.float64)
    if view.surroundings == "plain":
        base = 0.5 * base + 0.5 * 244
    grain = 8.0 if view.surroundings == "plain" else 30.0
    cells = np.clip(base + rng.normal(0.0, grain, (4, 4, 1)) + rng.normal(0.0, grain / 4, (4, 4, 3)), 0, 255)
    picture = Image.fromarray(cells.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    if view.surroundings == "clutter":
        _clutter(Canvas(picture, Camera(1.0, 0.0, (0.0, 0.0))), rng)
    return Canvas(picture, camera)


def _clutter(canvas: Canvas, rng: np.random.Generator) -> None:
    """Muted leaves, stones and boards strewn over the background."""
    names = list(COLOURS)
    for _ in range(int(rng.integers(3, 8))):
        colour = blend(COLOURS[names[rng.integers(len(names))]], (170, 176, 172), rng.uniform(0.45, 0.75))
        centre, angle = rng.uniform(0, SIZE, 2), rng.uniform(0, np.pi)
        size, kind = rng.uniform(5, 22), rng.integers(3)
        if kind == 0:
            canvas.ellipse(centre, (size, size * rng.uniform(0.3, 1.0)), colour, angle)
        elif kind == 1:
            reach = size * 1.6 * np.array([np.cos(angle), np.sin(angle)])
            canvas.limb(centre - reach, centre + reach, (size / 6, size / 6), colour)
        else:
            corners = np.array([[-1, -0.6], [1, -0.6], [1, 0.6], [-1, 0.6]]) * size * 0.8
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            canvas.polygon(corners @ turn + centre, colour)


def occlude(canvas: Canvas, extent: Points, rng: np.random.Generator, chance: float) -> NDArray[np.float64] | None:
    """Draw a leaf before the object, or none; returns its centre and radius (3,) in pixels, or None."""
    if rng.random() >= chance:
        return None
    low, high = extent.min(axis=0), extent.max(axis=0)
    centre = rng.uniform(low, high)
    radius = rng.uniform(0.06, 0.12) * float((high - low).max())
    camera, canvas.camera = canvas.camera, Camera(1.0, 0.0, (0.0, 0.0))
    colour = shade((112, 140, 104), rng.uniform(-0.25, 0.25))
    angle = rng.uniform(0, np.pi)
    canvas.ellipse(centre, (radius, radius * 0.8), colour, angle)
    along = radius * 0.9 * np.array([np.cos(angle), np.sin(angle)])
    canvas.limb(centre - along, centre + along, (radius * 0.07, radius * 0.05), shade(colour, -0.25))
    canvas.camera = camera
    return np.array([centre[0], centre[1], radius * 0.9])


def light(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The image under soft uneven light, (SIZE, SIZE, 3) uint8."""
    corners = np.clip(128 * rng.uniform(0.84, 1.1, (2, 2)), 0, 255).astype(np.uint8)
    field = Image.fromarray(corners).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    lit = image.astype(np.uint16) * np.asarray(field, dtype=np.uint16)[..., None] >> 7
    return np.minimum(lit, 255).astype(np.uint8)


def hidden_by(occluder: NDArray[np.float64] | None, points: Points) -> NDArray[np.bool_]:
    """Which (n, 2) pixel points lie under the occluder or outside the image."""
    outside: NDArray[np.bool_] = np.any((points < 0) | (points >= SIZE), axis=1)
    if occluder is None:
        return outside
    return outside | (np.linalg.norm(points - occluder[:2], axis=1) < occluder[2])


def pick(rng: np.random.Generator, *names: str) -> str:
    """Sample one of the colour names, by default one of all colours."""
    choice = names or tuple(COLOURS)
    return choice[rng.integers(len(choice))]
