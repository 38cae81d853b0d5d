"""CMR's cleaned lists of CUB, on files written as MATLAB would write them."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image
from scipy.io import savemat

from datasets import cub_cmr
from datasets.base import SPLITS, DatasetError
from tests.dataset_plugins.test_cub import raw

HEIGHT, WIDTH = 60, 80
TRAIN = ("002.Laysan_Albatross/d.png", "001.Black_footed_Albatross/c.png", "001.Black_footed_Albatross/a.png")
TEST = ("001.Black_footed_Albatross/b.png", "003.Sooty_Albatross/e.png")
Bird = dict[str, Any]


# The first record of CMR's train list, image 2 of CUB, as users of the files document it.
DOCUMENTED_BOX = (139, 30, 291, 293)
DOCUMENTED_PARTS = (
    (228, 282, 0, 248, 266, 272, 0, 0, 208, 256, 270, 0, 234, 163, 260),
    (138, 154, 0, 158, 141, 144, 0, 0, 102, 141, 146, 0, 193, 155, 155),
    (1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1),
)


def draw_bird(rel_path: str, random: np.random.Generator) -> Bird:
    """A record with every field that CMR's files have, in the number types that they come in."""
    x, y = random.integers(1, 30, 2)
    width, height = random.integers(20, 45, 2)
    visible = random.random(15) < 0.8
    parts = np.stack([random.integers(1, 60, 15), random.integers(1, 60, 15), np.ones(15)]) * visible
    return {
        "id": 7.0,
        "rel_path": rel_path,
        "train": 1.0,
        "test": 0.0,
        "bbox": {"x1": np.uint16(x), "y1": float(y), "x2": np.int32(x + width - 1), "y2": float(y + height - 1)},
        "width": float(WIDTH),
        "height": float(HEIGHT),
        "parts": parts,
        "mask": random.random((HEIGHT, WIDTH)) < 0.5,
        "class_id": float(int(rel_path[:3])),
    }


def write(path: Path, birds: list[Bird], name: str = "images") -> None:
    """A 1 x N struct array, compressed, as MATLAB saves it."""
    structs = np.empty((1, len(birds)), dtype=[(field, object) for field in birds[0]])
    for index, bird in enumerate(birds):
        structs[0, index] = tuple(bird.values())
    savemat(path, {name: structs}, do_compression=True)


def mat(root: Path, split: str) -> Path:
    return root / f"CUB_200_2011/cachedir/cub/data/{split}_cub_cleaned.mat"


def lists() -> tuple[list[Bird], list[Bird]]:
    random = np.random.default_rng(0)
    return [draw_bird(path, random) for path in TRAIN], [draw_bird(path, random) for path in TEST]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for path in (*TRAIN, *TEST):
        file = tmp_path / "CUB_200_2011/images" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(file)
    mat(tmp_path, "train").parent.mkdir(parents=True)
    for split, birds in zip(("train", "test"), lists(), strict=True):
        write(mat(tmp_path, split), birds)
    return tmp_path


def small(root: Path | None, classes: tuple[int, ...] = (1, 2, 3), fit: int = 3, test: int = 2) -> cub_cmr.CubCmr:
    card = cub_cmr.CUB_ALL().card.model_copy(update={"counts": {"fit": fit, "regress": fit, "test": test}})
    return cub_cmr.CubCmr(card, classes, root)


def oracle_crop(box: Bird) -> tuple[int, int, int]:
    """Left, top and side in exact arithmetic, corners counted from 0 and both inside."""
    x1, y1, x2, y2 = (Fraction(int(box[corner])) - 1 for corner in ("x1", "y1", "x2", "y2"))
    across, down = (x2 - x1 + 1) / 20, (y2 - y1 + 1) / 20
    left, top, right, bottom = round(x1 - across), round(y1 - down), round(x2 + across), round(y2 + down)
    width, height = right - left + 1, bottom - top + 1
    side = max(width, height)
    return left - round(Fraction(side - width, 2)), top - round(Fraction(side - height, 2)), side


def test_landmarks_boxes_and_order_follow_the_files(root: Path) -> None:
    dataset = small(root)
    assert dataset.available() == dataset.annotated() == (True, "")
    assert dataset.split("fit") == dataset.split("regress") == TRAIN
    assert dataset.split("test") == TEST
    train, test = lists()
    for bird in (*train, *test):
        annotation, (left, top, side) = dataset.annotation(bird["rel_path"]), oracle_crop(bird["bbox"])
        x, y, visible = bird["parts"]
        # A pixel counted from 1 has its centre half a pixel before its number.
        expected = np.stack([(x - 0.5 - left) / side, (y - 0.5 - top) / side], axis=1)
        np.testing.assert_array_equal(annotation.visible, visible == 1)
        np.testing.assert_allclose(annotation.landmarks[visible == 1], expected[visible == 1], atol=1e-12)
        first = int(bird["bbox"]["x1"]) - 1 - left, bird["bbox"]["y1"] - 1 - top
        extent = int(bird["bbox"]["x2"]) - int(bird["bbox"]["x1"]) + 1, bird["bbox"]["y2"] - bird["bbox"]["y1"] + 1
        assert annotation.box == pytest.approx(np.array([*first, *extent]) / side, abs=1e-12)
        assert annotation.group == bird["rel_path"].split("/")[0]


def test_crop_without_resize_is_the_padded_image(root: Path) -> None:
    dataset, border = small(root), 100
    train, test = lists()
    outside = 0
    for bird in (*train, *test):
        left, top, side = oracle_crop(bird["bbox"])
        padded = np.full((HEIGHT + 2 * border, WIDTH + 2 * border, 3), 128, np.uint8)
        padded[border:-border, border:-border] = np.asarray(Image.open(root / "CUB_200_2011/images" / bird["rel_path"]))
        expected = padded[top + border : top + border + side, left + border : left + border + side]
        np.testing.assert_array_equal(dataset.image(bird["rel_path"], side), expected)
        outside += left < 0 or top < 0 or left + side > WIDTH or top + side > HEIGHT
    assert outside


def test_a_documented_record(root: Path) -> None:
    """Image 2 of CUB: 153 x 264 pixels, padded to 130..298 and 16..305, so a square of 290 whose left edge is at 70."""
    record = draw_bird("001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg", np.random.default_rng(2))
    record["bbox"] = dict(zip(("x1", "y1", "x2", "y2"), map(float, DOCUMENTED_BOX), strict=True))
    record["parts"] = np.array(DOCUMENTED_PARTS)
    write(mat(root, "train"), [record])
    dataset = small(root, classes=(1,), fit=1, test=1)
    table = dataset.table("fit")
    assert table.crops == ((70, 16, 290, 290, False),)
    assert table.visible[0].tolist() == [part not in (2, 6, 7, 11) for part in range(15)]
    assert table.landmarks[0, [0, 13]] * 290 == pytest.approx(np.array([[157.5, 121.5], [92.5, 138.5]]))
    annotation = dataset.annotation(record["rel_path"])
    assert annotation.box == pytest.approx(np.array([68, 13, 153, 264]) / 290)


def test_one_class_is_picked_by_its_number_and_grouped_by_image(root: Path) -> None:
    dataset = small(root, classes=(1,), fit=2, test=1)
    assert dataset.split("fit") == TRAIN[1:]
    assert dataset.split("test") == TEST[:1]
    assert dataset.table("fit").groups == TRAIN[1:]


def test_published_counts() -> None:
    factories = (cub_cmr.CUB_001, cub_cmr.CUB_002, cub_cmr.CUB_003, cub_cmr.CUB_ALL)
    counts = [tuple(factory().card.counts[name] for name in SPLITS) for factory in factories]
    assert counts == [(29, 29, 17), (30, 30, 14), (30, 30, 15), (5964, 5964, 2874)]


def test_what_is_missing_is_named_with_the_way_out(root: Path) -> None:
    mat(root, "test").unlink()
    dataset = small(root)
    assert dataset.split("fit") == TRAIN
    for found, message in (dataset.annotated(), dataset.available()):
        assert not found
        assert "test_cub_cleaned.mat" in message and "cachedir.tar.gz" in message and "\n" not in message
    found, message = small(root, classes=(1, 4)).available()
    assert not found and "and 1 more" in message
    assert "no data root" in small(None).available()[1]


def changed(change: Callable[[list[Bird]], object]) -> Callable[[Path], None]:
    """A corruption of the train list's records."""

    def corrupt(path: Path) -> None:
        birds = lists()[0]
        change(birds)
        write(path, birds)

    return corrupt


def without(field: str) -> Callable[[Path], None]:
    return lambda path: write(path, [{key: bird[key] for key in bird if key != field} for bird in lists()[0]])


def write_version_73(path: Path) -> None:
    """An HDF5 file behind MATLAB's own header."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["images"] = np.zeros(3)
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CORRUPTIONS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no mat": (lambda path: path.write_text("<html>quota exceeded</html>" * 20), ("cannot be read",)),
    "empty": (lambda path: path.write_bytes(b""), ("cannot be read",)),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-3000]), ("cannot be read",)),
    "folder": (replace_by_folder, ("cannot be read",)),
    "version 7.3": (write_version_73, ("MATLAB 7.3", "-v7")),
    "no images": (lambda path: write(path, lists()[0], name="birds"), ("no variable 'images'",)),
    "no struct": (lambda path: savemat(path, {"images": np.ones(4)}), ("no field 'rel_path'", "no fields")),
    "no rel_path": (without("rel_path"), ("no field 'rel_path'", "found id, train")),
    "no bbox": (without("bbox"), ("no field 'bbox'",)),
    "no parts": (without("parts"), ("no field 'parts'",)),
    "no class": (changed(lambda birds: birds[2].update(rel_path="a.png")), ("images(3).rel_path", "'a.png'")),
    "way out": (changed(lambda birds: birds[2].update(rel_path="001.a/../../b.png")), ("images(3).rel_path",)),
    "numeric path": (changed(lambda birds: birds[1].update(rel_path=np.ones((2, 40)))), ("images(2).rel_path",)),
    "twice": (changed(lambda birds: birds[2].update(rel_path=TRAIN[0])), ("images(3).rel_path", "images(1)")),
    "no corner": (changed(lambda birds: birds[1]["bbox"].pop("x2")), ("images(2).bbox", "x1, y1, x2, y2")),
    "flat box": (changed(lambda birds: birds[1].update(bbox=np.ones(4))), ("images(2).bbox", "x1, y1, x2, y2")),
    "text corner": (changed(lambda birds: birds[1]["bbox"].update(y1="top")), ("images(2).bbox",)),
    "empty box": (changed(lambda birds: birds[1]["bbox"].update(x2=0.0)), ("images(2).bbox", "x1 <= x2")),
    "infinite box": (changed(lambda birds: birds[1]["bbox"].update(y2=np.inf)), ("images(2).bbox",)),
    "14 parts": (changed(lambda birds: birds[0].update(parts=np.ones((3, 14)))), ("images(1).parts", "(3, 14)")),
    "text parts": (changed(lambda birds: birds[0].update(parts="none")), ("images(1).parts", "numbers")),
    "nan part": (changed(lambda birds: birds[0].update(parts=np.full((3, 15), np.nan))), ("images(1).parts", "finite")),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupt_file_is_named_with_its_element(root: Path, name: str) -> None:
    corrupt, fragments = CORRUPTIONS[name]
    corrupt(mat(root, "train"))
    with pytest.raises(DatasetError) as error:
        small(root).split("regress")
    message = str(error.value)
    assert "\n" not in message
    for fragment in (str(mat(root, "train")), *fragments):
        assert fragment in message


def test_the_datasets_share_what_was_read_of_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, original = [], scipy.io.loadmat

    def counted(path: Path, **options: Any) -> Any:
        read.append(path)
        return original(path, **options)

    monkeypatch.setattr(scipy.io, "loadmat", counted)
    assert len(small(root).split("fit")) == 3
    assert len(small(root, classes=(1,), fit=2).split("fit")) == 2
    assert read == [mat(root, "train")]
    write(mat(root, "train"), lists()[0][:2])
    assert len(small(root, fit=2).split("fit")) == 2
    assert len(read) == 2


def test_counts_truncated_images_and_unknown_ids_are_named(root: Path) -> None:
    with pytest.raises(DatasetError, match="'fit' has 3 images, expected 4"):
        small(root, fit=4).split("fit")
    with pytest.raises(DatasetError, match="'test' has 0 images, expected 2"):
        small(root, classes=(2,), fit=1).split("test")
    photo = root / "CUB_200_2011/images" / TRAIN[0]
    photo.write_bytes(photo.read_bytes()[:900])
    with pytest.raises(DatasetError, match=r"d\.png"):
        small(root).image(TRAIN[0], 32)
    with pytest.raises(DatasetError, match="no annotations for image 'other'"):
        small(root).annotation("other")


@pytest.fixture(scope="module")
def real_root() -> Path:
    if "KEYPOINTS_DATA_ROOT" not in os.environ:
        pytest.skip("KEYPOINTS_DATA_ROOT is not set")
    return Path(os.environ["KEYPOINTS_DATA_ROOT"])


def test_the_documented_record_is_that_of_the_official_files(real_root: Path) -> None:
    """CMR's corners are the official x, y, x + w - 1, y + h - 1, and its parts the official ones as they stand."""
    if not (real_root / "CUB_200_2011").is_dir():
        pytest.skip(f"no CUB_200_2011 in {real_root}")
    (box,) = (row[1:] for row in raw(real_root, "bounding_boxes.txt") if row[0] == "2")
    x, y, w, h = map(float, box)
    np.testing.assert_array_equal((x, y, x + w - 1, y + h - 1), DOCUMENTED_BOX)
    parts = [row[2:] for row in raw(real_root, "parts/part_locs.txt") if row[0] == "2"]
    np.testing.assert_array_equal(np.array(parts, float).T, DOCUMENTED_PARTS)


@pytest.mark.parametrize("factory", [cub_cmr.CUB_001, cub_cmr.CUB_002, cub_cmr.CUB_003, cub_cmr.CUB_ALL])
def test_real_lists_are_parts_of_the_official_splits(real_root: Path, factory) -> None:
    dataset = factory(real_root)
    found, message = dataset.annotated()
    if not found:
        pytest.skip(message)
    train = {row[0] for row in raw(real_root, "train_test_split.txt") if row[1] == "1"}
    for name in SPLITS:
        ids = {row[1] for row in raw(real_root, "images.txt") if (row[0] in train) == (name != "test")}
        assert len(dataset.split(name)) == dataset.card.counts[name]
        assert set(dataset.split(name)) <= ids
