"""One articulated figure annotated three ways: OpenPose's 18 joints, COCO's 17, Human3.6M's 32.

Left and right are the person's own, so a figure that looks at the viewer has its left hand on the image's right.
Human3.6M lists some joints twice or thrice; the later ones carry a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.mini_world.canvas import COLOURS, SIZE, Canvas, Colour, Points, blend, shade
from datasets.mini_world.scene import Drawing, View, backdrop, hidden_by, light, occlude, pick, place

PARTS = (
    "hair", "skin", "shirt", "sleeves", "leftglove", "rightglove",
    "belt", "trousers", "knees", "leftshoe", "rightshoe",
)  # fmt: skip

OPENPOSE = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)  # fmt: skip
COCO = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
_H36M_LEG = ("hip", "knee", "ankle", "ball", "toes")
_H36M_ARM = ("shoulder", "elbow", "wrist", "wrist (2)", "thumb", "little finger", "little finger (2)")
HUMAN36M = (
    "pelvis", *(f"right {joint}" for joint in _H36M_LEG), *(f"left {joint}" for joint in _H36M_LEG),
    "pelvis (2)", "spine", "neck", "head centre", "head top",
    "neck (2)", *(f"left {joint}" for joint in _H36M_ARM), "neck (3)", *(f"right {joint}" for joint in _H36M_ARM),
)  # fmt: skip
PAIRS = {
    OPENPOSE: ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)),
    COCO: tuple((index, index + 1) for index in range(1, 17, 2)),
    HUMAN36M: tuple((index, index + 5) for index in range(1, 6)) + tuple((index, index + 8) for index in range(16, 24)),
}

_SKINS: tuple[str, ...] = ("pink", "brown", "yellow")
_SKIN_TONES: dict[str, Colour] = {"pink": (244, 204, 184), "brown": (142, 98, 72), "yellow": (230, 190, 142)}


@dataclass(frozen=True)
class Motion:
    """How far a figure moves: ranges in radians for arms (from hanging), elbows, thighs and knees."""

    arm: tuple[float, float] = (0.1, 2.4)
    elbow: tuple[float, float] = (-0.3, 1.9)
    thigh: tuple[float, float] = (-0.1, 0.85)
    knee: tuple[float, float] = (0.0, 0.9)
    lean: float = 0.3


STANDING = Motion(arm=(0.05, 0.7), elbow=(-0.3, 1.3), thigh=(-0.03, 0.25), knee=(0.0, 0.15), lean=0.08)
ACTING = Motion(arm=(0.05, 1.9), elbow=(-0.2, 2.0), thigh=(-0.1, 0.5), knee=(0.0, 0.5), lean=0.18)
FLOWING = Motion()


def _down(angle: float) -> Points:
    """The unit vector ``angle`` radians from straight down, positive towards the image's right."""
    return np.array([np.sin(angle), np.cos(angle)])


class _Figure:
    """Proportions and colours of one person, and the joints of one pose."""

    def __init__(self, motion: Motion, identity: np.random.Generator, rng: np.random.Generator) -> None:
        self.build = identity.uniform(0.85, 1.2)
        self.colour = {part: pick(identity) for part in PARTS}
        self.colour["skin"] = pick(identity, *_SKINS)
        self.long_hair, self.turn = bool(identity.random() < 0.5), rng.uniform(-0.5, 0.5)
        proportions = identity.uniform(0.93, 1.07, 5)
        lean = rng.uniform(-motion.lean, motion.lean)
        up = -_down(lean)
        across = np.array([-up[1], up[0]]) * np.cos(self.turn)
        pelvis, torso = np.zeros(2), 0.52 * proportions[0]
        neck = pelvis + torso * up
        head = neck + 0.2 * (up + (0.1 * self.turn, 0))
        self.head_radius = 0.125 * proportions[4]
        gaze = np.array([0.09 * self.turn, 0.0])
        joints = {
            "pelvis": pelvis, "spine": pelvis + 0.5 * torso * up, "neck": neck, "head centre": head,
            "head top": head + self.head_radius * up, "nose": head + 1.3 * gaze + (0, 0.02),
        }  # fmt: skip
        for side, sign in (("right", -1.0), ("left", 1.0)):
            joints[f"{side} eye"] = head + gaze + sign * 0.05 * across - (0, 0.02)
            joints[f"{side} ear"] = head + sign * 0.118 * across + (0, 0.01)
            shoulder = neck - 0.05 * up + sign * 0.19 * self.build * across
            arm = sign * rng.uniform(*motion.arm) + lean
            forearm = arm + sign * rng.uniform(*motion.elbow)
            elbow = shoulder + 0.27 * proportions[1] * _down(arm)
            wrist = elbow + 0.25 * proportions[2] * _down(forearm)
            hip = pelvis + sign * 0.1 * self.build * across
            thigh = sign * rng.uniform(*motion.thigh)
            knee = hip + 0.4 * proportions[3] * _down(thigh)
            ankle = knee + 0.39 * proportions[3] * _down(thigh - sign * rng.uniform(*motion.knee))
            outward = np.array([sign * 0.075 + 0.04 * self.turn, 0.045])
            hand, side_way = _down(forearm), np.array([np.cos(forearm), -np.sin(forearm)])
            limbs = {
                "shoulder": shoulder, "elbow": elbow, "wrist": wrist,
                "thumb": wrist + 0.07 * hand - sign * 0.04 * side_way,
                "little finger": wrist + 0.09 * hand + sign * 0.03 * side_way, "hip": hip, "knee": knee,
                "ankle": ankle, "ball": ankle + 0.7 * outward, "toes": ankle + 1.2 * outward,
            }  # fmt: skip
            joints.update({f"{side} {name}": point for name, point in limbs.items()})
        self.joints = joints


def draw(
    view: View,
    identity: np.random.Generator,
    rng: np.random.Generator,
    motion: Motion = FLOWING,
    skeleton: tuple[str, ...] = OPENPOSE,
    all_visible: bool = False,
) -> Drawing:
    """Render one person; ``skeleton`` names the landmarks; ``all_visible`` marks all of them visible."""
    figure = _Figure(motion, identity, rng)
    joints = figure.joints
    extent = np.array([*joints.values(), joints["head top"] - (0, 0.08)])
    camera = place(view, extent, rng)
    canvas = backdrop(view, camera, rng)
    _draw(canvas, figure)
    box, shapes = canvas.box(), canvas.outlines
    occluder = occlude(canvas, camera.project(extent), rng, 0.3 * view.misalignment)
    landmarks = camera.project([joints[name.partition(" (")[0]] for name in skeleton])
    visible = ~hidden_by(occluder, landmarks)
    far_ear = "left ear" if figure.turn > 0.25 else "right ear" if figure.turn < -0.25 else ""
    visible &= np.array([name != far_ear for name in skeleton])
    centres = [
        joints["head top"], joints["nose"], joints["spine"], (joints["left elbow"] + joints["right elbow"]) / 2,
        joints["left wrist"], joints["right wrist"], joints["pelvis"], (joints["left hip"] + joints["right knee"]) / 2,
        (joints["left knee"] + joints["right knee"]) / 2, joints["left ball"], joints["right ball"],
    ]  # fmt: skip
    radii = np.array([0.14, 0.12, 0.2, 0.3, 0.1, 0.1, 0.14, 0.3, 0.25, 0.1, 0.1])
    return Drawing(
        image=light(canvas.finish(), rng),
        landmarks=landmarks / SIZE,
        visible=np.ones_like(visible) if all_visible else visible,
        caption=tuple(f"{figure.colour[part]}{part}" for part in PARTS),
        parts=np.column_stack([camera.project(centres), radii * camera.scale]) / SIZE,
        box=box,
        object_outlines=shapes,
        leaf_outlines=canvas.outlines[len(shapes) :],
    )


def _draw(canvas: Canvas, figure: _Figure) -> None:
    colour = {part: COLOURS[name] for part, name in figure.colour.items() if part != "skin"}
    colour["skin"], joints, r = _SKIN_TONES[figure.colour["skin"]], figure.joints, figure.head_radius
    if figure.long_hair:
        canvas.limb(joints["head centre"], joints["neck"] + (0, 0.1), (r * 1.15, r * 0.95), shade(colour["hair"], -0.2))
    for side in ("right", "left"):
        hip, knee, ankle = (joints[f"{side} {name}"] for name in ("hip", "knee", "ankle"))
        tone = shade(colour["trousers"], -0.12 if side == "right" else 0.0)
        canvas.limb(hip, knee, (0.095 * figure.build, 0.07), tone)
        canvas.limb(knee, ankle, (0.068, 0.05), tone)
        canvas.ellipse(knee, (0.062, 0.062), colour["knees"])
        shoe = colour[f"{side}shoe"]
        canvas.limb(ankle + (0, 0.02), joints[f"{side} toes"], (0.062, 0.05), shoe)
    shoulders = [joints["right shoulder"], joints["left shoulder"]]
    hips = [joints["left hip"], joints["right hip"]]
    out = 0.07 * (shoulders[1] - shoulders[0]) / max(float(np.linalg.norm(shoulders[1] - shoulders[0])), 1e-6)
    canvas.limb(joints["neck"], joints["head centre"], (0.05, 0.05), shade(colour["skin"], -0.2))
    canvas.polygon([shoulders[0] - out, shoulders[1] + out, hips[0] + out, hips[1] - out], colour["shirt"])
    canvas.limb(shoulders[0], shoulders[1], (0.07, 0.07), colour["shirt"])
    canvas.limb(hips[1], hips[0], (0.075, 0.075), colour["belt"])
    canvas.ellipse(joints["pelvis"], (0.035, 0.035), shade(colour["belt"], 0.5))
    for side in ("right", "left"):
        shoulder, elbow, wrist = (joints[f"{side} {name}"] for name in ("shoulder", "elbow", "wrist"))
        canvas.limb(shoulder, elbow, (0.068, 0.055), colour["sleeves"])
        canvas.limb(elbow, wrist, (0.055, 0.04), shade(colour["sleeves"], -0.08))
        canvas.limb(
            wrist,
            (joints[f"{side} thumb"] + joints[f"{side} little finger"]) / 2,
            (0.055, 0.06),
            colour[f"{side}glove"],
        )
        canvas.limb(wrist, joints[f"{side} thumb"], (0.03, 0.022), colour[f"{side}glove"])
    _draw_head(canvas, figure, colour)


def _draw_head(canvas: Canvas, figure: _Figure, colour: dict[str, Colour]) -> None:
    joints, r, skin = figure.joints, figure.head_radius, colour["skin"]
    head = joints["head centre"]
    for side in ("right", "left"):
        canvas.ellipse(joints[f"{side} ear"], (0.028, 0.04), shade(skin, -0.15))
    canvas.ellipse(head - (0, 0.03), (r * 1.08, r * 1.08), colour["hair"])
    canvas.ellipse(head + (0.06 * figure.turn, 0.025), (r * 0.9, r * 0.98), skin)
    canvas.limb(head + (-r * 0.8, -r * 0.62), head + (r * 0.8, -r * 0.62), (r * 0.4, r * 0.4), colour["hair"])
    for side in ("right", "left"):
        eye = joints[f"{side} eye"]
        canvas.ellipse(eye, (0.026, 0.024), (250, 250, 246))
        canvas.ellipse(eye, (0.016, 0.018), (34, 30, 38))
    canvas.ellipse(joints["nose"] + (0, 0.01), (0.02, 0.022), blend(skin, (214, 96, 84), 0.45))
    mouth = joints["nose"] + (0, 0.062)
    canvas.limb(mouth - (0.03, 0), mouth + (0.03, 0), (0.009, 0.009), (170, 70, 70))
