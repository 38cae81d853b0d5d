"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.files import replacing, write_atomically, write_together


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
