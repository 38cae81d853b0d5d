"""Archives: what is whole and harmless is unpacked, all else is refused before anything is written."""

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from benchmarks.data.archive import unpack
from benchmarks.errors import UserError
from tests.benchmarks.data_toys import archived, write_tar, write_zip


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


EVIL_NAMES = {
    "traversal": ("photos/../../outside", "leads out of the folder"),
    "traversal at the start": ("../outside", "leads out of the folder"),
    "absolute": ("/tmp/outside", "is not a relative name"),
    "drive": ("C:/outside", "is not a relative name"),
    "backslashes": ("photos\\..\\..\\outside", "is not a relative name"),
}
EVIL_KINDS = {
    "symlink out": special(tarfile.SYMTYPE, "../../outside"),
    "symlink to a root": special(tarfile.SYMTYPE, "/etc"),
    "symlink within": special(tarfile.SYMTYPE, "fit.txt"),
    "hard link": special(tarfile.LNKTYPE, "photos/fit.txt"),
    "device": special(tarfile.CHRTYPE),
    "pipe": special(tarfile.FIFOTYPE),
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


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("evil", EVIL_NAMES)
def test_names_that_leave_the_folder_are_refused(root, photos, tmp_path, kind, evil):
    name, message = EVIL_NAMES[evil]
    write = write_zip if kind == "zip" else write_tar
    made = write(tmp_path / f"evil.{kind}", {**photos, name: b"evil"})
    refuses(made, root, message)
    assert not Path("/tmp/outside").exists()


@pytest.mark.parametrize("evil", EVIL_KINDS)
def test_links_and_devices_are_refused(root, photos, tmp_path, evil):
    made = write_tar(tmp_path / "evil.tgz", {**photos, "photos/img/evil": EVIL_KINDS[evil]})
    refuses(made, root, "'photos/img/evil' is (a link|no plain file); nothing was unpacked")


def test_a_file_through_a_link_to_the_outside_is_refused(root, photos, tmp_path):
    (tmp_path / "victim").mkdir()
    link = special(tarfile.SYMTYPE, str(tmp_path / "victim"))
    made = write_tar(tmp_path / "evil.tgz", {**photos, "photos/door": link, "photos/door/evil": b"evil"})
    refuses(made, root, "'photos/door' is a link")
    modes = {"photos/door": stat.S_IFLNK | 0o777}
    made = write_zip(tmp_path / "evil.zip", {**photos, "photos/door": b"/tmp", "photos/door/evil": b"evil"}, modes)
    refuses(made, root, "'photos/door' is a link")


def test_a_special_file_in_a_zip_is_refused(root, photos, tmp_path):
    modes = {"photos/evil": stat.S_IFIFO | 0o600}
    refuses(write_zip(tmp_path / "evil.zip", {**photos, "photos/evil": b""}, modes), root, "is no plain file")


def test_an_encrypted_zip_is_refused(root, photos, tmp_path):
    made = write_zip(tmp_path / "locked.zip", photos)
    content = bytearray(made.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    made.write_bytes(bytes(content))
    refuses(made, root, "is encrypted")


def test_a_name_that_is_there_twice_is_refused(root, photos, tmp_path):
    made = tmp_path / "twice.tar"
    with tarfile.open(made, "w") as file:
        for name, content in [*photos.items(), ("photos/fit.txt", b"other")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    refuses(made, root, "'photos/fit.txt' is there twice")


def test_another_archive_is_refused(root, photos, tmp_path):
    made = write_tar(tmp_path / "other.tgz", {"birds/fit.txt": b"", "photos": b"a file"})
    refuses(made, root, "holds no folder 'photos'; nothing was unpacked")


@pytest.mark.parametrize("kind", ["tgz", "tar", "zip"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_archive_is_refused(root, photos, tmp_path, kind, part):
    whole = tmp_path / f"cut.{kind}"
    members = {**photos, "photos/img/last.png": os.urandom(40_000)}
    if kind == "zip":
        write_zip(whole, members)
    else:
        write_tar(whole, members, kind == "tgz")
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * part)])
    refuses(whole, root, "is not a whole tar or zip archive: .*; get it again")


def test_a_damaged_file_in_an_archive_is_refused(root, photos, tmp_path):
    made = write_zip(tmp_path / "bent.zip", photos)
    content = bytearray(made.read_bytes())
    place = content.index(b"00000 0.25")
    content[place] ^= 1
    made.write_bytes(bytes(content))
    refuses(made, root, "is not a whole tar or zip archive: Bad CRC-32")


def test_files_are_made_by_the_users_own_rules(root, photos, tmp_path):
    info = tarfile.TarInfo()
    info.mode, info.uid = 0o6777, 12345
    made = write_tar(tmp_path / "made.tgz", {"photos/tool": info, **photos})
    unpacked(made, root)
    mode = (root / "photos/tool").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_IXUSR)
    assert (root / "photos/tool").stat().st_uid == os.getuid()
