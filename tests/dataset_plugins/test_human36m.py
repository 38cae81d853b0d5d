"""Zhang et al.'s Human3.6M on a synthetic tree of its layout."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from datasets import human36m
from datasets.base import Split
from datasets.mini_world import people
from tests.dataset_plugins.human36m_tree import FIT, KINDS, ONE, SIDE, TEST, file_of, person, plant, points, refused


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("human36m"))


@pytest.fixture
def root(planted: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    shutil.copytree(planted / "human_images", tmp_path / "human_images")
    return tmp_path


def opened(root: Path | None, fit: int = 36, regress: int = 9, test: int = 6) -> human36m.Human36m:
    counts: dict[Split, int] = {"fit": fit, "regress": regress, "test": test}
    return human36m.Human36m(human36m.HUMAN36M().card.model_copy(update={"counts": counts}), root)


def test_card_states_the_published_counts_and_the_skeleton_is_that_of_the_mini_world() -> None:
    card = human36m.HUMAN36M().card
    assert card.counts == {"fit": 796648, "regress": 50000, "test": 87975}
    assert card.landmark_names == people.HUMAN36M
    assert set(card.left_right_pairs) == set(people.PAIRS[people.HUMAN36M])
    assert len(set(card.landmark_names)) == 32
    assert len(card.left_right_pairs) == 13
    for a, b in card.left_right_pairs:
        left, right = sorted((card.landmark_names[a], card.landmark_names[b]), key=lambda name: "right" in name)
        assert right == left.replace("left", "right") or (left, right) == ("neck (2)", "neck (3)")


def test_splits_hold_six_actions_of_their_subjects_in_the_order_of_takes_and_frames(planted: Path) -> None:
    dataset = opened(planted)
    takes = ["Directions 1.55011271/7", "Directions 1.55011271/30", "Greeting.60457274/100"]
    takes += [f"Walking.54138969/{frame}" for frame in (1, 2, 10)]
    assert dataset.split("test") == tuple(f"S11/{take}" for take in takes)
    assert dataset.split("fit") == tuple(f"{subject}/{take}" for subject in FIT for take in takes)
    assert dataset.available() == dataset.annotated() == (True, "")
    assert dataset.annotation("S5/Directions 1.55011271/30").group == "S5/Directions 1"
    assert dataset.annotation("S11/Walking.54138969/10").group == "S11/Walking"


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        *((name, 1) for name in ("Walking", "Walking 1.54138969", "Walking.60457274", "Walking1", "Walking_1")),
        *((name, 1) for name in ("Walking-2", "Posing.1", "Waiting", "Greeting", "Directions", "Discussion 2")),
        *((name, 0) for name in ("WalkingDog 1.54138969", "WalkTogether", "walking", "SWalking", "Photo")),
    ],
)
def test_an_action_is_known_by_its_whole_name(folder: str, expected: int, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    assert len(human36m.takes(tmp_path)) == expected


def test_nothing_depends_on_the_order_in_which_the_disk_lists(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(planted)
    expected = {name: (first.split(name), first.digest(name)) for name in ("fit", "regress", "test")}
    scan = os.scandir

    class Shuffled(list):
        __enter__, __exit__ = (lambda self: self), (lambda self, *error: None)

    def shuffled(folder: Path) -> Shuffled:
        with scan(folder) as entries:
            listed = list(entries)
        return Shuffled(random.sample(listed, len(listed)))

    monkeypatch.setattr(os, "scandir", shuffled)
    for _ in range(3):
        again = opened(planted)
        assert {name: (again.split(name), again.digest(name)) for name in ("regress", "test", "fit")} == expected
    drawn, fit = expected["regress"][0], expected["fit"][0]
    assert len(set(drawn)) == 9
    assert tuple(image_id for image_id in fit if image_id in drawn) == drawn != fit[:9]


@given(st.permutations(range(40)), st.integers(0, 40))
@settings(max_examples=30)
def test_the_draw_depends_on_the_ids_alone(order: list[int], count: int) -> None:
    ids = tuple(f"S1/Posing/{number}" for number in range(40))
    drawn = human36m.draw(ids, count)
    assert len(drawn) == count
    assert set(human36m.draw(tuple(ids[index] for index in order), count)) == set(drawn)
    assert set(drawn) <= set(human36m.draw(ids, count + 1))


def test_the_draw_is_frozen_and_takes_every_part_of_the_list_alike() -> None:
    ids = tuple(f"S1/Posing.54138969/{number}" for number in range(1, 8001))
    frozen = [int(image_id.rpartition("/")[2]) for image_id in human36m.draw(ids[:20], 5)]
    assert frozen == [8, 10, 15, 16, 20], "the five of `printf ID | sha256sum` that sort first"
    drawn = [int(image_id.rpartition("/")[2]) for image_id in human36m.draw(ids, 4000)]
    assert np.histogram(drawn, bins=4, range=(1, 8001))[0] == pytest.approx([1000] * 4, abs=100)


def test_landmarks_are_turned_to_x_and_y_and_all_visible(planted: Path) -> None:
    dataset = opened(planted)
    for image_id in dataset.split("test"):
        annotation = dataset.annotation(image_id)
        np.testing.assert_array_equal(annotation.landmarks, points(int(image_id.rpartition("/")[2])))
        assert annotation.landmarks.dtype == np.float64
        assert annotation.visible.all() and annotation.visible.shape == (32,)


def oracle(photo: np.ndarray, size: int) -> np.ndarray:
    """Bilinear interpolation to a larger size, pixel i of n centred at (i + 0.5) / n, borders held."""
    where = np.clip((np.arange(size) + 0.5) * len(photo) / size - 0.5, 0, len(photo) - 1)
    near = np.minimum(where.astype(int), len(photo) - 2)
    weight = np.zeros((size, len(photo)))
    weight[np.arange(size), near], weight[np.arange(size), near + 1] = 1 - (where - near), where - near
    return np.einsum("ai,bj,ijc->abc", weight, weight, photo)


def test_image_is_resized_then_multiplied_with_the_resized_mask(planted: Path) -> None:
    dataset = opened(planted)
    photo = np.asarray(Image.open(file_of(planted, ONE, "WithBackground"))).astype(float)
    np.testing.assert_array_equal(dataset.image(ONE, SIDE), photo * person()[..., None])
    shown, mask = dataset.image(ONE, 100).astype(float), person()[..., None].astype(float)
    assert (
        np.abs(shown - oracle(photo, 100) * oracle(mask, 100)).max() <= 1.5
    )  # each of three roundings is off by no more than a half
    assert np.abs(shown - oracle(photo * mask, 100)).max() > 20, "the orders cannot be told apart on this image"


@pytest.mark.parametrize("kind", ["01", "0255", "palette", "inverted palette", "rgba"])
def test_masks_of_every_kind_mean_the_same(root: Path, kind: str) -> None:
    expected = opened(root).image(ONE, 50)
    mask = Image.fromarray(person().astype(np.uint8))
    if kind == "0255":
        mask = mask.point(lambda value: 255 * value)
    elif kind == "rgba":
        mask = Image.fromarray((person() * 255).astype(np.uint8)).convert("RGBA")
    elif kind != "01":
        if kind.startswith("inverted"):
            mask = mask.point(lambda value: 1 - value)
        mask.putpalette([0, 0, 0, 128, 0, 0] if kind == "palette" else [9, 0, 0, 0, 0, 0])
        assert mask.mode == "P"
    mask.save(file_of(root, ONE, "BackgroudMask"))
    np.testing.assert_array_equal(opened(root).image(ONE, 50), expected)


def test_without_images_all_but_images_works(root: Path) -> None:
    complete = opened(root)
    expected = [complete.split("regress"), complete.digest("test"), complete.annotation(ONE).landmarks.tolist()]
    for subject in FIT + TEST:
        shutil.rmtree(root / "human_images" / subject / "WithBackground")
        shutil.rmtree(root / "human_images" / subject / "BackgroudMask")
    dataset = opened(root)
    assert [dataset.split("regress"), dataset.digest("test"), dataset.annotation(ONE).landmarks.tolist()] == expected
    assert dataset.annotated() == (True, "")
    found, message = dataset.available()
    assert not found and str(root / "human_images/S1/WithBackground") in message and "human_images.tar.gz" in message
    refused(lambda: dataset.image(ONE, 8), file_of(root, ONE, "WithBackground"))


def test_listing_opens_no_file_and_the_digest_is_over_ids_and_preprocessing(root: Path) -> None:
    digest = opened(root).digest("fit")
    for path in root.rglob("*.mat"):
        path.write_bytes(b"")
    assert opened(root).digest("fit") == digest
    other = opened(root)
    other.card = other.card.model_copy(update={"preprocessing": "another"})
    assert other.digest("fit") != digest != opened(root).digest("test")
    for kind in KINDS:
        file_of(root, ONE, kind).rename(file_of(root, ONE, kind).with_stem("3"))
    assert opened(root).digest("fit") != digest


def broken_mat(contents: object) -> Callable[[Path], None]:
    return lambda path: savemat(path, {"keypoints_2d": contents})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def hdf5(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["keypoints_2d"] = np.zeros((2, 32))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        pytest.param(lambda path: savemat(path, {"keypoints": points(2)}), "no variable 'keypoints_2d'", id="variable"),
        pytest.param(broken_mat(points(2)[:31]), "(31, 2)", id="31 joints"),
        pytest.param(broken_mat(points(2).T), "(2, 32)", id="transposed"),
        pytest.param(broken_mat(points(2) + 1j), "complex128", id="complex"),
        pytest.param(broken_mat("left"), "keypoints_2d is", id="text"),
        pytest.param(broken_mat({"x": 1}), "keypoints_2d is", id="structure"),
        pytest.param(broken_mat(points(2) * 128), "'pelvis' at", id="pixels"),
        pytest.param(broken_mat(np.where(np.arange(64).reshape(32, 2) == 8, np.nan, 0.5)), "'right ball'", id="nan"),
        pytest.param(lambda path: path.write_text("0.1 0.2\n" * 40), "cannot read", id="not a mat"),
        pytest.param(lambda path: path.write_bytes(b""), "cannot read", id="empty"),
        pytest.param(cut, "cannot read", id="truncated"),
        pytest.param(hdf5, "cannot read", id="matlab 7.3"),
        pytest.param(Path.unlink, "cannot read", id="missing"),
    ],
)
def test_broken_landmarks_are_named(root: Path, damage: Callable[[Path], object], part: str) -> None:
    path = file_of(root, ONE, "Landmarks")
    dataset = opened(root)
    damage(path)
    refused(lambda: dataset.annotation(ONE), path, part)


@pytest.mark.parametrize("kind", ["WithBackground", "BackgroudMask"])
@pytest.mark.parametrize(
    "damage", [cut, Path.unlink, lambda path: path.write_text("<html>")], ids=["cut", "no", "html"]
)
def test_broken_images_and_masks_are_named(root: Path, kind: str, damage: Callable[[Path], object]) -> None:
    damage(file_of(root, ONE, kind))
    refused(lambda: opened(root).image(ONE, 8), file_of(root, ONE, kind))


def test_a_mask_of_another_size_is_named(root: Path) -> None:
    path = file_of(root, ONE, "BackgroudMask")
    Image.new("L", (SIDE, SIDE + 1), 1).save(path)
    refused(lambda: opened(root).image(ONE, 8), path, (SIDE, SIDE + 1), (SIDE, SIDE))


@pytest.mark.parametrize("kind", KINDS)
def test_a_count_that_is_off_names_the_file_that_another_lacks(root: Path, kind: str) -> None:
    file_of(root, ONE, kind).unlink()
    dataset = opened(root, fit=36 if kind == "Landmarks" else 37)
    refused(lambda: dataset.split("fit"), file_of(root, ONE, kind))


def test_a_count_that_is_off_names_both_numbers(root: Path) -> None:
    refused(lambda: opened(root, fit=37).split("fit"), "'fit'", "36 images", "expected 37")
    refused(lambda: opened(root, test=5).split("test"), "'test'", "6 images", "expected 5")
    refused(lambda: opened(root, regress=50).split("regress"), "'regress'", "36 images", "expected 50")


def test_a_missing_subject_stands_in_the_way_of_its_split_alone(root: Path) -> None:
    shutil.rmtree(root / "human_images/S7")
    assert len(opened(root).split("test")) == 6
    for call in (lambda: opened(root).split("fit"), lambda: opened(root).split("regress")):
        refused(call, root / "human_images/S7/Landmarks", "human_images.tar.gz")
    assert not opened(root).annotated()[0]
    refused(lambda: opened(None).split("test"), "no data root is set")


@pytest.mark.parametrize("image_id", ["no-such-image", "S2/Walking.54138969/1", "S1/Walking.54138969", "S1/a/b/c"])
def test_an_id_of_another_form_is_refused(planted: Path, image_id: str) -> None:
    for call in (lambda: opened(planted).annotation(image_id), lambda: opened(planted).image(image_id, 8)):
        refused(call, f"'{image_id}'", "S1/Directions 1.54138969/1")
