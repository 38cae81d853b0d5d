"""The drawn worlds: what is drawn is what is annotated, and the same seed draws the same picture."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from datasets import mini
from datasets.base import DatasetError
from datasets.mini_world import birds, faces, people
from datasets.mini_world.canvas import COLOURS, SIZE, Camera, smooth
from datasets.mini_world.scene import Drawing, View, place

WORLDS = {"faces": faces.draw, "birds": birds.draw, "people": people.draw}


def drawing(world: str, seed: int, misalignment: float = 1.0) -> Drawing:
    return WORLDS[world](View(misalignment), np.random.default_rng(seed), np.random.default_rng(10_000 + seed))


@pytest.mark.parametrize("world", WORLDS)
def test_same_seed_same_picture(world: str) -> None:
    first, second, other = drawing(world, 1), drawing(world, 1), drawing(world, 2)
    assert first.image.shape == (SIZE, SIZE, 3) and first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.landmarks, second.landmarks)
    assert first.caption == second.caption
    assert (first.image != other.image).any()


@pytest.mark.parametrize("world", WORLDS)
def test_landmarks_of_visible_parts_lie_in_the_image(world: str) -> None:
    for seed in range(40):
        each = drawing(world, seed)
        assert np.isfinite(each.landmarks).all()
        inside = np.all((each.landmarks >= 0) & (each.landmarks < 1), axis=1)
        assert inside[each.visible].all()


@pytest.mark.parametrize(
    ("world", "part"),
    [
        ("faces", "nose"),
        ("faces", "hair"),
        ("birds", "beak"),
        ("birds", "breast"),
        ("birds", "throat"),
        ("people", "leftglove"),
        ("people", "shirt"),
    ],
)
def test_a_caption_names_the_colour_found_at_its_part(world: str, part: str) -> None:
    """The pixel at a part's centre has the direction in colour space of the word's colour, light aside."""
    right = []
    for seed in range(60):
        each = drawing(world, seed, misalignment=0.2)
        index = next(i for i, word in enumerate(each.caption) if word.endswith(part))
        column, row = (each.parts[index, :2] * SIZE).astype(int)
        if not (0 <= column < SIZE and 0 <= row < SIZE):
            continue
        pixel = each.image[row, column].astype(float)
        names = list(COLOURS)
        distance = [np.linalg.norm(pixel - np.array(COLOURS[name])) for name in names]
        right.append(each.caption[index].startswith(names[int(np.argmin(distance))]))
    assert np.mean(right) > 0.75, "a tenth would be right by chance"


def test_pupils_are_dark_where_the_eye_landmarks_are() -> None:
    for seed in range(30):
        each = drawing("faces", seed, misalignment=0.0)
        for x, y in each.landmarks[:2] * SIZE:
            assert each.image[int(y), int(x)].mean() < 110


def test_a_mirrored_bird_shows_its_other_side() -> None:
    eyes = {"left": birds.LANDMARKS.index("left eye"), "right": birds.LANDMARKS.index("right eye")}
    beak, tail = birds.LANDMARKS.index("beak"), birds.LANDMARKS.index("tail")
    seen = set()
    for seed in range(30):
        each = drawing("birds", seed, misalignment=0.0)
        looks_left = each.landmarks[beak, 0] < each.landmarks[tail, 0]
        seen.add(bool(looks_left))
        assert each.visible[eyes["left"]] == looks_left
        assert each.visible[eyes["right"]] != looks_left
    assert seen == {True, False}


def test_misalignment_zero_is_centred_and_upright() -> None:
    extent = np.array([[-0.5, -0.5], [0.5, 0.5]])
    camera = place(View(0.0), extent, np.random.default_rng(0))
    assert camera.rotation == 0.0
    np.testing.assert_allclose(camera.project([[0.0, 0.0]]), [[SIZE / 2, SIZE / 2]])


def test_misalignment_spreads_the_position() -> None:
    def spread(misalignment: float) -> float:
        return float(np.std([drawing("faces", seed, misalignment).landmarks[2] for seed in range(40)], axis=0).mean())

    assert spread(0.0) < spread(0.5) < spread(1.0)


@pytest.mark.parametrize("world", WORLDS)
def test_the_box_is_that_of_the_object_s_pixels(world: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On black, with nothing in front; a bird's perch is left out of its box, and here of its picture."""
    view = View(0.0, aligned_scale=0.6, surroundings="black")
    boxes = []
    for perched in (True, False):
        if not perched:
            monkeypatch.setattr(birds, "_draw_perch", lambda canvas, bird: None)
        drawings = [WORLDS[world](view, *map(np.random.default_rng, (seed, 10_000 + seed))) for seed in range(20)]
        boxes.append([each.box for each in drawings])
    np.testing.assert_array_equal(boxes[0], boxes[1])
    for each in drawings:
        rows, columns = np.nonzero(each.image.max(axis=-1) > 0)
        pixels = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(each.box * SIZE, pixels, atol=1.5)


@pytest.mark.parametrize("world", WORLDS)
def test_the_box_holds_every_landmark_that_is_in_the_image(world: str) -> None:
    for seed in range(60):
        each = drawing(world, seed)
        x0, y0, x1, y1 = each.box
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        for x, y in each.landmarks[each.visible]:
            assert x0 <= x <= x1 and y0 <= y <= y1


def test_camera_is_a_similarity() -> None:
    camera = Camera(10.0, 0.3, (5.0, 7.0), mirror=True)
    points = np.random.default_rng(0).normal(size=(2, 2))
    length = np.linalg.norm(np.subtract(*points))
    assert np.linalg.norm(np.subtract(*camera.project(points))) == pytest.approx(10 * length)
    assert np.linalg.det(camera.matrix) == pytest.approx(-100.0)


def test_smooth_curve_passes_through_its_points() -> None:
    points = np.random.default_rng(0).normal(size=(6, 2))
    np.testing.assert_allclose(smooth(points, 5)[::5], points)


def test_renderer_version_pins_the_drawings() -> None:
    """Landmarks of fixed images: where this changes, raise RENDERER_VERSION and renew the sum."""
    digest = hashlib.sha256()
    for factory in (mini.CELEBA_WILD, mini.CUB_ALL, mini.TAICHI):
        dataset = factory(None)
        for image_id in dataset.split("test")[:5]:
            digest.update(np.round(dataset.annotation(image_id).landmarks, 6).tobytes())
    assert (mini.RENDERER_VERSION, digest.hexdigest()[:16]) == (1, "e7edac6cb517c313")


def test_unknown_id_is_one_clear_error() -> None:
    with pytest.raises(DatasetError, match=r"no image 'celeba_wild/none/1'.*celeba_wild/test/00000"):
        mini.CELEBA_WILD(None).annotation("celeba_wild/none/1")


def test_small_sets_regress_on_their_thirty_fit_images() -> None:
    dataset = mini.CUB_002(None)
    assert len(dataset.split("fit")) == 30
    assert dataset.split("regress") == dataset.split("fit")
    assert not set(dataset.split("test")) & set(dataset.split("fit"))


def test_a_species_keeps_its_colours() -> None:
    dataset = mini.CUB_001(None)
    captions = {dataset._drawing(image_id).caption for image_id in dataset.split("fit")[:8]}
    assert len(captions) == 1
