"""Data that asks for far more memory than it has bytes: one line that names the file, and how to raise the limit."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets import limits
from datasets.base import DatasetError
from datasets.coco import Coco
from datasets.cub_cmr import _read_birds
from datasets.dlc import open_dlc
from datasets.folder import Folder
from datasets.human36m_unaligned import read_take
from datasets.photos import look, read_photo
from datasets.reading.frames import read_frame
from datasets.text import read_json, read_lines
from tests.custom_data import coco, photo, write_coco, write_dlc
from tests.dataset_plugins.reading.frame_files import (
    COLUMNS,
    BlockManager,
    DataFrame,
    Index,
    RangeIndex,
    objects,
    old_frame,
    old_pickle,
)
from tests.dataset_plugins.test_autolink import faces, save, small
from tests.methods.adapters.test_bounds import START, nested, packed


def plain(path: Path, side: int) -> Path:
    """A black image, which packs to few bytes."""
    Image.new("1", (side, side)).save(path)
    return path


def test_a_small_file_of_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "a.png", 13_300)
    assert path.stat().st_size < 22_000
    for read in (look, read_photo):
        with pytest.raises(DatasetError) as raised:
            read(path)
        message = str(raised.value)
        assert "got 13300 x 13300 pixels, expected at most 134 million" in message
        assert message.endswith("make it smaller, with its annotations, or set KEYPOINTS_LIMITS=2")
    monkeypatch.setenv("KEYPOINTS_LIMITS", "2")
    assert look(path).stored == (13_300, 13_300)


def test_a_folder_leaves_such_an_image_out(tmp_path: Path) -> None:
    for number in range(3):
        photo(tmp_path / f"{number}.png", (number, 3))
    plain(tmp_path / "z.png", 13_300)
    (remark,) = [each for each in Folder(tmp_path).card.remarks if "cannot be used" in each]
    assert "that cannot be used: 1 (first z.png: cannot read image" in remark and "KEYPOINTS_LIMITS=2" in remark


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "1"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_turned_image_with_transparency_is_what_its_parts_are(tmp_path: Path, mode: str, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 4), np.uint8)
    stored = Image.fromarray(pixels, "RGBA").convert(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    seen = stored.convert("RGBA" if mode in ("RGBA", "LA") else "RGB")
    expected = np.asarray(seen, np.float64)
    if expected.shape[2] == 4:
        opacity = expected[..., 3:] / 255
        expected = expected[..., :3] * opacity + 128 * (1 - opacity)
    if orientation == 6:
        expected = np.rot90(expected, -1)
    np.testing.assert_allclose(np.asarray(read_photo(tmp_path / "a.png", upright=True)), expected, atol=1)


@pytest.mark.parametrize("name", ["limit", "factor"])
def test_a_json_of_many_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + "[]," * 99_999 + "[]]")
    monkeypatch.setattr(limits, "JSON_BYTES", 5 << 20)
    if name == "factor":
        monkeypatch.setenv("KEYPOINTS_LIMITS", "3")
        assert len(read_json(path, "a list")) == 100_000
        return
    for read in (lambda: read_json(path, "a list"), lambda: Coco(path).card):
        with pytest.raises(DatasetError, match=r"a.json: takes [\d,]+ bytes in memory, as est.*KEYPOINTS_LIMITS=3"):
            read()


def test_a_file_name_of_many_folders(tmp_path: Path) -> None:
    document = coco()
    path = write_coco(tmp_path / "birds.json", document)
    document["images"][2]["file_name"] = "/a" * 200_000 + ".png"
    path.write_text(json.dumps(document))
    (remark,) = [each for each in Coco(path).card.remarks if "cannot be used" in each]
    assert "image 2, file_name: got 400004 characters, expected at most 4096" in remark


@pytest.mark.parametrize("name", ["../photos/2.png", "absolute"])
def test_an_image_out_of_the_folder_is_used_and_said(tmp_path: Path, name: str) -> None:
    document = coco()
    path = write_coco(tmp_path / "labels" / "birds.json", document)
    photo(tmp_path / "photos" / "2.png", (22, 10))
    document["images"][2]["file_name"] = str(tmp_path / "photos" / "2.png") if name == "absolute" else name
    path.write_text(json.dumps(document))
    named = document["images"][2]["file_name"]
    assert f"images named by paths out of the json's folder: 1 (first {named})" in Coco(path).card.remarks


def test_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x0c" * (25 << 20))
    with pytest.raises(DatasetError, match="has 26,214,400 bytes, expected at most 25,165,824"):
        read_lines(tmp_path / "a.txt")


def test_a_pickle_that_is_too_large_or_repeats_its_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x03" + b"]" * (1 << 24) + b".")
    with pytest.raises(DatasetError, match="has 16,777,219 bytes, expected at most 16,777,216"):
        read_frame(tmp_path / "a.pkl")
    (tmp_path / "b.pkl").write_bytes(old_pickle(old_frame(COLUMNS)))
    assert list(read_frame(tmp_path / "b.pkl")) == list(COLUMNS)
    shared, names = objects([None] * 1000, (1, 1000)), [f"c{number}" for number in range(50)]
    axes = [Index(data=objects(names), name=None), RangeIndex(start=0, stop=1000, step=1, name=None)]
    blocks = [{"values": shared, "mgr_locs": slice(number, number + 1, 1)} for number in range(50)]
    manager = BlockManager(axes, [], [], {"0.14.1": {"axes": axes, "blocks": blocks}})
    (tmp_path / "c.pkl").write_bytes(old_pickle(DataFrame(_data=manager, _typ="dataframe", _metadata=[])))
    with pytest.raises(DatasetError, match="has more values than the file has bytes"):
        read_frame(tmp_path / "c.pkl")


def test_labels_of_many_parts_in_one_video_and_of_many_frames_in_another(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data"
    parts = ["nose", *(f"part {number}" for number in range(7000))]
    write_dlc(folder / "a", {"0.png": ",".join(["5,6"] * len(parts))}, parts)
    write_dlc(folder / "b", {f"{number}.png": f"{5 + number % 50},6" for number in range(5)}, ["nose"])
    heading = (folder / "b" / "CollectedData_me.csv").read_text().splitlines()[:3]
    lines = [f"labeled-data/b/{number}.png,5,6" for number in range(5000)]
    (folder / "b" / "CollectedData_me.csv").write_text("\n".join([*heading, *lines]))
    with pytest.raises(DatasetError, match=r"takes 560,192,016 bytes of labels in memory"):
        _ = open_dlc(str(tmp_path)).card


def test_an_h5_file_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "annot.h5", "w") as file:
        file.create_dataset("pose/2d", (10**8, 32, 2), "f8", chunks=True)
    with pytest.raises(DatasetError, match="takes 51,200,000,000 bytes in memory"):
        read_take(tmp_path / "annot.h5")
    from datasets.autolink import CELEBA_WILD

    path = save(tmp_path / "celeba_wild.h5", faces())
    with h5py.File(path, "r+") as file:
        del file["mafl_test_img"], file["mafl_train_landmark"]
        file.create_dataset("mafl_test_img", (10**9, 3, 128, 128), "u1", chunks=True)
        file.create_dataset("mafl_train_landmark", (10**9, 5, 2), "f4", chunks=True)
    dataset = small(CELEBA_WILD, tmp_path)
    with pytest.raises(DatasetError, match="key 'mafl_test_img': takes 80,000,000,000 bytes of landmarks in memory"):
        dataset.table("test")
    with pytest.raises(DatasetError, match="key 'mafl_train_landmark': takes 80,000,000,000 bytes in memory"):
        dataset.table("regress")


def test_cells_within_cells_of_the_list_of_birds(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(START + packed(nested(5_000, b"images")))
    with pytest.raises(DatasetError, match="has 65 values within each other, expected at most 64"):
        _read_birds(tmp_path / "a.mat", ("001.",))
    claims = zlib.compress(b"\0" * 100)
    (tmp_path / "b.mat").write_bytes(START + struct.pack("<II", 15, len(claims)) + claims)
    with pytest.raises(DatasetError, match="cannot be read as a MATLAB file"):
        _read_birds(tmp_path / "b.mat", ("001.",))
