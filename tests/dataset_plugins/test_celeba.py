"""The CelebA loader on trees of the official layout, whole and broken, and on the real files where they are."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.base import SPLITS
from datasets.celeba import ALIGNED, LISTS, WILD, Celeba

TRAIN = ("000007.jpg", "000002.jpg", "000012.jpg", "000011.jpg", "000009.jpg", "000005.jpg")
TEST = ("000010.jpg", "000003.jpg", "000008.jpg")
EXTRA = ("000001.jpg", "000004.jpg", "000006.jpg", "200000.jpg")
COLUMNS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
# Width and height of the wild images, width and height of the box. Exactly 30 %: 2, 12, 8. A pixel less: 11, 3.
WILD_FACES = {
    **{"000007.jpg": (70, 100, 60, 60), "000002.jpg": (70, 100, 30, 70), "000012.jpg": (30, 10, 9, 10)},
    **{"000011.jpg": (70, 100, 2099, 1), "000009.jpg": (101, 33, 200, 200), "000005.jpg": (64, 64, 0, 64)},
    **{"000010.jpg": (50, 90, 50, 90), "000003.jpg": (41, 50, 2, 307), "000008.jpg": (110, 130, 66, 65)},
}
KEPT = {"fit": ("000007.jpg", "000002.jpg", "000012.jpg", "000009.jpg"), "test": ("000010.jpg", "000008.jpg")}
ALIGNED_FILE, WILD_FILE = "Anno/list_landmarks_align_celeba.txt", "Anno/list_landmarks_celeba.txt"
BOX_FILE, SIZE_FILE = "Anno/list_bbox_celeba.txt", "Anno/list_imsize_celeba.txt"
PERSON_FILE = "Anno/identity_CelebA.txt"
ALIGNED_IMAGES, WILD_IMAGES = "Img/img_align_celeba_png", "Img/img_celeba"


def small(factory: partial[Celeba], root: Path) -> Celeba:
    """The dataset with the counts of the trees of this file."""
    card, wild = factory.args
    fit, test = (len(KEPT["fit"]), len(KEPT["test"])) if wild else (len(TRAIN), len(TEST))
    return Celeba(card.model_copy(update={"counts": {"fit": fit, "regress": fit, "test": test}}), wild, root)


def write(root: Path, name: str, text: str, ending: str = "\r\n") -> None:
    path = root / "celeba" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("\n", ending).encode())


def edit(root: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a text file, whose lines the change sees as ending in a line feed."""
    path = root / "celeba" / name
    write(root, name, change(path.read_bytes().decode().replace("\r\n", "\n")))


def save_images(root: Path, folder: str, sizes: dict[str, tuple[int, int]], suffix: str, seed: int = 0) -> None:
    """Noise in every mode that an image file may have: colour, greyscale, palette, and for PNG transparency."""
    place = root / "celeba" / folder
    place.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    for index, (name, (width, height)) in enumerate(sizes.items()):
        image = Image.fromarray(noise.integers(0, 255, (height, width, 3), dtype=np.uint8))
        modes = ("RGB", "L", "P", "RGBA") if suffix == ".png" else ("RGB", "L", "CMYK")
        image.convert(modes[index % len(modes)]).save(place / (name[:-4] + suffix))


def landmarks(name: str, wild: bool, numbers: random.Random) -> str:
    """Five landmarks in and around an image; where sides are taken for each other, they still are no farther away."""
    sides = (WILD_FACES.get(name, (50, 60)) if wild else (178, 218))[:2]
    return "".join(f"{numbers.randrange(-side // 4, side + side // 4):<5}" for _ in range(5) for side in sides)


def build(root: Path) -> Path:
    """Both trees, with CRLF, no last line break, lists in no order, rows in another, and rows of other images."""
    numbers = random.Random(3)
    everything = [*TRAIN, *TEST, *EXTRA]
    write(root, "MAFL/training.txt", "\n".join(TRAIN))
    write(root, "MAFL/testing.txt", "\n".join(TEST), "\n")
    for file, ending in ((ALIGNED_FILE, "\r\n"), (WILD_FILE, "\n")):
        numbers.shuffle(everything)
        rows = [f"{name} {landmarks(name, file == WILD_FILE, numbers)}" for name in everything]
        write(root, file, f"{len(rows)}\n{COLUMNS} \n" + "\n".join(rows), ending)
    rows = [f"{name}   {numbers.randrange(20)}  7 {w} {h}" for name, (_, _, w, h) in sorted(WILD_FACES.items())]
    write(root, BOX_FILE, f"{len(rows)}\nimage_id x_1 y_1 width height\n" + "\n".join(rows) + "\n")
    write(root, SIZE_FILE, "".join(f"{name} {h} {w}\n" for name, (w, h, _, _) in reversed(WILD_FACES.items())))
    save_images(root, ALIGNED_IMAGES, dict.fromkeys((*TRAIN, *TEST), (178, 218)), ".png")
    save_images(root, WILD_IMAGES, {name: (face[0], face[1]) for name, face in WILD_FACES.items()}, ".jpg")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path)


def by_hand(path: Path, image_id: str, width: int, height: int) -> list[list[float]]:
    """The five landmarks of an image, looked up in the file a line at a time."""
    for line in path.open(newline=""):
        fields = line.split()
        if fields and fields[0] == image_id:
            assert len(fields) == 11
            return [[int(fields[i]) / width, int(fields[i + 1]) / height] for i in range(1, 11, 2)]
    raise AssertionError(f"{image_id} is not in {path}")


def test_aligned_faces_follow_their_files(root: Path) -> None:
    dataset = small(ALIGNED, root)
    assert (dataset.annotated(), dataset.available()) == ((True, ""), (True, ""))
    assert dataset.split("test") == TEST
    assert dataset.split("fit") == dataset.split("regress") == TRAIN
    outside = 0
    for name in (*TRAIN, *TEST):
        annotation = dataset.annotation(name)
        assert annotation.landmarks.tolist() == by_hand(root / "celeba" / ALIGNED_FILE, name, 178, 218)
        assert annotation.visible.all() and annotation.group == name and annotation.box is None
        outside += bool(((annotation.landmarks < 0) | (annotation.landmarks > 1)).any())
    assert outside > 3


@pytest.mark.parametrize("with_sizes", [True, False], ids=["size file", "image headers"])
def test_wild_faces_follow_their_files_without_the_small_ones(root: Path, with_sizes: bool) -> None:
    if not with_sizes:
        (root / "celeba" / SIZE_FILE).unlink()
    dataset = small(WILD, root)
    assert dataset.split("fit") == dataset.split("regress") == KEPT["fit"]
    assert dataset.split("test") == KEPT["test"]
    for name in (*KEPT["fit"], *KEPT["test"]):
        width, height = WILD_FACES[name][:2]
        assert dataset.annotation(name).landmarks.tolist() == by_hand(root / "celeba" / WILD_FILE, name, width, height)


def test_every_box_of_exactly_thirty_percent_stays_and_a_pixel_less_goes(tmp_path: Path) -> None:
    shapes = [(width, height) for width in range(10, 700, 30) for height in (3, 7, 211, 687)]
    ties = {f"{index:06d}.jpg": (w, h, 3 * w // 10 * h) for index, (w, h) in enumerate(shapes)}
    less = {f"1{name[1:]}": (w, h, area - 1) for name, (w, h, area) in ties.items()}
    faces = {**less, **ties}
    write(tmp_path, "MAFL/training.txt", "\n".join(faces))
    write(tmp_path, WILD_FILE, f"0\n{COLUMNS}\n" + "".join(f"{name} 1 2 3 4 5 6 7 8 9 10\n" for name in faces))
    boxes = "".join(f"{name} 0 0 {area} 1\n" for name, (_, _, area) in faces.items())
    write(tmp_path, BOX_FILE, f"0\nx_1 y_1 width height\n{boxes}")
    write(tmp_path, SIZE_FILE, "".join(f"{name} {height} {width}\n" for name, (width, height, _) in faces.items()))
    card = WILD.args[0].model_copy(update={"counts": {"fit": len(ties), "regress": 1, "test": 1}})
    assert Celeba(card, True, tmp_path).split("fit") == tuple(ties)


@pytest.mark.parametrize(("factory", "folder"), [(ALIGNED, ALIGNED_IMAGES), (WILD, WILD_IMAGES)])
def test_images_are_squashed_whole_whatever_their_mode(root: Path, factory: partial[Celeba], folder: str) -> None:
    dataset = small(factory, root)
    modes = set()
    for name in (*dataset.split("fit"), *dataset.split("test")):
        with Image.open(next((root / "celeba" / folder).glob(name[:-3] + "*"))) as photo:
            modes.add(photo.mode)
            expected = np.asarray(photo.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(dataset.image(name, 64), expected)
    assert len(modes) == (4 if factory is ALIGNED else 3)


@pytest.mark.parametrize(
    ("made", "used", "suffix"),
    [
        ({"img_align_celeba": ".jpg"}, "img_align_celeba", ".jpg"),
        ({"img_align_celeba": ".png"}, "img_align_celeba", ".png"),
        ({"img_align_celeba/img_align_celeba": ".jpg"}, "img_align_celeba/img_align_celeba", ".jpg"),
        (
            {"img_align_celeba": ".jpg", "img_align_celeba_png/img_align_celeba_png": ".png"},
            "img_align_celeba_png/img_align_celeba_png",
            ".png",
        ),
    ],
)
def test_png_comes_before_jpg_and_a_folder_in_a_folder_is_found(
    root: Path, made: dict[str, str], used: str, suffix: str
) -> None:
    (root / "celeba" / ALIGNED_IMAGES).rename(root / "elsewhere")
    for seed, (folder, kind) in enumerate(made.items()):
        save_images(root, f"Img/{folder}", dict.fromkeys((*TRAIN, *TEST), (178, 218)), kind, seed)
    dataset = small(ALIGNED, root)
    assert dataset.available() == (True, "")
    assert dataset.path(TEST[0]) == root / "celeba/Img" / used / f"{TEST[0][:-4]}{suffix}"
    assert dataset.image(TEST[0], 32).std() > 5


def test_a_part_of_the_landmark_file_will_do(root: Path) -> None:
    anno = root / "celeba/Anno"
    whole = small(ALIGNED, root).digest("test")
    lines = (anno / "list_landmarks_align_celeba.txt").read_text().splitlines()
    rows = [line for line in lines if line.split()[0] in {*TRAIN, *TEST}]
    (anno / "list_landmarks_align_celeba.mine.txt").write_text("\n".join(["9", COLUMNS, *sorted(rows)]))
    (anno / "list_landmarks_align_celeba.txt").unlink()
    assert small(ALIGNED, root).digest("test") == whole
    (anno / "list_landmarks_align_celeba.other.txt").write_text("")
    found, message = small(ALIGNED, root).annotated()
    assert not found and str(anno / "list_landmarks_align_celeba.txt") in message


def test_persons_are_groups_where_they_are_known_and_change_nothing_else(root: Path) -> None:
    for factory in (ALIGNED, WILD):
        before = {name: small(factory, root).digest(name) for name in SPLITS}
        write(root, PERSON_FILE, "\n".join(f"{name} {int(name[:6]) // 2}" for name in (*TRAIN, *TEST, *EXTRA)))
        dataset = small(factory, root)
        assert {name: dataset.digest(name) for name in before} == before
        groups = {name: dataset.annotation(name).group for name in (*dataset.split("fit"), *dataset.split("test"))}
        assert groups == {name: f"person {int(name[:6]) // 2}" for name in groups}
        (root / "celeba" / PERSON_FILE).unlink()


def change_field(text: str, name: str, field: int, value: str) -> str:
    """The text with a field of the row of a name replaced; an empty value takes the field out."""
    lines = text.split("\n")
    number = line_of(text, name) - 1
    fields = lines[number].split()
    fields[field : field + 1] = value.split()
    return "\n".join([*lines[:number], " ".join(fields), *lines[number + 1 :]])


def line_of(text: str, name: str) -> int:
    """The line that a name leads, counted from 1."""
    return next(number for number, line in enumerate(text.split("\n"), start=1) if line.split()[:1] == [name])


def test_digests_tell_landmarks_and_lists_apart(root: Path) -> None:
    first = small(ALIGNED, root)
    digests = {name: first.digest(name) for name in ("fit", "test")}
    assert first.digest("regress") == digests["fit"] != digests["test"]
    assert small(WILD, root).digest("fit") != digests["fit"]
    edit(root, ALIGNED_FILE, lambda text: change_field(text, TEST[1], 4, "199"))
    assert small(ALIGNED, root).digest("test") != digests["test"]
    assert small(ALIGNED, root).digest("fit") == digests["fit"]


def test_lists_of_mafl_size_are_indexed_in_time(tmp_path: Path) -> None:
    """20,000 images out of 202,599 rows; faces are all large enough here."""
    names = [f"{number:06d}.jpg" for number in range(1, 202600)]
    chosen = random.Random(0).sample(names, 20000)
    write(tmp_path, "MAFL/training.txt", "\n".join(chosen[:19000]))
    write(tmp_path, "MAFL/testing.txt", "\n".join(chosen[19000:]))
    row = "  69 109  106 113   77 142   73 152  108 154"
    for file in (ALIGNED_FILE, WILD_FILE):
        write(tmp_path, file, f"202599\n{COLUMNS}\n" + "".join(f"{name}{row}\n" for name in names), "\n")
    boxes = "".join(f"{name}    95  71 226 313\n" for name in names)
    write(tmp_path, BOX_FILE, f"202599\nimage_id x_1 y_1 width height\n{boxes}", "\n")
    write(tmp_path, SIZE_FILE, "".join(f"{name} 400 300\n" for name in names), "\n")
    for wild in (False, True):
        dataset = Celeba(ALIGNED.args[0], wild, tmp_path)
        start = time.process_time()
        counts = [len(dataset.split(split)) for split in SPLITS]
        assert time.process_time() - start < 2
        assert counts == [19000, 19000, 1000]


@pytest.fixture(scope="module")
def real() -> Celeba:
    if "KEYPOINTS_DATA_ROOT" not in os.environ:
        pytest.skip("KEYPOINTS_DATA_ROOT is not set")
    dataset = ALIGNED(Path(os.environ["KEYPOINTS_DATA_ROOT"]))
    found, message = dataset.annotated()
    if not found:
        pytest.skip(message)
    return dataset


def test_real_faces_follow_their_files(real: Celeba) -> None:
    rows = {}
    for line in real._landmark_file.read_text().splitlines()[2:]:
        name, *numbers = line.split()
        rows[name] = np.array([int(number) for number in numbers], dtype=float).reshape(5, 2)
    assert (len(real.split("fit")), len(real.split("test"))) == (19000, 1000)
    assert not set(real.split("fit")) & set(real.split("test"))
    for split, file in LISTS.items():
        assert list(real.split(split)) == (real.folder / "MAFL" / file).read_text().split()
        for name in real.split(split):
            np.testing.assert_allclose(real.annotation(name).landmarks * (178, 218), rows[name], rtol=0, atol=1e-11)


def test_real_digests_are_those_of_the_card(real: Celeba) -> None:
    assert set(real.card.digests) == {"fit", "regress", "test"}
    assert {name: real.digest(name) for name in real.card.digests} == real.card.digests


def test_floors_of_real_faces(real: Celeba) -> None:
    """The mean face of the 19,000, and the centre of the image, in % of the inter-ocular distance of the 1,000."""
    fit, test = (
        np.array([real.annotation(name).landmarks for name in real.split(split)]) for split in ("regress", "test")
    )
    eyes = np.linalg.norm(test[:, 0] - test[:, 1], axis=1)

    def error(constant: np.ndarray) -> float:
        return 100 * float((np.linalg.norm(test - constant, axis=2).mean(axis=1) / eyes).mean())

    assert error(fit.mean(axis=0)) == pytest.approx(8.43, abs=0.005)
    assert error(np.full((5, 2), 0.5)) == pytest.approx(73.56, abs=0.005)
