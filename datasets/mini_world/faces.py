"""Faces with CelebA's five landmarks: eyes, nose and mouth corners, left and right as seen in the image."""

from __future__ import annotations

import numpy as np

from datasets.mini_world.canvas import COLOURS, SIZE, Canvas, Colour, Points, blend, shade
from datasets.mini_world.scene import Drawing, View, backdrop, light, occlude, pick, place

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
PAIRS = ((0, 1), (3, 4))
PARTS = ("hair", "brows", "lefteye", "righteye", "nose", "mouth", "skin", "ears", "shirt")

_SKINS: dict[str, Colour] = {
    "pink": (246, 206, 190),
    "yellow": (238, 200, 150),
    "brown": (168, 116, 82),
    "black": (104, 72, 56),
    "white": (250, 226, 210),
}
# Corners around eyes, nose and mouth, which stay inside the image; hair and shoulders may leave it.
_EXTENT = np.array([[-0.45, -0.35], [0.45, -0.35], [0.45, 0.6], [-0.45, 0.6]])


class _Face:
    """Proportions and colours of one person, and the turn of the head in one image."""

    def __init__(self, identity: np.random.Generator, rng: np.random.Generator) -> None:
        self.width = identity.uniform(0.56, 0.7)
        self.height = identity.uniform(0.74, 0.86)
        self.eye_height = identity.uniform(-0.14, -0.02)
        self.eye_gap = identity.uniform(0.24, 0.31)
        self.eye_size = identity.uniform(0.1, 0.135)
        self.nose_length = identity.uniform(0.24, 0.34)
        self.mouth_drop = identity.uniform(0.22, 0.3)
        self.mouth_width = identity.uniform(0.17, 0.26)
        self.hair_style = int(identity.integers(4))
        self.skin = pick(identity, *_SKINS)
        self.colour = {part: pick(identity) for part in PARTS if part not in ("skin", "righteye")}
        self.colour["righteye"] = pick(identity) if identity.random() < 0.5 else self.colour["lefteye"]
        self.turn = rng.uniform(-0.13, 0.13)
        self.nod = rng.uniform(-0.07, 0.07)
        self.smile = rng.uniform(-0.02, 0.12)
        self.open = max(0.0, rng.uniform(-0.05, 0.09))

    def landmarks(self) -> Points:
        """(5, 2) in the face's frame: nearer points move more with the turn of the head."""
        x, y = self.turn, self.eye_height + self.nod
        left = (-self.eye_gap * (1 - 0.5 * self.turn) + x, y)
        right = (self.eye_gap * (1 + 0.5 * self.turn) + x, y)
        nose_y = y + self.nose_length + 0.3 * self.nod
        mouth_y = nose_y + self.mouth_drop
        nose = (1.6 * x, nose_y)
        corners = [(side * self.mouth_width + 1.15 * x, mouth_y - self.smile) for side in (-1, 1)]
        return np.array([left, right, nose, *corners])


def draw(view: View, identity: np.random.Generator, rng: np.random.Generator) -> Drawing:
    """Render one face: shape and colours from ``identity``, pose and view from ``rng``."""
    face = _Face(identity, rng)
    camera = place(view, _EXTENT, rng)
    canvas = backdrop(view, camera, rng)
    points = face.landmarks()
    _draw_head(canvas, face)
    _draw_features(canvas, face, points)
    box, shapes = canvas.box(), canvas.outlines
    occlude(canvas, camera.project(_EXTENT), rng, 0.15 * view.misalignment)
    centres, radii = _part_places(face, points)
    pixels = camera.project(centres)
    return Drawing(
        image=light(canvas.finish(), rng),
        landmarks=camera.project(points) / SIZE,
        visible=np.ones(5, dtype=bool),
        caption=tuple(f"{face.skin if part == 'skin' else face.colour[part]}{part}" for part in PARTS),
        parts=np.column_stack([pixels, radii * camera.scale]) / SIZE,
        box=box,
        object_outlines=shapes,
        leaf_outlines=canvas.outlines[len(shapes) :],
    )


def _part_places(face: _Face, points: Points) -> tuple[Points, Points]:
    """Centres (P, 2) and radii (P,) of ``PARTS`` in the face's frame."""
    x = face.turn
    brows = (points[0] + points[1]) / 2 - (0, 0.2)
    mouth = (points[3] + points[4]) / 2
    cheek = (1.3 * x, points[2, 1])
    places = [(x * 0.4, -0.8), brows, points[0], points[1], points[2], mouth, cheek, (0.0, 0.05), (0.0, 0.98)]
    return np.array(places), np.array([0.5, 0.3, 0.14, 0.14, 0.12, 0.25, 0.5, 0.7, 0.5])


def _draw_head(canvas: Canvas, face: _Face) -> None:
    skin, hair = _SKINS[face.skin], COLOURS[face.colour["hair"]]
    shirt, w, h, x = COLOURS[face.colour["shirt"]], face.width, face.height, face.turn * 0.4
    behind = shade(hair, -0.2)
    if face.hair_style in (0, 1):
        low = 0.8 if face.hair_style == 0 else 0.35
        canvas.blob([(-w - 0.16, -0.3), (0, -1.12), (w + 0.16, -0.3), (w + 0.12, low), (-w - 0.12, low)], behind)
    canvas.blob([(-0.78, 1.3), (-0.6, 0.95), (0, 0.86), (0.6, 0.95), (0.78, 1.3), (0, 1.6)], shirt)
    canvas.limb((0, 0.5), (0, 0.92), (0.2, 0.24), shade(skin, -0.22))
    canvas.ellipse((0, 0.95), (0.26, 0.08), shade(shirt, -0.25))
    ears = COLOURS[face.colour["ears"]]
    for side in (-1, 1):
        canvas.ellipse((side * w * 0.99 + x * 0.3, 0.02), (0.1, 0.17), shade(skin, -0.12))
        canvas.ellipse((side * w * 1.02 + x * 0.3, 0.16), (0.07, 0.07), ears)
    canvas.blob(
        [
            (x, -h),
            (w * 0.8, -h * 0.66),
            (w, 0),
            (w * 0.72, h * 0.62),
            (x, h),
            (-w * 0.72, h * 0.62),
            (-w, 0),
            (-w * 0.8, -h * 0.66),
        ],
        skin,
    )
    for side in (-1, 1):
        canvas.ellipse((side * w * 0.6 + x * 2, 0.28), (0.13, 0.1), blend(skin, (236, 120, 110), 0.22))
    top = {0: -0.52, 1: -0.42, 2: -0.6, 3: -0.5}[face.hair_style]
    part = (-0.25, 0.3, 0.0, -0.1)[face.hair_style]
    canvas.blob(
        [(-w - 0.06, -0.18), (-w * 0.72, -h * 0.9), (0, -h - 0.2), (w * 0.72, -h * 0.9), (w + 0.06, -0.18)]
        + [
            (w * 0.75, top + 0.04),
            (part + 0.22 + x, top),
            (part + x, top - 0.14),
            (part - 0.2 + x, top),
            (-w * 0.75, top + 0.04),
        ],
        hair,
    )
    canvas.limb((-w * 0.4 + x, -h * 0.92), (w * 0.25 + x, -h * 1.0), (0.035, 0.02), shade(hair, 0.3))


def _draw_features(canvas: Canvas, face: _Face, points: Points) -> None:
    skin, size = _SKINS[face.skin], face.eye_size
    brow, nose = COLOURS[face.colour["brows"]], COLOURS[face.colour["nose"]]
    for index, part in ((0, "lefteye"), (1, "righteye")):
        side, centre = 2 * index - 1, points[index]
        canvas.ellipse(centre, (size * 1.28, size * 0.98), shade(skin, -0.25))
        canvas.ellipse(centre, (size * 1.2, size * 0.9), (252, 252, 250))
        canvas.ellipse(centre, (size * 0.78, size * 0.82), COLOURS[face.colour[part]])
        canvas.ellipse(centre, (size * 0.34, size * 0.36), (22, 20, 28))
        canvas.ellipse(centre + (-0.03, -0.035), (size * 0.17, size * 0.17), (255, 255, 255))
        inner, outer = centre + (-side * size * 0.9, -size * 1.75), centre + (side * size * 1.25, -size * 1.65)
        canvas.limb(inner, outer, (0.045, 0.03), brow)
    tip = points[2]
    canvas.limb(tip - (points[2, 0] * 0.35, face.nose_length * 0.62), tip, (0.035, 0.075), blend(skin, nose, 0.35))
    canvas.ellipse(tip, (0.11, 0.085), nose)
    canvas.ellipse(tip + (-0.03, -0.03), (0.035, 0.025), shade(nose, 0.45))
    left, right = points[3], points[4]
    middle, mouth = (left + right) / 2, COLOURS[face.colour["mouth"]]
    dip = face.smile + 0.03
    canvas.blob([left, middle + (0, dip * 0.5 - 0.05), right, middle + (0, dip + face.open + 0.09)], mouth)
    if face.open > 0.02:
        canvas.blob(
            [
                left * 0.75 + middle * 0.25,
                middle + (0, dip * 0.7),
                right * 0.75 + middle * 0.25,
                middle + (0, dip + face.open),
            ],
            (250, 246, 240),
        )
    else:
        canvas.limb(left, middle + (0, dip * 0.9), (0.012, 0.02), shade(mouth, -0.4))
        canvas.limb(middle + (0, dip * 0.9), right, (0.02, 0.012), shade(mouth, -0.4))
