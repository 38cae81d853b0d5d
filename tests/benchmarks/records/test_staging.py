"""Folders that replace others: none is lost, none is seen half, and what killed processes left is removed."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmarks.records import staging
from benchmarks.records.staging import Staging, exchanged
from leaderboard.files import DAY
from leaderboard.process import this_process

CHILD = """
import os, sys, time
from leaderboard.process import this_process
print(this_process(), flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(params=["exchange", "claim"])
def kind(request, monkeypatch):
    """A filesystem that can exchange two names, and one that cannot."""
    if request.param == "claim":
        monkeypatch.setattr(staging, "exchanged", lambda one, other: False)
    return request.param


@pytest.fixture
def ended():
    """The name of a process of this machine that has ended."""
    return subprocess.run([sys.executable, "-c", CHILD, "0"], capture_output=True, text=True, check=True).stdout.strip()


def put(output, text, name="a", keeps=lambda old: False):
    """Replace a folder by one with two files of this text."""
    with Staging(output).filled(output / "cells" / name, keeps) as filling:
        for file in ("first", "second"):
            (filling / file).write_text(text)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_folder_is_made_and_replaced_and_nothing_is_left(tmp_path, kind):
    for text in ("one", "two", "three"):
        put(tmp_path, text)
        assert content(tmp_path / "cells" / "a") == {"first": text, "second": text}
    assert not list((tmp_path / "staging").iterdir())


@pytest.mark.parametrize("there", ["a file", "a link", "an empty folder"])
def test_whatever_is_in_place_is_replaced(tmp_path, kind, there):
    place = tmp_path / "cells" / "a"
    place.parent.mkdir()
    if there == "a file":
        place.write_text("x")
    elif there == "a link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
    put(tmp_path, "new")
    assert content(place) == {"first": "new", "second": "new"}
    assert not list((tmp_path / "staging").iterdir())
    assert tmp_path.is_dir()


def test_an_error_leaves_the_folder_as_it_was(tmp_path, kind):
    put(tmp_path, "old")

    def broken():
        with Staging(tmp_path).filled(tmp_path / "cells" / "a") as filling:
            (filling / "first").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert content(tmp_path / "cells" / "a") == {"first": "old", "second": "old"}
    assert not list((tmp_path / "staging").iterdir())


def test_a_stop_between_two_renames_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "exchanged", lambda one, other: False)
    put(tmp_path, "old")
    rename = Path.rename

    def stopped(self, target):
        rename(self, target)
        if str(target).endswith(".old"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stopped)
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, "new")
    assert content(tmp_path / "cells" / "a") == {"first": "new", "second": "new"}
    assert not list((tmp_path / "staging").iterdir())


def test_a_folder_that_is_to_be_kept_stays(tmp_path, kind):
    put(tmp_path, "good")
    put(tmp_path, "bad", keeps=lambda old: (old / "first").read_text() == "good")
    assert content(tmp_path / "cells" / "a")["first"] == "good"


def test_a_folder_to_be_kept_that_comes_between_stays_too(tmp_path):
    put(tmp_path, "older")
    answers = iter([False])

    def keeps(old):
        if next(answers, None) is None:
            return (old / "first").read_text() == "good"
        put(tmp_path, "good")  # another process is faster
        return False

    put(tmp_path, "bad", keeps=keeps)
    assert content(tmp_path / "cells" / "a") == {"first": "good", "second": "good"}
    assert not list((tmp_path / "staging").iterdir())


def test_writers_and_readers_at_once_never_fail(tmp_path, kind):
    """Each reader finds a whole folder at every look, where names can be exchanged."""
    errors, over = [], threading.Event()
    put(tmp_path, "0")
    place = tmp_path / "cells" / "a"

    def write(number):
        try:
            for each in range(60):
                put(tmp_path, f"{number}.{each}")
        except BaseException as error:
            errors.append(error)

    def read():
        while not over.is_set():
            try:
                (place / "first").read_text()
            except OSError as error:
                errors.append(error)

    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    reader = threading.Thread(target=read)
    if kind == "exchange":
        reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    if kind == "exchange":
        reader.join()
    assert not errors
    first, second = content(place).values()
    assert first == second
    assert not list((tmp_path / "staging").iterdir())


def test_names_are_exchanged_where_the_system_can(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text(name)
    if not exchanged(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this filesystem cannot")
    assert [(tmp_path / name / "text").read_text() for name in "ab"] == ["b", "a"]
    with pytest.raises(FileNotFoundError):
        exchanged(tmp_path / "a", tmp_path / "none")


def test_what_an_ended_process_left_goes_and_what_a_living_one_has_stays(tmp_path, ended):
    folder = tmp_path / "staging"
    folder.mkdir()
    living = subprocess.Popen([sys.executable, "-c", CHILD, "600"], stdout=subprocess.PIPE, text=True)
    try:
        assert living.stdout is not None
        name = living.stdout.readline().strip()
        for process in (ended, name, this_process()):
            (folder / f"{process}.0a").mkdir()
            (folder / f"{process}.0a" / "file").write_text("x")
        os.utime(folder / f"{name}.0a", (0, 0))  # a long time ago
        Staging(tmp_path).sweep()
        assert {path.name for path in folder.iterdir()} == {f"{name}.0a", f"{this_process()}.0a"}
    finally:
        living.kill()
        living.wait()
    Staging(tmp_path).sweep()
    assert [path.name for path in folder.iterdir()] == [f"{this_process()}.0a"]


@pytest.mark.parametrize("name", ["00000000-1-1.0a", "cell--s0.1a2b3c4d", "0.0", "x"])
def test_what_another_machine_left_goes_after_a_day(tmp_path, name):
    left = tmp_path / "staging" / name
    left.mkdir(parents=True)
    Staging(tmp_path).sweep()
    assert left.exists()
    os.utime(left, (time.time() - DAY - 60,) * 2)
    Staging(tmp_path).sweep()
    assert not left.exists()


def test_a_process_id_that_is_used_again_is_another_process(tmp_path):
    machine, number, started = this_process().split("-")
    left = tmp_path / "staging" / f"{machine}-{number}-{int(started) - 1}.0a"
    left.mkdir(parents=True)
    Staging(tmp_path).sweep()
    assert not left.exists()


def test_a_replacement_that_was_killed_between_two_renames_is_finished(tmp_path, ended):
    folder = tmp_path / "staging"
    put(tmp_path, "new")
    (tmp_path / "cells" / "a").rename(folder / f"{ended}.0a")
    put(tmp_path, "old")
    (tmp_path / "cells" / "a").rename(folder / f"{ended}.0a.old")
    (folder / "0123456789abcdef.claim").write_text(f"{ended}\n{ended}.0a\ncells/a")
    Staging(tmp_path).sweep()
    assert content(tmp_path / "cells" / "a") == {"first": "new", "second": "new"}
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "claim", ["", "{0}", "{0}\n{0}.0a\n../../x", "{0}\n../cells/b\ncells/a", "{0}\n{0}.0a\ncells/.."]
)
def test_a_claim_that_names_anything_else_moves_nothing(tmp_path, ended, claim):
    put(tmp_path, "b", name="b")
    (tmp_path / "staging" / f"{ended}.0a").mkdir()
    path = tmp_path / "staging" / "0123456789abcdef.claim"
    path.write_text(claim.format(ended))
    os.utime(path, (0, 0))
    Staging(tmp_path).sweep()
    assert not list((tmp_path / "staging").iterdir())
    assert [path.name for path in (tmp_path / "cells").iterdir()] == ["b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells", "staging"]


def test_a_claim_of_an_ended_process_does_not_hold_anybody_up(tmp_path, ended, monkeypatch):
    monkeypatch.setattr(staging, "exchanged", lambda one, other: False)
    monkeypatch.setattr(staging, "is_abandoned", lambda path, process: process == ended)
    put(tmp_path, "old")
    held = threading.Event()
    take = Staging._take

    def taking(self, claim, text):
        claim.write_text(f"{ended}\nx\ncells/a")
        take(self, claim, text)
        held.set()

    monkeypatch.setattr(Staging, "_take", taking)
    put(tmp_path, "new")
    assert held.is_set()
    assert content(tmp_path / "cells" / "a")["first"] == "new"
