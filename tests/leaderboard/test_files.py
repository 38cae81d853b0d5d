"""Files that are written whole or not at all."""

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.files import replacing, write_atomically


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
