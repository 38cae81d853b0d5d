"""The readers of AutoLink's HDF5 files on small files of their layout, whole and broken."""

from __future__ import annotations

import multiprocessing
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets import celeba
from datasets.autolink import CELEBA_WILD, CUB_001, CUB_002, CUB_003, CUB_ALL, AutoLink
from datasets.base import SPLITS, DatasetError, Split

FACES: dict[str, int] = {"train": 9, "mafl_train": 7, "mafl_test": 4}
BIRDS: dict[str, int] = {"train": 8, "val": 3, "test": 5, "test001": 2, "test002": 3, "test003": 4}
BIRD_FACTORIES = {"test": CUB_ALL, "test001": CUB_001, "test002": CUB_002, "test003": CUB_003}
Arrays = dict[str, np.ndarray]


def faces() -> Arrays:
    """The arrays of celeba_wild.h5, landmarks (y, x) from 0 to 128."""
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for part, count in FACES.items():
        arrays[f"{part}_img"] = random.integers(0, 256, (count, 3, 128, 128), dtype=np.uint8)
        arrays[f"{part}_landmark"] = random.uniform(-3, 131, (count, 5, 2)).astype(np.float32)
    return arrays


def birds() -> Arrays:
    """The arrays of cub.h5, parts (y, x) in [0, 1] and anything where they are not visible."""
    random = np.random.default_rng(1)
    arrays: Arrays = {}
    for part, count in BIRDS.items():
        visible = random.random((count, 15)) < 0.8
        place = np.where(visible[..., None], random.uniform(0, 1, (count, 15, 2)), -9.5)
        arrays[f"{part}_img"] = random.integers(0, 256, (count, 3, 128, 128), dtype=np.uint8)
        arrays[f"{part}_kp"], arrays[f"{part}_vis"] = place.astype(np.float32), visible.astype(np.uint8)
    return arrays


def save(path: Path, arrays: Arrays, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file.create_dataset(key, data=array, **options)
    return path


def small(factory: partial[AutoLink], root: Path, **counts: int) -> AutoLink:
    """The dataset with the counts of the files of this module."""
    dataset = factory(root)
    sizes = FACES if factory is CELEBA_WILD else BIRDS
    expected = {split: sizes[part] for split, part in factory.args[2].items()} | counts
    dataset.card = dataset.card.model_copy(update={"counts": expected})
    return dataset


def same_image(dataset: AutoLink, image_id: str, pixels: np.ndarray) -> bool:
    """Whether an image, as it is and at another size, is that of (3, 128, 128) pixels."""
    photo = Image.fromarray(np.moveaxis(pixels, 0, 2).copy())
    smaller = np.asarray(photo.resize((50, 50), Image.Resampling.BILINEAR))
    return bool((dataset.image(image_id, 128) == photo).all() and (dataset.image(image_id, 50) == smaller).all())


def test_faces_follow_their_file(tmp_path: Path) -> None:
    arrays = faces()
    save(tmp_path / "celeba_wild.h5", arrays)
    dataset = small(CELEBA_WILD, tmp_path)
    assert (dataset.annotated(), dataset.available()) == ((True, ""), (True, ""))
    parts: dict[Split, str] = {"fit": "train", "regress": "mafl_train", "test": "mafl_test"}
    for split, part in parts.items():
        assert dataset.split(split) == tuple(f"{part}/{row:05d}" for row in range(FACES[part]))
        for row, image_id in enumerate(dataset.split(split)):
            annotation = dataset.annotation(image_id)
            for landmark in range(5):
                y, x = map(float, arrays[f"{part}_landmark"][row, landmark])
                assert annotation.landmarks[landmark].tolist() == [x / 128, y / 128]
            assert annotation.visible.all() and annotation.group == image_id
            assert same_image(dataset, image_id, arrays[f"{part}_img"][row])


@pytest.mark.parametrize("part", BIRD_FACTORIES)
def test_birds_follow_their_file(tmp_path: Path, part: str) -> None:
    arrays = birds()
    save(tmp_path / "cub.h5", arrays)
    dataset = small(BIRD_FACTORIES[part], tmp_path)
    assert dataset.split("fit") == dataset.split("regress") == tuple(f"train/{row:05d}" for row in range(8))
    assert dataset.split("test") == tuple(f"{part}/{row:05d}" for row in range(BIRDS[part]))
    seen = 0
    for image_id in (*dataset.split("fit"), *dataset.split("test")):
        source, row = image_id.split("/")
        annotation = dataset.annotation(image_id)
        for index in range(15):
            assert annotation.visible[index] == (arrays[f"{source}_vis"][int(row), index] == 1)
            if annotation.visible[index]:
                y, x = map(float, arrays[f"{source}_kp"][int(row), index])
                assert annotation.landmarks[index].tolist() == [x, y]
                seen += 1
        assert same_image(dataset, image_id, arrays[f"{source}_img"][int(row)])
    assert seen > 100


def test_cards_have_the_published_counts() -> None:
    assert CELEBA_WILD(None).card.counts == {"fit": 45609, "regress": 5379, "test": 283}
    for factory, count in ((CUB_ALL, 2874), (CUB_001, 30), (CUB_002, 30), (CUB_003, 28)):
        assert factory(None).card.counts == {"fit": 5964, "regress": 5964, "test": count}


@pytest.mark.parametrize(
    ("factory", "split"), [(CELEBA_WILD, "fit"), *((each, "test") for each in BIRD_FACTORIES.values())]
)
def test_what_the_file_holds_counts_where_no_number_was_published(
    tmp_path: Path, factory: partial[AutoLink], split: Split
) -> None:
    uncounted = factory is not CUB_ALL
    part = factory.args[2][split]
    save(tmp_path / "cub.h5", birds())
    save(tmp_path / "celeba_wild.h5", faces())
    dataset = small(factory, tmp_path, **{split: 29})
    if uncounted:
        held = (FACES if factory is CELEBA_WILD else BIRDS)[part]
        assert len(dataset.split(split)) == dataset.card.counts[split] == held != 29
    else:
        with pytest.raises(DatasetError, match="split 'test' has 5 images, expected 29"):
            dataset.split(split)
    for other in set(SPLITS) - {split}:
        with pytest.raises(DatasetError, match=f"split '{other}' has . images, expected 29"):
            small(factory, tmp_path, **{other: 29}).split(other)


def test_a_part_without_images_is_an_error_even_so(tmp_path: Path) -> None:
    arrays = birds()
    for kind in ("img", "kp", "vis"):
        arrays[f"test001_{kind}"] = arrays[f"test001_{kind}"][:0]
    save(tmp_path / "cub.h5", arrays)
    with pytest.raises(DatasetError, match="split 'test' has 0 images, expected 30"):
        CUB_001(tmp_path).split("test")


def test_fit_images_need_no_landmarks(tmp_path: Path) -> None:
    arrays = faces()
    whole = small(CELEBA_WILD, save(tmp_path / "celeba_wild.h5", arrays).parent)
    (tmp_path / "less").mkdir()
    del arrays["train_landmark"]
    less = small(CELEBA_WILD, save(tmp_path / "less/celeba_wild.h5", arrays).parent)
    assert less.split("fit") == whole.split("fit")
    assert not less.annotation("train/00001").visible.any()
    assert same_image(less, "train/00001", arrays["train_img"][1])
    assert less.digest("test") == whole.digest("test") and less.digest("fit") != whole.digest("fit")


def test_the_file_has_the_landmarks_and_images_of_the_official_tree(tmp_path: Path) -> None:
    """A file made as published, ``(y * 128 / height, x * 128 / width)`` of a squashed image, reads as its sources."""
    folder, random = tmp_path / "celeba", np.random.default_rng(5)
    arrays = faces()
    for name in ("Anno", "MAFL", "Img/img_celeba"):
        (folder / name).mkdir(parents=True)
    rows, counts = [], {"training": 6, "testing": 3}
    for part, (listed, count) in zip(("mafl_train", "mafl_test"), counts.items(), strict=True):
        names = [f"{listed[1]}{row:05d}.jpg" for row in range(count)]
        (folder / f"MAFL/{listed}.txt").write_text("\n".join(names))
        images, landmarks = [], []
        for name in names:
            width, height = random.integers(40, 200, 2).tolist()
            place = random.integers(-10, (width + 10, height + 10), (5, 2))
            rows.append((name, width, height, place))
            Image.effect_noise((width, height), 90).convert("RGB").save(folder / "Img/img_celeba" / name)
            with Image.open(folder / "Img/img_celeba" / name) as photo:
                images.append(np.asarray(photo.resize((128, 128), Image.Resampling.BILINEAR)).transpose(2, 0, 1))
            landmarks.append(np.stack([place[:, 1] * 128 / height, place[:, 0] * 128 / width], axis=1))
        arrays |= {f"{part}_img": np.stack(images), f"{part}_landmark": np.stack(landmarks).astype(np.float32)}
    heads = {"landmarks": "\n" + " ".join(celeba.LANDMARK_COLUMNS), "bbox": "\nx_1 y_1 width height"}
    lines = {
        "landmarks": [f"{name} {' '.join(map(str, place.ravel()))}" for name, _, _, place in rows],
        "bbox": [f"{name} 0 0 {width} {height}" for name, width, height, _ in rows],
    }
    for kind, head in heads.items():
        (folder / f"Anno/list_{kind}_celeba.txt").write_text("\n".join([f"9{head}", *lines[kind]]))
    save(tmp_path / "celeba_wild.h5", arrays)
    card, wild = celeba.WILD.args
    card = card.model_copy(update={"counts": {"fit": 6, "regress": 6, "test": 3}})
    official, file = celeba.Celeba(card, wild, tmp_path), small(CELEBA_WILD, tmp_path, regress=6, test=3)
    for split in SPLITS[1:]:
        for ours, theirs in zip(official.split(split), file.split(split), strict=True):
            first, second = official.annotation(ours).landmarks, file.annotation(theirs).landmarks
            np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-7)
            np.testing.assert_array_equal(official.image(ours, 128), file.image(theirs, 128))


def test_the_file_is_opened_once_and_read_by_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = birds()
    save(tmp_path / "cub.h5", arrays, chunks=True, compression="gzip")
    opened, original = [], h5py.File

    def counted(*args: Any, **options: Any) -> Any:
        opened.append(args)
        return original(*args, **options)

    monkeypatch.setattr(h5py, "File", counted)
    dataset = small(CUB_ALL, tmp_path)
    ids = [*dataset.split("fit"), *dataset.split("test")] * 8
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda image_id: dataset.image(image_id, 128), ids))
    for image_id, image in zip(ids, images, strict=True):
        part, row = image_id.split("/")
        np.testing.assert_array_equal(image, np.moveaxis(arrays[f"{part}_img"][int(row)], 0, 2))
    assert len(opened) == 1


def test_a_forked_process_opens_the_file_for_itself(tmp_path: Path) -> None:
    save(tmp_path / "cub.h5", birds())
    dataset = small(CUB_ALL, tmp_path)
    expected = [dataset.image(image_id, 16).tobytes() for image_id in dataset.split("test")]
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_images, args=(dataset, sender))
    child.start()
    assert receiver.poll(20), "the child process did not answer"
    count, images = receiver.recv()
    child.join()
    assert (count, images) == (2, expected)
    assert dataset.image(dataset.split("test")[0], 16).tobytes() == expected[0]


def _send_images(dataset: AutoLink, sender: Any) -> None:
    images = [dataset.image(image_id, 16).tobytes() for image_id in dataset.split("test")]
    sender.send((len(dataset._opened), images))


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Splits and images of a file of 20 MB, in a tenth of it."""
    arrays = faces() | {"train_img": np.zeros((400, 3, 128, 128), np.uint8)}
    arrays["train_landmark"] = np.full((400, 5, 2), 64, np.float32) * np.linspace(0, 2, 400)[:, None, None]
    save(tmp_path / "celeba_wild.h5", arrays)
    dataset = small(CELEBA_WILD, tmp_path, fit=400)
    dataset.image(dataset.split("test")[0], 64)
    tracemalloc.start()
    for image_id in dataset.split("fit"):
        dataset.image(image_id, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6
