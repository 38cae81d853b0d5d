"""Files that are written whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.files import cannot_write, replacing, write_atomically, write_together
from leaderboard.process import this_process


def test_a_reader_sees_the_old_text_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a" / "table.md"
    write_atomically(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.md"
    write_atomically(path, "old")

    def broken():
        with replacing(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LeaderboardError, match="cannot write .*file/table.md"):
        write_atomically(tmp_path / "file" / "table.md", "text")


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def three(tmp_path):
    """Three new texts for a folder that has two of the files."""
    for name in "ab":
        (tmp_path / name).write_text(f"old {name}")
    return {tmp_path / name: f"new {name}" for name in "abc"}


def test_several_files_change_together(tmp_path, three):
    write_together(three)
    assert content(tmp_path) == {name: f"new {name}" for name in "abc"}
    write_together({})


@pytest.mark.parametrize("function", ["write_text", "replace", "exists"])
@pytest.mark.parametrize(
    ("error", "lasting"), [(OSError(28, "full"), True), (OSError(28, "full"), False), (KeyboardInterrupt(), False)]
)
def test_an_error_at_any_step_leaves_all_files_as_they_were(tmp_path, three, monkeypatch, function, error, lasting):
    before = content(tmp_path)
    for last in range(3):
        calls = iter(range(100))
        whole = getattr(Path, function)

        def broken(path, *arguments, calls=calls, whole=whole, last=last, **options):
            number = next(calls)
            if number == last or (lasting and function == "replace" and number > last):
                raise error
            return whole(path, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, function, broken)
            with pytest.raises(LeaderboardError if isinstance(error, OSError) else KeyboardInterrupt) as raised:
                write_together(three)
        assert content(tmp_path) == before
        if isinstance(error, OSError):
            assert str(raised.value).endswith("full; nothing changed")


@pytest.fixture
def ended():
    """The name of a process of this machine that has ended."""
    code = "from leaderboard.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("write", [write_atomically, lambda path, text: write_together({path: text})])
def test_what_a_killed_writer_left_beside_a_file_is_removed(tmp_path, ended, write):
    path = tmp_path / "a[b].md"
    left = [f".a[b].md.{ended}.partial", f".a[b].md.{ended}.old", ".a[b].md.00000000-1-1.partial"]
    stays = [f".x.md.{this_process()}.partial", f".ab.md.{ended}.partial", ".a[b].md.00000000-1-2.partial", "old"]
    for name in [*left, *stays]:
        (tmp_path / name).write_text("half")
    os.utime(tmp_path / left[-1], (0, 0))  # of another machine, long ago
    write(path, "new")
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *stays}
    assert path.read_text() == "new"


def test_an_error_names_the_file_and_the_cure(tmp_path):
    path = tmp_path / "table.md"

    def full():
        with replacing(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as error:
        full()
    assert error.value.filename == str(path)
    expected = f"cannot write {path}: No space left on device; make room, then run the same command again"
    assert cannot_write(path, error.value) == expected
    assert "make it writable" in cannot_write(path, OSError(errno.EROFS, "x"))
