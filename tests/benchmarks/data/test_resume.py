"""``data verify`` again: what was verified is not verified again; and splits of any length."""

import errno
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.verified import Verified
from benchmarks.data.verify import AHEAD, Verification, in_order, verify
from benchmarks.registry import open_dataset
from benchmarks.settings import cache_folder
from datasets.base import Split
from tests.benchmarks.data import toys as data_toys
from tests.benchmarks.data.toys import check

pytestmark = pytest.mark.usefixtures("own_cache")


def test_what_was_verified_is_skipped_until_its_file_changes(root, capsys, decoded):
    check(capsys, root)
    decoded.clear()
    _, text = check(capsys, root)
    assert decoded == []
    assert "5 of 5 decode, 5 of them verified before" in text
    changed = root / "photos/img/00003.png"
    os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    longer = root / "photos/img/00001.png"
    before = longer.stat().st_mtime_ns
    longer.write_bytes(longer.read_bytes() + b"x")
    os.utime(longer, ns=(before, before))
    _, text = check(capsys, root)
    assert sorted(decoded) == ["00001", "00003"]
    decoded.clear()
    (root / "photos/fit.txt").write_text("00000 0.25\n00001 0.25\n00002 0.26\n")  # another digest
    check(capsys, root)
    assert sorted(decoded) == ["00000", "00001", "00002"]


def test_a_corrupt_cache_is_passed_over(root, capsys, decoded, tmp_path):
    cache = tmp_path / "kept"
    check(capsys, root, cache=cache)
    file = cache / "verified/toy_photos.txt"
    lines = file.read_bytes().split()
    assert len(lines) == 5
    file.write_bytes(b"\x00\xff nonsense\n" + lines[0] + b"\n" + b"z" * 32 + b"\n" + lines[1] + b"\n" + lines[2][:9])
    decoded.clear()
    status, text = check(capsys, root, cache=cache)
    assert (status, len(decoded)) == (0, 3)
    assert "2 of them verified before" in text
    decoded.clear()
    check(capsys, root, cache=cache)
    assert decoded == []  # what follows a line that was broken off is whole again


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path, root, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    check(capsys, root)
    assert (tmp_path / "xdg/keypoint-benchmarks/verified/toy_photos.txt").exists()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert str(tmp_path / "home") in str(cache_folder()) or sys.platform == "win32"


def test_without_a_cache_that_can_be_written_all_is_verified_and_a_line_says_so(root, capsys, decoded, tmp_path):
    (tmp_path / "file").write_text("")
    assert verify(["toy_photos"], root, Verification(cache=tmp_path / "file")) == 0
    printed = capsys.readouterr()
    assert len(decoded) == 5
    assert "5 of 5 decode, 0 of them verified before" in printed.out
    assert re.search(r"not remembered: cannot write .*file/verified/toy_photos.txt: .*; name another", printed.err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_up_ends_the_remembering_alone(tmp_path, capsys):
    with Verified(tmp_path, "toy") as verified:
        verified.add("0" * 32)
        assert verified._file is not None
        os.dup2(os.open("/dev/full", os.O_WRONLY), verified._file.fileno())
        verified.add("1" * 32)
        verified.add("2" * 32)
        assert "2" * 32 in verified
    assert capsys.readouterr().err.count("No space left on device") == 1
    with Verified(tmp_path, "toy") as verified:
        assert "0" * 32 in verified and "1" * 32 not in verified


def test_a_cache_that_can_only_be_read_is_read(root, capsys, decoded, tmp_path, monkeypatch):
    check(capsys, root, cache=tmp_path / "kept")
    decoded.clear()

    def refuse(path, mode="r", *arguments, **options):
        if mode != "r":
            raise OSError(errno.EROFS, "Read-only file system")
        return opened(path, mode, *arguments, **options)

    opened = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    status, text = check(capsys, root, cache=tmp_path / "kept")
    assert (status, decoded) == (0, [])
    assert "5 of them verified before" in text


def test_threads_add_to_the_cache_without_losing_a_line(tmp_path):
    stamps = [f"{index:032x}" for index in range(400)]
    with Verified(tmp_path, "a:/b c") as verified:
        threads = [
            threading.Thread(target=lambda part=part: [*map(verified.add, stamps[part::4])]) for part in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Verified(tmp_path, "a:/b c") as verified:
        assert all(stamp in verified for stamp in stamps)
    assert [path.name for path in (tmp_path / "verified").iterdir()] == ["a__b_c.txt"]


# Ctrl-C comes while this image is decoded, the 31st of 101, and its decoding waits until the main thread has seen it.
INTERRUPTING = "00030"
PROGRAM = f"""
import os, signal, threading
from functools import partial
from benchmarks.registry import DATASETS, Entry
from tests.benchmarks.data import toys as data_toys
class Interrupting(data_toys.Photos):
    def image(self, image_id, size):
        if image_id == "{INTERRUPTING}":
            os.kill(os.getpid(), signal.SIGINT)
            GATE.wait()
        return super().image(image_id, size)
GATE = threading.Event()
def interrupt(number, frame):
    GATE.set()
    signal.default_int_handler(number, frame)
signal.signal(signal.SIGINT, interrupt)
card = data_toys.card("toy_many", {{"fit": 100, "regress": 100, "test": 1}})
data_toys.INTERRUPTING = partial(Interrupting, card)
DATASETS.entries["toy_many"] = Entry("toy_many", "tests.benchmarks.data.toys:INTERRUPTING", "", "the tests")
from benchmarks.cli import main
main()
"""


@pytest.mark.usefixtures("interruptible")
def test_interrupted_it_goes_on_where_it_stopped(tmp_path, repository, capsys, monkeypatch):
    counts: dict[Split, int] = {"fit": 100, "regress": 100, "test": 1}
    data_toys.write_photos(tmp_path, counts, side=4)
    options = ["--data-root", str(tmp_path), "--cache", str(tmp_path / "cache"), "--workers", "2"]
    command = [sys.executable, "-c", PROGRAM, "data", "verify", "toy_many", *options]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip().splitlines()[-1] == (
        "interrupted: the same command continues after the images verified so far"
    )
    kept = len((tmp_path / "cache/verified/toy_many.txt").read_bytes().split())
    at_hand = 2 * AHEAD  # images already given to the two workers, which are finished
    assert 30 <= kept <= 31 + at_hand < 101
    data_toys.register(monkeypatch, "toy_many", counts=counts)
    assert (
        f"101 of 101 decode, {kept} of them verified before"
        in check(capsys, tmp_path, "toy_many", cache=tmp_path / "cache")[1]
    )


class Counted(np.ndarray):
    """An image that knows how many of its kind there are."""

    alive, most = 0, 0

    def __array_finalize__(self, _):
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self):
        Counted.alive -= 1


def test_twenty_thousand_images_are_indexed_and_never_held(tmp_path, monkeypatch, capsys):
    counts: dict[Split, int] = {"fit": 19_000, "regress": 19_000, "test": 1_000}
    data_toys.register(monkeypatch, "toy_photos", counts=counts)
    folder = tmp_path / "photos"
    (folder / "img").mkdir(parents=True)
    names = [f"{index:05d}" for index in range(20_000)]
    (folder / "fit.txt").write_text("".join(f"{name} 0.25\n" for name in names[:19_000]))
    (folder / "test.txt").write_text("".join(f"{name} 0.25\n" for name in names[19_000:]))
    (folder / "img" / "00000.png").touch()
    monkeypatch.setattr(data_toys.Photos, "image", lambda *_: Counted((4, 4, 3), np.uint8))
    monkeypatch.setattr(data_toys.Photos, "path", lambda self, image_id: self.folder / "fit.txt")
    dataset = open_dataset("toy_photos", tmp_path)
    assert {split: len(dataset.split(split)) for split in counts} == counts
    status, text = check(capsys, tmp_path, workers=2)
    assert status == 0
    assert "20000 of 20000 decode" in text
    assert Counted.most <= 10


def test_images_are_given_out_a_few_at_a_time():
    given = 0

    def ids():
        nonlocal given
        for given in range(1, 101):
            yield str(given)

    with ThreadPoolExecutor(2) as pool:
        for done, result in enumerate(in_order(pool, lambda image_id: (image_id, False), ids(), ahead=8), start=1):
            assert result == (str(done), False)
            assert given <= done + 8
    assert (given, done) == (100, 100)
