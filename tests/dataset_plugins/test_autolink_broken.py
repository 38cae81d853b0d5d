"""The readers of AutoLink's HDF5 files on broken files: each fault is one line that names the file and the key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from datasets.autolink import CELEBA_WILD, CUB_ALL, AutoLink
from datasets.base import SPLITS, DatasetError
from tests.dataset_plugins.test_autolink import Arrays, birds, faces, save, small


def change(key: str, edit: Callable[[np.ndarray], Any]) -> Callable[[Arrays], object]:
    def apply(arrays: Arrays) -> None:
        arrays[key] = edit(arrays[key])

    return apply


def without(key: str) -> Callable[[Arrays], object]:
    def apply(arrays: Arrays) -> None:
        del arrays[key]

    return apply


def not_finite(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[1, 2] = np.nan
    return array


L, K = "mafl_train_landmark", "train_kp"
BROKEN: dict[str, tuple[partial[AutoLink], Callable[[Arrays], object], tuple[str, ...]]] = {
    "no images": (CELEBA_WILD, without("mafl_train_img"), ("'mafl_train_img'", "only ", "(N, 3, 128, 128)")),
    "no landmarks": (CELEBA_WILD, without(L), (f"'{L}'", "only ", "(N, 5, 2)")),
    "no parts": (CUB_ALL, without(K), (f"'{K}'", "(N, 15, 2)")),
    "no visibility": (CUB_ALL, without("train_vis"), ("'train_vis'", "(N, 15)")),
    "channels last": (
        *(CUB_ALL, change("train_img", lambda a: np.moveaxis(a, 1, 3))),
        ("'train_img'", "(8, 128, 128, 3)", "(N, 3, 128, 128)"),
    ),
    "other size": (CUB_ALL, change("train_img", lambda a: a[..., ::2, ::2]), ("'train_img'", "(8, 3, 64, 64)")),
    "images as floats": (
        *(CUB_ALL, change("train_img", lambda a: (a / 255).astype(np.float32))),
        ("'train_img'", "float32", "uint8"),
    ),
    "four landmarks": (CELEBA_WILD, change(L, lambda a: a[:, :4]), (f"'{L}'", "(7, 4, 2)", "(N, 5, 2)")),
    "flat landmarks": (CELEBA_WILD, change(L, lambda a: a.reshape(7, 10)), (f"'{L}'", "(7, 10)", "(N, 5, 2)")),
    "landmarks as text": (CELEBA_WILD, change(L, lambda a: a.astype("S8")), (f"'{L}'", "|S8", "floating")),
    "a row too few": (CELEBA_WILD, change(L, lambda a: a[1:]), (f"'{L}'", "7 images, 6 landmarks")),
    "visibility too long": (
        *(CUB_ALL, change("train_vis", lambda a: np.concatenate([a, a]))),
        (f"'{K}'", "16 rows of visibility"),
    ),
    "visibility of 255": (CUB_ALL, change("train_vis", lambda a: a * 255), ("'train_vis'", "255", "0 or 1")),
    "visibility as floats": (CUB_ALL, change("train_vis", lambda a: a.astype(float)), ("'train_vis'", "float64")),
    "faces in [0, 1]": (CELEBA_WILD, change(L, lambda a: a / 128), (f"'{L}'", "side 128")),
    "birds in pixels": (CUB_ALL, change(K, lambda a: a * 128), (f"'{K}'", "side 1")),
    "not finite": (CELEBA_WILD, change(L, not_finite), (f"'{L}'", "nan")),
    "another count": (
        *(CELEBA_WILD, lambda arrays: arrays.update({key: arrays[key][:5] for key in (L, "mafl_train_img")})),
        ("'regress' has 5 images, expected 7",),
    ),
    "nothing": (CUB_ALL, dict.clear, ("'train_img'", "only nothing")),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_array_is_an_error_of_one_line_that_names_file_and_key(tmp_path: Path, case: str) -> None:
    factory, damage, said = BROKEN[case]
    path = tmp_path / factory.args[1]
    arrays = faces() if factory is CELEBA_WILD else birds()
    damage(arrays)
    save(path, arrays)
    with pytest.raises(DatasetError) as error:
        small(factory, tmp_path).split("regress")
    message = str(error.value)
    assert "\n" not in message and str(path if "count" not in case else tmp_path) in message
    assert factory(None).card.how_to_get in message
    for part in said:
        assert part in message


def test_ganseg_file_is_refused_for_every_split(tmp_path: Path) -> None:
    arrays = {key: array for key, array in birds().items() if key in ("train_img", "test_img")}
    save(tmp_path / "cub.h5", arrays | {f"{part}_seg": np.zeros((3, 128, 128), np.uint8) for part in ("train", "test")})
    for split in SPLITS:
        with pytest.raises(DatasetError, match="GANSeg's file of the same name"):
            small(CUB_ALL, tmp_path).split(split)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def quota_page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><title>Quota exceeded</title>")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [half, quota_page, empty])
def test_a_file_that_is_no_hdf5_is_an_error_that_names_it(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = save(tmp_path / "cub.h5", birds())
    damage(path)
    with pytest.raises(DatasetError, match=f"cannot read {path}: ") as error:
        small(CUB_ALL, tmp_path).split("test")
    assert "\n" not in str(error.value)


def test_a_group_in_place_of_an_array_is_an_error(tmp_path: Path) -> None:
    with h5py.File(save(tmp_path / "cub.h5", birds()), "a") as file:
        del file["test_img"]
        file.create_group("test_img")
    with pytest.raises(DatasetError, match="key 'test_img': got a group"):
        small(CUB_ALL, tmp_path).split("test")


def test_a_damaged_block_is_an_error_that_names_its_key(tmp_path: Path) -> None:
    path = save(tmp_path / "cub.h5", birds(), chunks=True, fletcher32=True)
    with h5py.File(path) as file:
        block = file["test_img"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[block.byte_offset + 5] ^= 255
    path.write_bytes(content)
    dataset = small(CUB_ALL, tmp_path)
    assert dataset.annotation("test/00000").visible.any(), "landmarks are whole"
    with pytest.raises(DatasetError, match="key 'test_img': got unreadable data") as error:
        dataset.image("test/00000", 32)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_an_absent_file_or_image_is_an_error(tmp_path: Path) -> None:
    dataset = small(CELEBA_WILD, tmp_path)
    found, message = dataset.available()
    assert not found and str(tmp_path / "celeba_wild.h5") in message and "GANSeg" in message
    with pytest.raises(DatasetError, match=r"celeba_wild\.h5"):
        dataset.split("test")
    assert not CUB_ALL(None).annotated()[0]
    save(tmp_path / "celeba_wild.h5", faces())
    for image_id in ("mafl_test/00004", "mafl_test/4", "nothing"):
        with pytest.raises(DatasetError, match=f"'{image_id}'"):
            dataset.image(image_id, 8)
