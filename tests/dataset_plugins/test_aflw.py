"""The two partitions of AFLW: MTFL's lists, and the recropped images. On synthetic trees, and on MTFL's real lists."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from typer.testing import CliRunner

from benchmarks.cli import app
from datasets.aflw_mtfl import AFLW_MTFL, LOOSENESS, SIDE, Mtfl, read_list
from datasets.aflw_recrops import AFLW_RECROPS, AflwRecrops
from datasets.base import DatasetError, Split

TRAIN = ["lfw_5590\\Ann_Lee_0001.jpg", "net_7876\\_60_4383_0.jpg", "net_7876\\7_0_0.jpg"]
TEST = ["AFLW/0001-image20056.jpg", "AFLW/0002-image04733.jpg", "AFLW/0003-image20056.jpg"]


def noise(path: Path, size: tuple[int, int], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


def write_mtfl(root: Path) -> Path:
    """Both lists as they are distributed: x before y, CRLF, a leading blank from line 2, a last line of one blank."""
    random = np.random.default_rng(0)
    for file, names in (("training.txt", TRAIN), ("testing.txt", TEST)):
        lines = []
        for number, name in enumerate(names):
            x, y = random.uniform(40, 100, (2, 5))
            values = " ".join(f"{value:f}" for value in (*x, *y))
            lines.append(f"{name} {values} 1 2 2 {number}")
            noise(
                root / "mtfl" / name.replace("\\", "/"), (SIDE, SIDE) if file == "testing.txt" else (200, 170), number
            )
        (root / "mtfl" / file).write_bytes("\r\n ".join([*lines, ""]).encode())
    return root


def small_mtfl(root: Path) -> Mtfl:
    counts = {"fit": len(TRAIN), "regress": len(TRAIN), "test": len(TEST)}
    return Mtfl(AFLW_MTFL.args[0].model_copy(update={"counts": counts}), root)


def points_of(root: Path, file: str, line: int) -> np.ndarray:
    values = (root / "mtfl" / file).read_text().split("\n")[line].split()[1:11]
    return np.array([[float(values[index]), float(values[5 + index])] for index in range(5)])


def test_test_images_of_mtfl_are_seen_whole(tmp_path: Path) -> None:
    dataset = small_mtfl(write_mtfl(tmp_path))
    assert dataset.available() == (True, "")
    assert dataset.split("test") == tuple(TEST)
    for line, image_id in enumerate(TEST):
        annotation = dataset.annotation(image_id)
        np.testing.assert_allclose(annotation.landmarks * 150, points_of(tmp_path, "testing.txt", line))
        assert annotation.visible.all()
    assert dataset.annotation(TEST[0]).group == dataset.annotation(TEST[2]).group == "image20056.jpg"
    assert dataset.annotation(TEST[1]).group == "image04733.jpg"
    with Image.open(tmp_path / "mtfl" / TEST[0]) as photo:
        np.testing.assert_array_equal(dataset.image(TEST[0], 150), np.asarray(photo))


def test_training_images_of_mtfl_are_squares_about_the_points(tmp_path: Path) -> None:
    dataset = small_mtfl(write_mtfl(tmp_path))
    ids = dataset.split("fit")
    assert ids == dataset.split("regress") == tuple(name.replace("\\", "/") for name in TRAIN)
    for line, image_id in enumerate(ids):
        points = points_of(tmp_path, "training.txt", line)
        annotation = dataset.annotation(image_id)
        assert annotation.group == image_id
        # The landmarks are the points, moved and scaled alike in x and y.
        spread = np.ptp(points, axis=0) / np.ptp(annotation.landmarks, axis=0)
        side = round(LOOSENESS * np.ptp(points, axis=0).max())
        np.testing.assert_allclose(spread, side)
        middle = (annotation.landmarks.min(axis=0) + annotation.landmarks.max(axis=0)) / 2
        assert np.abs(middle - 0.5).max() * side <= 0.5 + 1e-9
        # A black pixel at a point of the photograph is where the landmark is.
        place = points[2].astype(int)
        photo = np.full((170, 200, 3), 255, np.uint8)
        photo[place[1], place[0]] = 0
        Image.fromarray(photo).save(tmp_path / "mtfl" / image_id, format="PNG")
        dark = np.argwhere(dataset.image(image_id, side)[..., 0] < 64)
        inside = (annotation.landmarks[2] * side - (points[2] - place)).round().astype(int)
        assert dark.tolist() == [[inside[1], inside[0]]]


def test_mtfl_is_scored_without_images(tmp_path: Path) -> None:
    write_mtfl(tmp_path)
    for path in tmp_path.glob("mtfl/*/*"):
        path.unlink()
    dataset = small_mtfl(tmp_path)
    assert dataset.annotated() == (True, "")
    assert not dataset.available()[0]
    assert dataset.annotation(TEST[0]).landmarks.shape == (5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(" 1 2 2 1", " 1 2 2"), "training.txt, line 2"),
        (lambda text: text.replace("_60_4383_0.jpg", "7_0_0.jpg"), "line 3.*no earlier line"),
        (lambda text: text.replace("net_7876\\_60_4383_0.jpg ", "net_7876\\_60_4383_0.jpg nan"), "line 2"),
    ],
)
def test_a_wrong_line_of_mtfl_is_named(tmp_path: Path, change, message: str) -> None:
    path = write_mtfl(tmp_path) / "mtfl" / "training.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        small_mtfl(tmp_path).split("fit")


def test_a_test_image_of_another_size_is_refused(tmp_path: Path) -> None:
    dataset = small_mtfl(write_mtfl(tmp_path))
    noise(tmp_path / "mtfl" / TEST[0], (149, 150), 0)
    with pytest.raises(DatasetError, match="got 149 x 150 pixels, expected 150 x 150"):
        dataset.image(TEST[0], 32)


def real_mtfl() -> Mtfl:
    root = Path(os.environ.get("KEYPOINTS_DATA_ROOT", "nowhere"))
    dataset = AFLW_MTFL(root)
    if not dataset.annotated()[0]:
        pytest.skip("KEYPOINTS_DATA_ROOT has no mtfl/training.txt and mtfl/testing.txt")
    return dataset


def test_the_real_lists_of_mtfl() -> None:
    dataset = real_mtfl()
    assert [len(dataset.split(name)) for name in ("fit", "regress", "test")] == [10000, 10000, 2995]
    folders = Counter(image_id.split("/")[0] for name in ("fit", "test") for image_id in dataset.split(name))
    assert folders == {"lfw_5590": 4151, "net_7876": 5849, "AFLW": 2995}
    groups = {dataset.annotation(image_id).group for image_id in dataset.split("test")}
    assert len(groups) == 2863 == 2995 - 132
    for name in ("fit", "test"):
        landmarks = np.stack([dataset.annotation(image_id).landmarks for image_id in dataset.split(name)])
        assert ((landmarks > 0) & (landmarks < 1)).all()
        # Upright faces: eyes above the mouth, and the left eye left of the right one in all but a few.
        assert (landmarks[:, :2, 1].mean(axis=1) < landmarks[:, 3:, 1].mean(axis=1)).mean() > 0.99
        assert (landmarks[:, 0, 0] < landmarks[:, 1, 0]).mean() > 0.99
        extent = np.ptp(landmarks, axis=1).max(axis=1)
        assert np.median(1 / extent) == pytest.approx(LOOSENESS, rel=0.01)


def test_the_points_of_the_real_lists_are_x_then_y() -> None:
    dataset = real_mtfl()
    ids, points = read_list(dataset.folder / "testing.txt")
    assert ids[0] == "AFLW/0001-image20056.jpg"
    expected = [
        (56.607985, 43.250454),
        (101.326679, 58.059891),
        (79.548094, 69.965517),
        (43.831216, 86.226860),
        (93.196007, 103.940109),
    ]
    np.testing.assert_allclose(points[0], expected)


def test_the_real_lists_are_scored_without_images(tmp_path: Path) -> None:
    """Keypoints in the middle of every image predict its middle, 75 pixels from the edges of a test image."""
    dataset = real_mtfl()
    arguments = ["score", "--dataset", "aflw_mtfl", "--format", "json", "--resamples", "20"]
    arguments += ["--protocol", "strict/interocular", "--data-root", str(dataset.root)]
    splits: tuple[Split, ...] = ("regress", "test")
    for split in splits:
        ids = dataset.split(split)
        np.savez(tmp_path / f"{split}.npz", image_id=ids, keypoints=np.full((len(ids), 10, 2), 0.5))
        arguments += ["--predictions", str(tmp_path / f"{split}.npz")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    (score,) = json.loads(result.stdout)["scores"]
    errors = []
    for line in (dataset.folder / "testing.txt").read_text().splitlines():
        if line.split():
            x, y = np.array(line.split()[1:11], float).reshape(2, 5)
            errors.append(np.hypot(x - 75, y - 75).mean() / np.hypot(x[0] - x[1], y[0] - y[1]))
    assert score["value"] == pytest.approx(100 * np.mean(errors), rel=1e-9)


def write_recrops(root: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Three train images; test images of which one is listed twice. Returns names, points and sizes of the test."""
    folder = root / "aflw_release-2"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for split, names in (("train", ["0/a.jpg", "0/b.jpg", "2/c.jpg"]), ("test", ["3/d.jpg", "3/e.jpg", "3/d.jpg"])):
        sizes = np.array([(120, 100), (90, 80), (120, 100)])
        points = random.uniform(0, 1, (3, 5, 2)) * sizes[:, None]
        (folder / f"aflw_{split}_images.txt").write_text("\n".join(names) + "\n")
        scipy.io.savemat(folder / f"aflw_{split}_keypoints.mat", {"gt": points, "hw": sizes})
        for name, (height, width) in zip(names, sizes.tolist(), strict=True):
            noise(folder / "output" / name, (width, height), len(name))
    return names, points, sizes


def small_recrops(root: Path) -> AflwRecrops:
    return AflwRecrops(AFLW_RECROPS.args[0].model_copy(update={"counts": {"fit": 3, "regress": 3, "test": 3}}), root)


def test_recrops_are_read_and_duplicates_keep_their_rows(tmp_path: Path) -> None:
    _, points, sizes = write_recrops(tmp_path)
    dataset = small_recrops(tmp_path)
    assert dataset.available() == (True, "")
    assert dataset.split("fit") == dataset.split("regress") == ("0/a.jpg", "0/b.jpg", "2/c.jpg")
    assert dataset.split("test") == ("3/d.jpg", "3/e.jpg", "3/d.jpg#2")
    for row, image_id in enumerate(dataset.split("test")):
        annotation = dataset.annotation(image_id)
        for landmark, (y, x) in zip(annotation.landmarks, points[row], strict=True):
            assert landmark == pytest.approx((x / sizes[row, 1], y / sizes[row, 0]))
        assert annotation.group == image_id.removesuffix("#2")
        assert dataset.image(image_id, 32).shape == (32, 32, 3)
    np.testing.assert_array_equal(dataset.image("3/d.jpg", 32), dataset.image("3/d.jpg#2", 32))
    assert dataset.files("3/d.jpg#2") == dataset.files("3/d.jpg")


def test_recrops_are_scored_without_images_and_the_size_of_images_is_checked(tmp_path: Path) -> None:
    write_recrops(tmp_path)
    noise(tmp_path / "aflw_release-2" / "output" / "3" / "e.jpg", (90, 80), 0)
    with pytest.raises(DatasetError, match="got 90 x 80 pixels, expected 80 x 90"):
        small_recrops(tmp_path).image("3/e.jpg", 32)
    for path in tmp_path.rglob("*.jpg"):
        path.unlink()
    assert small_recrops(tmp_path).annotated() == (True, "")
    assert small_recrops(tmp_path).annotation("3/e.jpg").visible.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gt": np.zeros((3, 4, 2))}, r"variable 'gt': got float64 \(3, 4, 2\)"),
        ({"gt": np.zeros((2, 5, 2))}, r"variable 'gt'.*a row for each image"),
        ({"gt": np.full((3, 5, 2), np.nan)}, "variable 'gt'.*finite"),
        ({"hw": np.zeros((3, 2))}, "row 1 of 'hw'"),
        ({"hw": None}, "variable 'hw': got nothing"),
    ],
)
def test_wrong_landmarks_of_recrops_are_named(tmp_path: Path, change, message: str) -> None:
    _, points, sizes = write_recrops(tmp_path)
    content = {name: value for name, value in ({"gt": points, "hw": sizes} | change).items() if value is not None}
    path = tmp_path / "aflw_release-2" / "aflw_test_keypoints.mat"
    scipy.io.savemat(path, content)
    with pytest.raises(DatasetError, match=message):
        small_recrops(tmp_path).split("test")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match=r"cannot read .*aflw_test_keypoints.mat"):
        small_recrops(tmp_path).split("test")


def test_the_cards_say_that_the_partitions_are_not_comparable() -> None:
    mtfl, recrops = AFLW_MTFL(None).card, AFLW_RECROPS(None).card
    for card, other in ((mtfl, recrops), (recrops, mtfl)):
        text = " ".join(card.remarks)
        assert "not comparable" in text and other.id in text and "132" in text
        assert card.interocular == (0, 1)
    assert (mtfl.counts["test"], recrops.counts["fit"], recrops.counts["test"]) == (2995, 10122, 2991)
