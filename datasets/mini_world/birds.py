"""Birds with CUB-200-2011's fifteen parts and their visibility, seen from one side."""

from __future__ import annotations

import numpy as np

from datasets.mini_world.canvas import COLOURS, SIZE, Canvas, Points, shade
from datasets.mini_world.scene import Drawing, View, backdrop, hidden_by, light, occlude, pick, place

LANDMARKS = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg",
    "left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat",
)  # fmt: skip
PAIRS = ((6, 10), (7, 11), (8, 12))
PARTS = ("beak", "crown", "eye", "throat", "breast", "belly", "back", "wing", "tail", "legs")
_INDEX = {name: index for index, name in enumerate(LANDMARKS)}


class _Bird:
    """Shape and colours of one bird, and its pose in one image. It faces left in its own frame."""

    def __init__(self, species: np.random.Generator, identity: np.random.Generator, rng: np.random.Generator) -> None:
        def shape(low: float, high: float) -> float:
            return float(species.uniform(low, high) * identity.uniform(0.95, 1.05))

        self.length, self.depth = shape(0.42, 0.54), shape(0.25, 0.37)
        self.neck, self.head = shape(0.02, 0.26), shape(0.18, 0.25)
        self.beak, self.beak_width = shape(0.15, 0.42), shape(0.05, 0.09)
        self.tail, self.tail_width = shape(0.32, 0.66), shape(0.07, 0.15)
        self.legs, self.crest = shape(0.3, 0.52), float(species.random() < 0.35)
        self.colour = {part: pick(species) for part in PARTS}
        tilt, self.nod = rng.uniform(-0.15, 0.55), rng.uniform(-0.4, 0.3)
        self.forward = np.array([-np.cos(tilt), -np.sin(tilt)])
        self.up = np.array([np.sin(tilt), -np.cos(tilt)])
        self.stride, self.tail_angle = rng.uniform(-0.16, 0.16), rng.uniform(-0.35, 0.25)
        self.lift = max(0.0, rng.uniform(-0.8, 1.0))
        face = tilt * 0.3 + self.nod
        self.gaze = np.array([-np.cos(face), -np.sin(face)])
        self.above = np.array([np.sin(face), -np.cos(face)])
        self.skull = (
            self.body(0.92, 0.8)
            + self.neck * (0.5 * self.forward + np.array([-0.1, -1.0]))
            + 0.5 * self.head * self.above
        )

    def body(self, along: float, height: float) -> Points:
        """A point of the body: ``along`` from rump (-1) to breast (1), ``height`` from belly (-1) to back (1)."""
        return np.array([0.04, 0.12]) + along * self.length * self.forward + height * self.depth * self.up

    def face(self, along: float, height: float) -> Points:
        """A point of the head, in head radii before and above its centre."""
        return self.skull + self.head * (along * self.gaze + height * self.above)

    def tail_line(self) -> tuple[Points, Points]:
        """Root and tip of the tail."""
        root, angle = self.body(-0.9, 0.15), self.tail_angle
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return root, root - self.tail * (turn @ self.forward)

    def leg(self, far: bool) -> Points:
        """Hip, knee and foot, (3, 2)."""
        hip = self.body(-0.05 + 0.2 * far, -0.7)
        foot = hip + np.array([self.stride * (-1 if far else 1) + 0.1 * far, self.legs + self.depth * 0.3])
        return np.array([hip, (hip + foot) / 2 + (0.05, 0.0), foot])

    def wing(self) -> Points:
        """Outline of the near wing, (6, 2); lifted wings point up and back."""
        tip = self.body(-0.95, 0.1) * (1 - self.lift) + self.body(-0.45, 2.6) * self.lift
        root = self.body(0.5, 0.45)
        belly = self.body(-0.05, -0.35) * (1 - self.lift) + self.body(-0.6, 0.9) * self.lift
        return np.array([root, (root + tip) / 2 + 0.12 * self.up, tip, (tip + belly) / 2, belly, self.body(0.45, 0.0)])

    def landmarks(self) -> dict[str, Points]:
        """Position of every part of the near side, and of the far leg and wing."""
        root, tip = self.tail_line()
        return {
            "back": self.body(-0.1, 0.85), "beak": self.face(1.0, -0.1) + 0.55 * self.beak * self.gaze,
            "belly": self.body(-0.1, -0.8), "breast": self.body(0.78, -0.42), "crown": self.face(0.0, 0.8),
            "forehead": self.face(0.7, 0.55), "near eye": self.face(0.35, 0.15), "near leg": self.leg(False)[1],
            "far leg": self.leg(True)[1], "near wing": self.wing().mean(axis=0),
            "far wing": self.wing().mean(axis=0) + (-0.16, -0.02), "nape": self.face(-0.85, -0.25),
            "tail": 0.4 * root + 0.6 * tip, "throat": self.face(0.45, -0.95),
        }  # fmt: skip


def draw(
    view: View,
    identity: np.random.Generator,
    rng: np.random.Generator,
    species: np.random.Generator | None = None,
    faces_left: bool = False,
) -> Drawing:
    """Render one bird of a species (by default sampled from ``identity``); half face right unless ``faces_left``."""
    bird = _Bird(species or identity, identity, rng)
    mirror = bool(rng.random() < 0.5) and not faces_left
    near, far = ("right", "left") if mirror else ("left", "right")
    places = bird.landmarks()
    feet = np.array([bird.leg(False)[2], bird.leg(True)[2]])
    extent = np.concatenate([np.array(list(places.values())), feet, bird.tail_line()[1][None], bird.wing()])
    camera = place(view, extent, rng, mirror)
    canvas = backdrop(view, camera, rng)
    _draw_perch(Canvas(canvas.picture, camera), bird)  # on a separate canvas, as it is not in the bird's box
    _draw(canvas, bird)
    box, shapes = canvas.box(), canvas.outlines
    occluder = occlude(canvas, camera.project(extent), rng, 0.3 * view.misalignment)
    landmarks, visible = np.full((15, 2), SIZE / 2.0), np.zeros(15, dtype=bool)
    for name, point in places.items():
        index = _INDEX[name.replace("near", near).replace("far", far)]
        landmarks[index], visible[index] = camera.project(point), name != "far wing" or bird.lift > 0.35
    visible &= ~hidden_by(occluder, landmarks)
    legs = (bird.leg(False)[1] + bird.leg(True)[1]) / 2
    centres = [places[f"near {part}" if part in ("eye", "wing") else part] for part in PARTS[:-1]] + [legs]
    radii = np.array([bird.beak * 0.5, 0.15, 0.09, 0.14, 0.2, 0.22, 0.2, 0.28, bird.tail * 0.35, 0.25])
    return Drawing(
        image=light(canvas.finish(), rng),
        landmarks=landmarks / SIZE,
        visible=visible,
        caption=tuple(f"{bird.colour[part]}{part}" for part in PARTS),
        parts=np.column_stack([camera.project(centres), radii * camera.scale]) / SIZE,
        box=box,
        object_outlines=shapes,
        leaf_outlines=canvas.outlines[len(shapes) :],
    )


def _draw_perch(canvas: Canvas, bird: _Bird) -> None:
    perch = max(bird.leg(False)[2, 1], bird.leg(True)[2, 1]) + 0.03
    canvas.limb((-0.75, perch + 0.02), (0.8, perch), (0.05, 0.035), (118, 96, 80))


def _draw(canvas: Canvas, bird: _Bird) -> None:
    colour = {part: COLOURS[name] for part, name in bird.colour.items()}
    if bird.lift > 0.35:
        canvas.blob(bird.wing() + (-0.16, -0.02), shade(colour["wing"], -0.3))
    for far in (True, False):
        hip, knee, foot = bird.leg(far)
        tone = shade(colour["legs"], -0.3 if far else 0.0)
        canvas.limb(hip, knee, (0.06, 0.035), tone)
        canvas.limb(knee, foot, (0.035, 0.03), tone)
        canvas.limb(foot + (0.06, 0), foot - (0.12, 0), (0.03, 0.025), tone)
    root, tip = bird.tail_line()
    side = bird.tail_width * bird.up
    canvas.polygon([root + 0.6 * side, tip + side, tip - side + 0.05 * bird.forward, root - 0.6 * side], colour["tail"])
    canvas.limb(root, tip, (0.012, 0.012), shade(colour["tail"], -0.3))
    outline = [(1, 0.1), (0.65, -0.72), (0, -1), (-0.7, -0.6), (-1.08, 0.15), (-0.5, 0.78), (0.2, 1.0), (0.8, 0.75)]
    canvas.blob([bird.body(*point) for point in outline], colour["back"])
    canvas.blob(
        [bird.body(*point) for point in [(0.35, -0.3), (0.6, -0.78), (0, -1.0), (-0.7, -0.6), (-0.6, -0.25)]],
        colour["belly"],
    )
    canvas.blob(
        [bird.body(*point) for point in [(1.0, 0.25), (0.98, -0.3), (0.55, -0.8), (0.3, -0.3), (0.55, 0.3)]],
        colour["breast"],
    )
    canvas.limb(bird.body(0.72, 0.4), bird.face(0, 0), (bird.depth * 0.6, bird.head * 0.85), colour["back"])
    canvas.limb(bird.body(0.92, 0.25), bird.face(0.35, -0.5), (bird.depth * 0.35, bird.head * 0.5), colour["throat"])
    _draw_head(canvas, bird)
    canvas.blob(bird.wing(), colour["wing"])
    wing = bird.wing()
    for share in (0.35, 0.65):
        canvas.limb(wing[0] * (1 - share) + wing[4] * share, wing[2], (0.018, 0.008), shade(colour["wing"], -0.28))


def _draw_head(canvas: Canvas, bird: _Bird) -> None:
    colour, r = {part: COLOURS[name] for part, name in bird.colour.items()}, bird.head
    canvas.ellipse(bird.skull, (r, r), colour["back"])
    canvas.blob(
        [bird.face(*point) for point in [(0.9, -0.25), (0.75, -0.75), (0.2, -1.02), (-0.1, -0.7), (0.4, -0.3)]],
        colour["throat"],
    )
    cap = [(0.85, 0.3), (0.65, 0.8), (0.0, 1.08), (-0.75, 0.75), (-0.9, 0.15), (-0.2, 0.42)]
    if bird.crest:
        cap[3] = (-1.1, 1.25)
    canvas.blob([bird.face(*point) for point in cap], colour["crown"])
    base, tip = bird.face(0.75, -0.05), bird.face(0.95, -0.12) + bird.beak * bird.gaze
    across = bird.beak_width * bird.above
    canvas.polygon([base + across, tip, base - across], colour["beak"])
    canvas.polygon([base, tip, base - across], shade(colour["beak"], -0.25))
    eye = bird.face(0.35, 0.15)
    canvas.ellipse(eye, (r * 0.34, r * 0.34), (250, 248, 240))
    canvas.ellipse(eye, (r * 0.28, r * 0.28), colour["eye"])
    canvas.ellipse(eye, (r * 0.13, r * 0.13), (20, 18, 24))
    canvas.ellipse(eye - (0.02, 0.02), (r * 0.07, r * 0.07), (255, 255, 255))
