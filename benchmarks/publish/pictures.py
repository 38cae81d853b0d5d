"""Pictures of the site: photographs as WebP files, keypoints and landmarks as SVG on top of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from datasets.base import KeypointDataset

SIDE = 128  # pixels of a photograph
CROP = 280  # side of a crop in a strip, in thousandths of the image side
COLOURS = 20  # colours of keypoints in the style sheet; keypoints beyond that repeat them
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

Points = Sequence[Sequence[float]]  # (x, y) in thousandths of the image side


class Photos:
    """Writes photographs once each to a folder of the site; ``blank`` shows none, for licences that forbid it."""

    def __init__(self, folder: Path, dataset: KeypointDataset, blank: bool) -> None:
        self._folder = folder
        self._dataset = dataset
        self._blank = blank

    def address(self, image_id: str, root: str = "../") -> str:
        """The address of an image from a page whose way to the site's folder is ``root``; '' for a blank one."""
        if self._blank:
            return ""
        name = f"{_UNSAFE.sub('-', image_id).strip('-.')}.webp"
        path = self._folder / name
        if not path.exists():
            from PIL import Image

            self._folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(self._dataset.image(image_id, SIDE)).save(path, quality=82)
        return f"{root}{self._folder.parent.name}/{self._folder.name}/{name}"


def picture(address: str, keypoints: Points, landmarks: Points = (), truth: Points = (), label: str = "") -> Markup:
    """An image with keypoints as dots in one colour an index, regressed landmarks as rings, annotated ones as dots.

    Points are (x, y) in thousandths of the image side; ``truth`` lacks the landmarks that are not visible. The style
    sheet has sizes and colours.
    """
    marks = _group("ring", landmarks) + _group("truth", truth)
    marks += "".join(_circle(point, f' class="k{number % COLOURS}"') for number, point in enumerate(keypoints))
    return _svg("0 0 1000 1000", address, marks, label)


def crop(address: str, centre: Sequence[float], number: int) -> Markup:
    """The part of an image around a keypoint, with the keypoint in its middle."""
    left, top = (value - CROP / 2 for value in centre)
    box = f"{left:.0f} {top:.0f} {CROP} {CROP}"
    return _svg(box, address, _circle(centre, f' class="k{number % COLOURS} small"'))


def _svg(box: str, address: str, marks: str, label: str = "") -> Markup:
    photo = f'<image href="{address}" width="1000" height="1000"/>' if address else ""
    named = f'role="img" aria-label="{Markup.escape(label)}"' if label else 'aria-hidden="true"'
    start = f'<svg class="photo" viewBox="{box}" {named}>'
    return Markup(f"{start}{photo}{marks}</svg>")  # noqa: S704 - addresses and labels are escaped


def _group(name: str, points: Points) -> str:
    return f'<g class="{name}">{"".join(map(_circle, points))}</g>' if len(points) else ""


def _circle(point: Sequence[float], style: str = "") -> str:
    return f'<circle{style} cx="{point[0]:.0f}" cy="{point[1]:.0f}"/>'
