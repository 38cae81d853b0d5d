"""The loader of the CAT dataset on a synthetic tree, with and without the lists of a published split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.cli import app
from datasets.base import DatasetError, Split
from datasets.cats import CATS, FOLDERS, LISTS, POINTS

WIDTH, HEIGHT = 120, 100
PER_FOLDER = 5
# The first annotation of the official archive.
FIRST = "9 175 160 239 162 199 199 149 121 137 78 166 93 281 101 312 96 296 133 "


def write_tree(root: Path) -> dict[str, np.ndarray]:
    """Seven folders of images with annotations beside them. Returns the points (9, 2) of each image by folder/file."""
    random = np.random.default_rng(0)
    found = {}
    for number, folder in enumerate(FOLDERS):
        for index in range(PER_FOLDER):
            name = f"{number:08d}_{index:03d}.jpg"
            path = root / "cats" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(path, format="PNG")
            points = random.integers(10, 90, (9, 2))
            path.with_name(f"{name}.cat").write_text("9 " + " ".join(map(str, points.ravel().tolist())) + " ")
            found[f"{folder}/{name}"] = points
    return found


def test_points_are_where_they_are_in_the_head(tmp_path: Path) -> None:
    points = write_tree(tmp_path)
    dataset = CATS(tmp_path)
    assert dataset.available() == (True, "")
    assert {*dataset.split("fit"), *dataset.split("test")} == points.keys()
    for image_id in (*dataset.split("fit")[:4], *dataset.split("test")[:4]):
        annotation = dataset.annotation(image_id)
        side = round(1.5 * np.ptp(points[image_id], axis=0).max())
        np.testing.assert_allclose(np.ptp(points[image_id], axis=0) / np.ptp(annotation.landmarks, axis=0), side)
        corner = np.round(points[image_id][0] - annotation.landmarks[0] * side).astype(int)
        expected = Image.new("RGB", (side, side), (128, 128, 128))
        with Image.open(tmp_path / "cats" / image_id) as photo:
            expected.paste(photo, tuple((-corner).tolist()))
        np.testing.assert_array_equal(dataset.image(image_id, side), np.asarray(expected))
        assert annotation.visible.all() and annotation.group == image_id
        assert np.abs((annotation.landmarks.min(axis=0) + annotation.landmarks.max(axis=0)) / 2 - 0.5).max() < 1 / side


def test_without_lists_a_fifth_is_tested_on_whatever_else_is_there(tmp_path: Path) -> None:
    write_tree(tmp_path)
    first = CATS(tmp_path)
    assert [len(first.split(name)) for name in ("fit", "regress", "test")] == [28, 28, 7]
    assert first.card.counts == {"fit": 28, "regress": 28, "test": 7}
    assert not {*first.split("fit")} & {*first.split("test")}
    (tmp_path / "cats" / "CAT_03" / "notes.txt").write_text("no annotation")
    (tmp_path / "cats" / "CAT_00" / "00000003_015.jpg").write_bytes(b"an image without annotation")
    assert CATS(tmp_path).split("test") == first.split("test")


@pytest.mark.parametrize("form", ["{folder}/{name}", "{folder}_{name}", "{name}", "{stem}.png", "./{folder}/{stem}"])
def test_the_lists_of_a_published_split_are_the_split(tmp_path: Path, form: str) -> None:
    ids = [*write_tree(tmp_path)]
    halves: dict[Split, list[str]] = {"fit": ids[20:3:-1], "test": ids[:3]}
    for split, file in LISTS.items():
        names = [image_id.split("/") for image_id in halves[split]]
        lines = [form.format(folder=folder, name=name, stem=name[:-4]) for folder, name in names]
        (tmp_path / "cats" / file).write_text("\r\n".join(lines) + "\r\n")
    dataset = CATS(tmp_path)
    assert {split: [*dataset.split(split)] for split in halves} == halves
    assert dataset.split("regress") == dataset.split("fit")
    assert dataset.card.counts == {"fit": 17, "regress": 17, "test": 3}


@pytest.mark.parametrize(
    ("fit", "test", "message"),
    [
        ("00000001_000", "00000009_000", "cat_test_images.txt, line 1: got '00000009_000'"),
        ("00000001_000", "a cat", "cat_test_images.txt, line 1.*such as 00000001_000"),
        ("00000001_000\n00000002_000", "00000002_000", "cat_test_images.txt, line 1.*in no list before"),
        ("00000001_000\n\n00000001_000", "00000002_000", "cat_train_images.txt, line 3"),
        ("00000001_000", None, "no .*cat_test_images.txt"),
    ],
)
def test_a_wrong_list_is_named(tmp_path: Path, fit: str, test: str | None, message: str) -> None:
    write_tree(tmp_path)
    (tmp_path / "cats" / LISTS["fit"]).write_text(fit)
    if test is not None:
        (tmp_path / "cats" / LISTS["test"]).write_text(test)
    with pytest.raises(DatasetError, match=message):
        CATS(tmp_path).split("fit")


def test_the_misplaced_annotation_of_the_archive_is_given_to_its_image(tmp_path: Path) -> None:
    write_tree(tmp_path)
    folder = tmp_path / "cats" / "CAT_00"
    (folder / "00000003_019.jpg.cat").write_text(FIRST)
    Image.new("RGB", (400, 300), (9, 9, 9)).save(folder / "00000003_015.jpg")
    dataset = CATS(tmp_path)
    image_id = "CAT_00/00000003_015.jpg"
    assert image_id in (*dataset.split("fit"), *dataset.split("test"))
    assert dataset.files(image_id) == (folder / "00000003_015.jpg", folder / "00000003_019.jpg.cat")
    # Of the head's nine points: eyes and ears from left to right in the image.
    x = dict(zip(POINTS, dataset.annotation(image_id).landmarks[:, 0], strict=True))
    ordered = ["left ear, tip", "left ear, outer base", "left ear, inner base", "left eye", "mouth", "right eye"]
    ordered += ["right ear, inner base", "right ear, outer base", "right ear, tip"]
    assert sorted(x, key=lambda name: x[name]) == ordered
    corrected = folder / "00000003_015.jpg.cat"
    corrected.write_text(FIRST)
    assert CATS(tmp_path).files(image_id) == (folder / "00000003_015.jpg", corrected)


def test_the_pairs_are_mirror_partners() -> None:
    card = CATS(None).card
    for left, right in card.left_right_pairs:
        assert card.landmark_names[right] == card.landmark_names[left].replace("left", "right")
    assert {index for pair in card.left_right_pairs for index in pair} == {*range(9)} - {2}


@pytest.mark.parametrize("text", ["", "8 " + "1 2 " * 8, "9 " + "1 2 " * 8, "9 " + "1 x " * 9, "9 " + "5 5 " * 9])
def test_a_wrong_annotation_is_named(tmp_path: Path, text: str) -> None:
    write_tree(tmp_path)
    path = tmp_path / "cats" / "CAT_02" / "00000002_001.jpg.cat"
    path.write_text(text)
    dataset = CATS(tmp_path)
    with pytest.raises(DatasetError, match=r"00000002_001.jpg.cat, the file: got"):
        _ = dataset.split("fit"), dataset.split("test")


def test_a_missing_folder_is_a_missing_dataset(tmp_path: Path) -> None:
    write_tree(tmp_path)
    (tmp_path / "cats" / "CAT_06").rename(tmp_path / "cats" / "other")
    found, message = CATS(tmp_path).available()
    assert not found and "CAT_06" in message and "archive.org" in message


def test_the_command_verifies_every_image(tmp_path: Path) -> None:
    write_tree(tmp_path)
    options = ["--data-root", str(tmp_path), "--cache", str(tmp_path / "cache")]
    verified = CliRunner().invoke(app, ["data", "verify", "cats", *options])
    assert (verified.exit_code, "no problems" in verified.output) == (0, True), verified.output
    (tmp_path / "cats" / "CAT_04" / "00000004_002.jpg").write_bytes(b"broken")
    broken = CliRunner().invoke(app, ["data", "verify", "cats", *options])
    assert broken.exit_code == 1
    assert "CAT_04/00000004_002.jpg" in broken.output
