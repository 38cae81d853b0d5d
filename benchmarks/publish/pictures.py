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


def picture(background: Markup, keypoints: Points, landmarks: Points = (), label: str = "") -> Markup:
    """A background with keypoints as dots in one colour an index, and regressed landmarks as rings.

    Points are (x, y) in thousandths of the image side. The style sheet has sizes and colours.
    """
    marks = "".join(_circle(point, f' class="k{number % COLOURS}"') for number, point in enumerate(keypoints))
    return _svg("0 0 1000 1000", f"{background}{_group('ring', landmarks)}{marks}", label)


def photo(address: str) -> Markup:
    """An image as a background; nothing for the address of a blank one."""
    image = f'<image href="{address}" width="1000" height="1000"/>' if address else ""
    return Markup(image)  # noqa: S704 - names of files are escaped


def shared(name: str, address: str, truth: Points) -> tuple[Markup, Markup]:
    """An image with the annotated landmarks as dots: the background of the first picture, and that of all others.

    The others refer to the first by its id ``name``, so that a page holds it once. ``truth`` lacks the landmarks that
    are not visible.
    """
    marks = f'<g id="{name}">{photo(address)}{_group("truth", truth)}</g>'
    return Markup(marks), Markup(f'<use href="#{name}"/>')  # noqa: S704 - numbers and escaped names


def crop(address: str, centre: Sequence[float], number: int) -> Markup:
    """The part of an image around a keypoint, with the keypoint in its middle; empty for one far outside the image."""
    left, top = (value - CROP / 2 for value in centre)
    box = f"{left:.0f} {top:.0f} {CROP} {CROP}"
    if max(left, top) < -CROP:  # as one is kept that was not found
        return _svg(box, Markup())
    return _svg(box, photo(address) + Markup(_circle(centre, f' class="k{number % COLOURS} small"')))  # noqa: S704


def _svg(box: str, content: str, label: str = "") -> Markup:
    named = f'role="img" aria-label="{Markup.escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(f'<svg class="photo" viewBox="{box}" {named}>{content}</svg>')  # noqa: S704 - the label is escaped


def _group(name: str, points: Points) -> str:
    return f'<g class="{name}">{"".join(map(_circle, points))}</g>' if len(points) else ""


def _circle(point: Sequence[float], style: str = "") -> str:
    return f'<circle{style} cx="{point[0]:.0f}" cy="{point[1]:.0f}"/>'
