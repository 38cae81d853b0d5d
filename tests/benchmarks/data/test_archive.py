"""Archives: what is whole and harmless is unpacked, of all else nothing is left behind."""

import os
import stat
import tarfile
from pathlib import Path

import pytest

from benchmarks.data.archive import unpack
from benchmarks.errors import UserError
from tests.benchmarks.data.toys import archived, write_tar


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def photos(tmp_path) -> dict[str, bytes]:
    """The files of a sound dataset by their names in an archive."""
    return archived(tmp_path / "made")


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


EVIL: dict[str, dict[str, bytes | tarfile.TarInfo]] = {
    "traversal": {"photos/../../outside": b"evil"},
    "symlink out": {"photos/img/evil": special(tarfile.SYMTYPE, "../../../outside")},
    "symlink to a root": {"photos/img/evil": special(tarfile.SYMTYPE, "/etc")},
    "hard link out": {"photos/img/evil": special(tarfile.LNKTYPE, "../victim")},
    "device": {"photos/img/evil": special(tarfile.CHRTYPE)},
    "pipe": {"photos/img/evil": special(tarfile.FIFOTYPE)},
    "a file through a link": {"photos/door": special(tarfile.SYMTYPE, "/tmp"), "photos/door/evil": b"evil"},
    "a file below a file": {"photos/fit.txt/below": b""},
}


def unpacked(path: Path, folder: Path) -> None:
    unpack(path, "photos", folder / "photos", folder / "photos.old", lambda *_: None)


def refuses(made: Path, folder: Path, message: str) -> None:
    """Unpacking is refused in one line that names the archive, and leaves all folders as they were."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(UserError, match=message) as error:
        unpacked(made, folder)
    assert str(made) in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(folder.parent.rglob("*")) == before


@pytest.mark.parametrize("evil", EVIL)
def test_what_does_not_belong_in_an_archive_is_refused(root, photos, tmp_path, evil):
    made = write_tar(tmp_path / "evil.tgz", {**photos, **EVIL[evil]})
    refuses(made, root, rf"cannot unpack \S+ to {root}/photos: .*; nothing was unpacked, download the original archive")


@pytest.mark.parametrize("name", ["../outside", "/photos/outside", "other/file", "photos/../outside"])
def test_what_lies_beside_the_folder_is_left_there(root, photos, tmp_path, name):
    unpacked(write_tar(tmp_path / "made.tgz", {**photos, name: b"beside"}), root)
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert found == set(photos)
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("members", [{"birds/fit.txt": b""}, {"photos": b"a file"}, {}])
def test_another_archive_is_refused(root, tmp_path, members):
    refuses(write_tar(tmp_path / "other.tgz", members), root, "holds no folder 'photos'; nothing was unpacked")


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_archive_is_refused(root, photos, tmp_path, part):
    whole = write_tar(tmp_path / "cut.tgz", {**photos, "photos/img/last.png": os.urandom(40_000)})
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * part)])
    refuses(whole, root, "cannot unpack .*; nothing was unpacked, download the original archive")


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 nor this"])
def test_what_is_no_archive_is_refused(root, tmp_path, content):
    path = tmp_path / "none.tgz"
    path.write_bytes(content)
    refuses(path, root, "cannot unpack .*; nothing was unpacked")


def test_files_are_the_users_own_and_nobody_elses_to_write(root, photos, tmp_path):
    info = tarfile.TarInfo()
    info.mode, info.uid = 0o6777, 12345
    unpacked(write_tar(tmp_path / "made.tgz", {"photos/tool": info, **photos}), root)
    state = (root / "photos/tool").stat()
    assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)
    assert state.st_uid == os.getuid()


def test_without_the_filters_of_tarfile_nothing_is_unpacked(root, photos, tmp_path, monkeypatch):
    made = write_tar(tmp_path / "made.tgz", photos)
    monkeypatch.delattr(tarfile, "data_filter")
    refuses(made, root, "lacks tarfile's filters; use Python 3.11.4 or newer, or unpack its folder")
