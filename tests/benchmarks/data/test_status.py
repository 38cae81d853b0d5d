"""``data status`` and ``data describe``: what is found, what is missing, and where it was looked for."""

import json
import re
import shutil

import pytest

from benchmarks.data.card import description
from benchmarks.data.status import status
from benchmarks.errors import UserError
from datasets import DATASETS
from tests.benchmarks.data import toys as data_toys


@pytest.fixture(autouse=True)
def photos(monkeypatch):
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
    data_toys.register(monkeypatch, "toy_photos", digests={"fit": "0" * 64})


def row(root, name="toy_photos"):
    return next(each for each in json.loads(status([name], root, "json"))["datasets"] if each["name"] == name)


def test_every_state_of_annotations_and_images(tmp_path):
    folder = data_toys.write_photos(tmp_path)
    expected = {"annotations": "found", "images": "found", "lacks": "", "counts": {"fit": 3, "regress": 3, "test": 2}}
    assert expected.items() <= row(tmp_path).items()
    shutil.rmtree(folder / "img")
    expected = {"annotations": "found", "images": "missing", "lacks": f"no {folder}/img"}
    assert expected.items() <= row(tmp_path).items()
    (folder / "fit.txt").unlink()
    expected = {"annotations": "test", "images": "missing", "lacks": f"no {folder}/fit.txt and 1 more"}
    assert expected.items() <= row(tmp_path).items()
    (folder / "test.txt").unlink()
    expected = {"annotations": "missing", "lacks": f"no {folder}/fit.txt and 2 more"}
    assert expected.items() <= row(tmp_path).items()


def test_a_folder_without_images_holds_none(tmp_path):
    folder = data_toys.write_photos(tmp_path)
    shutil.rmtree(folder / "img")
    (folder / "img").mkdir()
    expected = {"annotations": "found", "images": "missing", "lacks": f"no {folder}/img/*"}
    assert expected.items() <= row(tmp_path).items()


class Partial(data_toys.Photos):
    """All of its files are there, but not all that they should list."""

    def annotated(self):
        return False, f"{self.card.id}: fit.txt lists no class 4; make them"

    available = annotated


def test_files_that_are_there_but_not_whole_are_no_annotations(tmp_path, monkeypatch):
    data_toys.register(monkeypatch, "toy_partial", Partial)
    data_toys.write_photos(tmp_path)
    expected = {"annotations": "missing", "images": "found", "lacks": "fit.txt lists no class 4"}
    assert expected.items() <= row(tmp_path, "toy_partial").items()


def test_the_table_has_a_row_for_each_real_dataset_and_says_where_it_looked(tmp_path, monkeypatch):
    data_toys.write_photos(tmp_path)
    text = status([], tmp_path)
    assert text.startswith(f"data root {tmp_path} (from --data-root)\n")
    shown = {line.split()[0] for line in text.splitlines() if line and not line[0].isdigit()}
    real = {name for name in DATASETS if not name.startswith("mini_")}
    assert real | {"toy_photos"} <= shown
    assert not shown & (DATASETS.keys() - real)
    assert f"{len(DATASETS) - len(real)} mini datasets are rendered when needed" in text
    monkeypatch.setenv("KEYPOINTS_DATA_ROOT", str(tmp_path))
    assert status([], None).startswith(f"data root {tmp_path} (from KEYPOINTS_DATA_ROOT)\n")


def test_without_a_data_root_it_says_so_and_what_is_expected():
    text = status(["toy_photos", "mini_cub_001"], None)
    assert text.startswith("no data root: no --data-root and no KEYPOINTS_DATA_ROOT\n")
    assert "toy_photos    missing      missing  3    3        2" in text
    assert "mini_cub_001  found        found    30   30       100" in text


def test_own_data_that_is_missing_is_said_without_a_data_root_too(tmp_path):
    text = status([f"coco:{tmp_path}/none.json"], None)
    assert re.search(rf"missing +missing .*{tmp_path}/none.json", text)


def test_a_dataset_that_cannot_be_loaded_does_not_hide_the_others(monkeypatch):
    from benchmarks.registry import DATASETS, Entry

    monkeypatch.setitem(DATASETS.entries, "toy_gone", Entry("toy_gone", "no_such_module:X", "", "the tests"))
    assert "cannot be loaded from no_such_module:X" in row(None, "toy_gone")["lacks"]
    assert row(None)["counts"]["fit"] == 3


def test_an_unknown_name_and_a_missing_root_are_mistakes(tmp_path):
    with pytest.raises(UserError, match="unknown dataset 'toy_photo'; did you mean 'toy_photos'"):
        status(["toy_photo"], None)
    with pytest.raises(UserError, match="data root .*/nowhere .* is not a folder"):
        status([], tmp_path / "nowhere")


def test_status_reads_neither_annotations_nor_images(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("status has to be quick")

    data_toys.write_photos(tmp_path)
    for name in ("read", "image", "split", "digest"):
        monkeypatch.setattr(data_toys.Photos, name, refuse)
    assert row(tmp_path)["annotations"] == "found"


def test_describe_has_all_of_the_card(tmp_path):
    data_toys.write_photos(tmp_path)
    text = description("toy_photos", tmp_path)
    for content in (
        "dataset toy_photos\n  title          Toy photographs",
        "found          annotations found, images found\n",
        "images         fit 3, regress 3, test 2",
        "landmarks      1: nose",
        "licence        none needed",
        "citation       none",
        "how to get it  make them",
        f"digest of fit  {'0' * 64} (reference)",
        "remarks\n  - They are noise.",
        f"files expected under the data root {tmp_path}\n  photos/\n    {{fit,test}}.txt\n    img/00000.png ...",
    ):
        assert content in text, content
    assert "download" not in text
    assert "files expected under the data root, which is not set" in description("toy_photos", None)


def test_describe_names_the_download_where_there_is_one(monkeypatch):
    data_toys.register(monkeypatch, "toy_free", archive=data_toys.archive("https://example.org/photos.tgz", "0" * 64))
    text = description("toy_free", None)
    assert "python -m benchmarks data fetch toy_free downloads https://example.org/photos.tgz" in text


def test_describe_refuses_an_unknown_name():
    with pytest.raises(UserError, match="unknown dataset 'toy_fotos'; did you mean 'toy_photos'"):
        description("toy_fotos", None)
