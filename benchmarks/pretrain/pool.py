"""Captioned training drawings, which share no image with the mini datasets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets import mini
from datasets.mini import seeded
from datasets.mini_world import birds, faces, people
from datasets.mini_world.canvas import COLOURS
from datasets.mini_world.scene import View

MAX_PARTS = 11
_CHUNK = 250
_FACES = (mini.ALIGNED_FACE, mini.WILD_FACE)
_BIRDS = (mini.ALIGNED_BIRD, mini.WILD_BIRD)
_PEOPLE: tuple[tuple[View, people.Motion], ...] = (
    (mini.OUTDOOR_PERSON, people.FLOWING),
    (mini.STUDIO_PERSON, people.STANDING),
    (mini.BOXED_PERSON, people.ACTING),
    (mini.WILD_PERSON, people.ACTING),
)


def vocabulary() -> list[str]:
    """All words of captions; each names a colour and a part, such as redeye."""
    parts = dict.fromkeys((*faces.PARTS, *birds.PARTS, *people.PARTS))
    return [f"{colour}{part}" for part in parts for colour in COLOURS]


@dataclass(frozen=True)
class Pool:
    """N drawings: ``images`` (N, H, W, 3) uint8, ``captions``, and ``parts`` (N, MAX_PARTS, 3).

    ``parts`` has x, y and radius, in image sides, of the part that each word of the caption names; rows after the last
    word have radius 0.
    """

    images: NDArray[np.uint8]
    captions: list[tuple[str, ...]]
    parts: NDArray[np.float32]


def _render(seed: int, index: int) -> tuple[NDArray[np.uint8], tuple[str, ...], NDArray[np.float64]]:
    """Image, caption and parts of one drawing: a face, a bird or a person, with equal probability."""
    rng = seeded("pretrain", seed, index)
    identity = seeded("pretrain identity", seed, index)
    world = rng.integers(3)
    if world == 0:
        drawing = faces.draw(_FACES[int(rng.random() < 0.75)], identity, rng)
    elif world == 1:
        drawing = birds.draw(_BIRDS[int(rng.random() < 0.75)], identity, rng)
    else:
        view, motion = _PEOPLE[rng.integers(len(_PEOPLE))]
        drawing = people.draw(view, identity, rng, motion)
    return drawing.image, drawing.caption, drawing.parts


def _render_chunk(seed: int, start: int, stop: int, size: int) -> Pool:
    """Drawings ``start`` to ``stop - 1``, resized to ``size`` pixels."""
    images, captions, parts = [], [], np.zeros((stop - start, MAX_PARTS, 3), np.float32)
    for row, index in enumerate(range(start, stop)):
        image, caption, places = _render(seed, index)
        images.append(np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)))
        captions.append(caption)
        parts[row, : len(places)] = places
    return Pool(np.stack(images), captions, parts)


def render_pool(count: int, size: int, seed: int, workers: int) -> Iterator[Pool]:
    """``count`` drawings of ``size`` pixels, in chunks; they depend on the seed but not on the number of workers."""
    spans = [(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
    if workers < 2:
        yield from (_render_chunk(seed, start, stop, size) for start, stop in spans)
        return
    with ProcessPoolExecutor(workers) as executor:
        starts, stops = zip(*spans, strict=True)
        yield from executor.map(_render_chunk, [seed] * len(spans), starts, stops, [size] * len(spans))


def join(chunks: list[Pool]) -> Pool:
    """Join chunks into one pool."""
    return Pool(
        np.concatenate([chunk.images for chunk in chunks]),
        [caption for chunk in chunks for caption in chunk.captions],
        np.concatenate([chunk.parts for chunk in chunks]),
    )
