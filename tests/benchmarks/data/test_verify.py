"""``data verify``: sound data passes, and everything broken is found."""

import re
import shutil
import threading

import h5py
import numpy as np
import pytest

from benchmarks.data.verify import Verification, verify
from benchmarks.errors import UserError
from benchmarks.registry import open_dataset
from datasets.base import Annotation, DatasetError, Split
from tests.benchmarks.data import toys as data_toys
from tests.benchmarks.data.toys import check

pytestmark = pytest.mark.usefixtures("own_cache")


def damage(path):
    path.write_bytes(path.read_bytes()[:-300])


def test_a_sound_dataset(root, capsys, decoded):
    status, text = check(capsys, root)
    assert status == 0
    dataset = open_dataset("toy_photos", root)
    digests = {split: dataset.digest(split) for split in ("fit", "regress", "test")}
    assert text.splitlines() == [
        "toy_photos",
        f"  fit      3 images, digest {digests['fit']}, no reference to compare with",
        f"  regress  3 images, digest {digests['regress']}, no reference to compare with",
        f"  test     2 images, digest {digests['test']}, no reference to compare with",
        "  images   5 of 5 decode, 0 of them verified before",
        "  no problems",
    ]
    assert sorted(decoded) == [f"0000{index}" for index in range(5)]  # each once, though fit and regress share them


def test_broken_images_are_all_found_and_are_never_remembered(root, capsys, decoded):
    damage(root / "photos/img/00001.png")
    (root / "photos/img/00004.png").unlink()
    for _ in range(2):
        decoded.clear()
        status, text = check(capsys, root)
        assert status == 1
        assert "  2 problems\n    00001: cannot read image" in text
        assert f"    00004: cannot read image {root}/photos/img/00004.png: " in text
        assert "3 of 5 decode" in text
    assert sorted(decoded) == ["00001", "00004"]


def test_any_exception_of_a_decoder_is_a_problem_of_that_image(root, capsys, monkeypatch):
    def image(self, image_id, size):
        if image_id == "00002":
            raise RuntimeError("no such\ntile")
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(data_toys.Photos, "image", image)
    status, text = check(capsys, root)
    assert (status, text.splitlines()[-1]) == (1, "    00002: RuntimeError: no such tile")


def test_the_first_twenty_problems_are_shown_and_all_are_written(tmp_path, monkeypatch, capsys):
    counts: dict[Split, int] = {"fit": 26, "regress": 26, "test": 1}
    data_toys.register(monkeypatch, "toy_photos", counts=counts)
    folder = data_toys.write_photos(tmp_path, counts)
    for index in range(25):
        (folder / "img" / f"{index:05d}.png").write_bytes(b"")
    status, text = check(capsys, tmp_path, output=tmp_path / "problems.txt")
    assert status == 1
    assert text.count("cannot read image") == 20
    assert text.splitlines()[-1] == "    and 5 more; --output FILE writes them all"
    written = (tmp_path / "problems.txt").read_text().splitlines()
    assert len(written) == 25
    assert all(re.match(r"toy_photos\t000\d\d: cannot read image", line) for line in written)


def test_digests_are_compared_with_the_reference(root, capsys, monkeypatch):
    digest = open_dataset("toy_photos", root).digest("fit")
    data_toys.register(monkeypatch, "toy_photos", digests={"fit": digest, "test": "f" * 64})
    status, text = check(capsys, root)
    assert status == 1
    assert f"digest {digest}, equal to the reference" in text
    assert text.count("no reference to compare with") == 1
    assert re.search(r"1 problem\n    test: digest [0-9a-f]{64} differs from the reference f{64}: ", text)


def test_broken_and_missing_annotations_of_one_split_leave_the_others_to_verify(root, capsys):
    (root / "photos/fit.txt").write_text("00000\n")
    status, text = check(capsys, root)
    assert status == 1
    assert f"    fit: {root}/photos/fit.txt, line 1: expected a name and a number" in text
    assert "2 of 2 decode" in text
    (root / "photos/fit.txt").unlink()
    shutil.rmtree(root / "photos/img")
    status, text = check(capsys, root)
    assert status == 1
    assert f"    fit: toy_photos: no {root}/photos/fit.txt; make them" in text
    assert f"    images are missing: no {root}/photos/img;" in text


def test_a_wrong_count_is_a_problem_that_names_both_numbers(root, capsys):
    (root / "photos/test.txt").write_text("00003 0.25\n")
    status, text = check(capsys, root)
    assert status == 1
    assert "split 'test' has 1 images, expected 2" in text


def test_without_images_the_annotations_are_verified_and_it_is_said(root, capsys):
    shutil.rmtree(root / "photos/img")
    status, text = check(capsys, root)
    assert status == 1
    assert "  images   none decoded; 5 of 5 annotations read" in text
    assert f"images are missing: no {root}/photos/img; --annotations-only verifies all that scoring needs" in text
    status, text = check(capsys, root, annotations_only=True)
    assert status == 0
    assert text.endswith("  images   none decoded; 5 of 5 annotations read\n  no problems\n")


def test_nothing_at_all_is_a_problem_with_a_root_and_a_mistake_without(tmp_path, capsys, monkeypatch):
    data_toys.register(monkeypatch, "toy_photos")
    status, text = check(capsys, tmp_path)
    assert status == 1
    assert "1 problem\n    toy_photos: no " in text
    with pytest.raises(UserError, match="toy_photos: no data root is set; make them"):
        verify(["toy_photos"], None, Verification())
    with pytest.raises(UserError, match="unknown dataset 'toy_foto'"):
        verify(["toy_foto"], tmp_path, Verification())


class Lazy(data_toys.Photos):
    """Reads an annotation only when asked; one file is broken, and one has a landmark too many."""

    def annotation(self, image_id):
        if image_id == "00001":
            raise DatasetError(f"{self.folder}/00001.mat: no key 'joints'; get it again")
        return Annotation(np.full((2 if image_id == "00004" else 1, 2), 0.5), np.ones(1, bool), "a")


@pytest.mark.parametrize("annotations_only", [True, False])
def test_annotations_that_are_read_when_asked_for_are_read(root, capsys, monkeypatch, annotations_only):
    data_toys.register(monkeypatch, "toy_lazy", Lazy)
    status, text = check(capsys, root, "toy_lazy", annotations_only=annotations_only)
    assert status == 1
    assert "  2 problems\n" in text
    assert f"    00001: {root}/photos/00001.mat: no key 'joints'; get it again" in text
    assert "    00004: got landmarks and visible of shapes ((2, 2), (1,)), expected those of 1 landmarks" in text


def test_images_in_one_hdf5_file(root, capsys, monkeypatch, decoded):
    data_toys.register(monkeypatch, "toy_stack", data_toys.Stack)
    with h5py.File(root / "photos/stack.h5", "w") as file:
        file["img"] = np.zeros((5, 16, 16, 3), np.uint8)
    assert check(capsys, root, "toy_stack") == (0, verify_lines(root, "toy_stack", 0))
    assert check(capsys, root, "toy_stack") == (0, verify_lines(root, "toy_stack", 5))
    with h5py.File(root / "photos/stack.h5", "w") as file:
        file["img"] = np.zeros((4, 16, 16, 3), np.uint8)
    status, text = check(capsys, root, "toy_stack")
    assert status == 1
    assert "1 problem\n    00004: " in text


def verify_lines(root, name, before):
    dataset = open_dataset(name, root)
    lines = [f"{name}"]
    for split, count in data_toys.COUNTS.items():
        said = f"{count} images, digest {dataset.digest(split)}, no reference to compare with"
        lines.append(f"  {split:<7}  {said}")
    return "\n".join([*lines, f"  images   5 of 5 decode, {before} of them verified before", "  no problems", ""])


def test_several_datasets_one_after_the_other(root, capsys):
    status, text = check(capsys, root, "toy_photos", "mini_cub_001", "toy_photos")
    assert status == 0
    assert re.findall(r"^\w+", text, re.M) == ["toy_photos", "mini_cub_001"]
    assert "130 of 130 decode" in text


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_threads_as_there_are_workers(root, capsys, monkeypatch, workers):
    names, both = set(), threading.Barrier(workers, timeout=10)

    def image(self, image_id, size):
        if image_id < f"{workers:05d}":
            both.wait()
        names.add(threading.current_thread().name)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(data_toys.Photos, "image", image)
    assert check(capsys, root, workers=workers)[0] == 0
    assert len(names) == workers
    assert not [thread for thread in threading.enumerate() if thread.name in names]
