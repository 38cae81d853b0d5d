"""``data fetch``: a sound archive is unpacked, by download or at hand, and everything else leaves nothing behind."""

import hashlib
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.data import archive as archive_module
from benchmarks.data.fetch import fetch
from benchmarks.errors import UserError
from tests.benchmarks.data import toys as data_toys

QUOTA = b"""<!DOCTYPE html><html><head><title>Google Drive - Quota
exceeded</title></head><body>Sorry</body></html>"""
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def photos(tmp_path) -> dict[str, bytes]:
    """The files of a sound dataset by their names in an archive."""
    return data_toys.archived(tmp_path / "made")


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def serve():
    """Serves bytes on loopback; gives the address, and the paths that were asked for."""
    servers = []

    def start(content: bytes, status: int = 200, length: int | None = None) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(length or len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/files/photos.tgz?download=1", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def offer(monkeypatch, url: str, digest: str) -> None:
    data_toys.register(monkeypatch, "toy_free", archive=data_toys.archive(url, digest))


def refused(match: str, *arguments, **options) -> None:
    with pytest.raises(UserError, match=match) as error:
        fetch("toy_free", *arguments, **options)
    assert "\n" not in str(error.value)


# What works.


def test_download_unpack_and_nothing_the_second_time(root, photos, serve, monkeypatch, capsys, tmp_path):
    made = data_toys.write_tar(tmp_path / "made.tgz", {"./attributes.txt": b"beside", **photos})
    url, asked = serve(made.read_bytes())
    offer(monkeypatch, url, sha256(made))
    assert fetch("toy_free", root) == 0
    assert f"{root}/photos is unpacked from {root}/photos.tgz, which is no longer needed" in capsys.readouterr().out
    assert {path.name for path in root.iterdir()} == {"photos", "photos.tgz"}
    for name, content in photos.items():
        assert (root / name).read_bytes() == content
    assert fetch("toy_free", root) == 0
    assert "toy_free is complete, nothing to fetch" in capsys.readouterr().out
    assert asked == ["/files/photos.tgz?download=1"]


def test_a_download_that_is_complete_is_not_repeated(root, photos, serve, monkeypatch, tmp_path):
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    url, asked = serve(made.read_bytes())
    offer(monkeypatch, url, sha256(made))
    (root / "photos.tgz").write_bytes(made.read_bytes())
    assert fetch("toy_free", root) == 0
    assert asked == []


def test_an_archive_at_hand(root, photos, monkeypatch, tmp_path):
    made = data_toys.write_tar(tmp_path / "any name.tgz", photos)
    offer(monkeypatch, "http://127.0.0.1:9/never-asked.tgz", sha256(made))
    assert fetch("toy_free", root, made) == 0
    assert made.exists()
    assert [path.name for path in root.iterdir()] == ["photos"]


def test_replace_puts_a_folder_aside(root, photos, monkeypatch, tmp_path, capsys):
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    offer(monkeypatch, "http://127.0.0.1:9/", sha256(made))
    (root / "photos").mkdir()
    (root / "photos/mine.txt").write_text("precious")
    refused(f"toy_free: no .*; {root}/photos was not changed; --replace moves it to photos.old", root, made)
    assert (root / "photos/mine.txt").read_text() == "precious"
    assert fetch("toy_free", root, made, replace=True) == 0
    assert (root / "photos.old/mine.txt").read_text() == "precious"
    assert (root / "photos/fit.txt").exists() and not (root / "photos/mine.txt").exists()
    refused(f"{root}/photos.old exists already, so .* cannot be moved there", root, made, replace=True)


def test_replace_with_a_bad_archive_leaves_the_folder_where_it_is(root, monkeypatch, tmp_path):
    made = data_toys.write_tar(tmp_path / "made.tgz", {"photos/../../x": b""})
    offer(monkeypatch, "http://127.0.0.1:9/", sha256(made))
    (root / "photos").mkdir()
    refused("cannot unpack .* outside the destination.*; nothing was unpacked", root, made, replace=True)
    assert [path.name for path in root.iterdir()] == ["photos"]


def test_an_archive_that_lacks_files_is_unpacked_and_said_to_lack_them(root, photos, monkeypatch, tmp_path, capsys):
    del photos["photos/test.txt"]
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    offer(monkeypatch, "http://127.0.0.1:9/", sha256(made))
    assert fetch("toy_free", root, made) == 1
    assert f"still missing: toy_free: no {root}/photos/test.txt" in capsys.readouterr().out


def test_what_may_not_be_downloaded_is_said_with_the_tree(root, monkeypatch, capsys):
    data_toys.register(monkeypatch, "toy_bound")
    with pytest.raises(UserError, match="toy_bound has no direct download; follow the instructions above"):
        fetch("toy_bound", root)
    text = capsys.readouterr().out
    for content in ("licence        none needed", "how to get it  make them", "data verify toy_bound"):
        assert content in text
    assert f"files expected under the data root {root}\n  photos/\n    {{fit,test}}.txt\n" in text


def test_what_needs_no_files_is_there(capsys):
    assert fetch("mini_taichi", None) == 0
    assert "mini_taichi is complete, nothing to fetch" in capsys.readouterr().out


# What the server sends, and what is at hand.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (QUOTA, r"is a web page \('Google Drive - Quota exceeded'\), expected an archive"),
        (b"\n  <html><body>log in", "is a web page, expected an archive: the server sent a notice"),
        (POINTER, "is a Git LFS pointer, expected the archive itself"),
        (b"", "is empty, expected an archive"),
        (b"something else", None),
    ],
)
def test_what_is_no_archive_is_named(root, serve, monkeypatch, tmp_path, content, message):
    url, _ = serve(content)
    offer(monkeypatch, url, "a" * 64)
    refused(f"http.*photos.tgz.* {message}" if message else "is not the expected file, nothing was kept: SHA256", root)
    saved = tmp_path / "saved.zip"
    saved.write_bytes(content)
    refused(
        f"saved.zip {message}" if message else f"saved.zip has sha256 [0-9a-f]{{64}}, expected {'a' * 64}", root, saved
    )
    assert list(root.iterdir()) == []


def test_a_server_that_refuses_and_one_that_breaks_off(root, photos, serve, monkeypatch, tmp_path):
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    url, _ = serve(b"gone", status=404)
    offer(monkeypatch, url, sha256(made))
    refused("cannot download http.*: 404 .*; download it in a browser and name it with --from FILE", root)
    url, _ = serve(made.read_bytes()[:2000], length=made.stat().st_size)
    offer(monkeypatch, url, sha256(made))
    refused("cannot download http.*--from FILE", root)
    offer(monkeypatch, "http://127.0.0.1:9/closed.tgz", sha256(made))
    refused("cannot download http://127.0.0.1:9/closed.tgz", root)
    assert list(root.iterdir()) == []


def test_a_disk_that_is_full_is_said_before_anything_is_written(root, photos, serve, monkeypatch, tmp_path):
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    url, _ = serve(made.read_bytes())
    offer(monkeypatch, url, sha256(made))
    monkeypatch.setattr(archive_module, "RESERVE", 1 << 60)
    refused("has .* GB free, expected .* GB for the files; make room", root)
    refused("has .* GB free, expected .* GB for the files; make room", root, made)
    assert list(root.iterdir()) == []


def test_mistakes_with_names_and_folders(root, monkeypatch, tmp_path):
    offer(monkeypatch, "http://127.0.0.1:9/", "a" * 64)
    refused("toy_free: no data root to unpack it into; name a folder with --data-root or KEYPOINTS_DATA_ROOT", None)
    refused("data root .*nowhere .* is not a folder", tmp_path / "nowhere")
    refused(
        "no file .*nothing.tgz .from --from.; name the archive downloaded from http", root, tmp_path / "nothing.tgz"
    )
    with pytest.raises(UserError, match="unknown dataset 'toy_fre'; did you mean 'toy_free'"):
        fetch("toy_fre", root)


def test_a_file_at_hand_is_looked_at_whatever_is_there(root, photos, monkeypatch, tmp_path):
    data_toys.register(monkeypatch, "toy_bound")
    offer(monkeypatch, "http://127.0.0.1:9/", "a" * 64)
    data_toys.write_photos(root)
    absent = tmp_path / "nosuch.zip"
    refused(f"no file {absent} .from --from.; name the archive downloaded from http", root, absent)
    for name in ("toy_bound", "mini_taichi"):
        with pytest.raises(UserError, match=f"{name} has no archive for --from"):
            fetch(name, root, absent)


def test_a_disk_that_fills_up_is_one_line(root, photos, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    offer(monkeypatch, "http://127.0.0.1:9/", sha256(made))
    monkeypatch.setattr(tarfile.TarFile, "makefile", refuse)
    refused(f"cannot unpack {made} to {root}/photos: .*No space left on device; nothing was unpacked", root, made)
    assert list(root.iterdir()) == []


def test_a_root_that_cannot_be_written_to(root, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    offer(monkeypatch, "http://127.0.0.1:9/", "a" * 64)
    monkeypatch.setattr("benchmarks.data.fetch.tempfile.TemporaryFile", refuse)
    refused(f"cannot write to data root {root}: Permission denied; name another folder", root)


def test_interrupted_it_leaves_nothing(root, photos, monkeypatch, tmp_path, capsys):
    made = data_toys.write_tar(tmp_path / "made.tgz", photos)
    offer(monkeypatch, "http://127.0.0.1:9/", sha256(made))

    def press(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tarfile.TarFile, "makefile", press)
    assert fetch("toy_free", root, made) == 130
    assert f"interrupted: {root}/photos was not created" in capsys.readouterr().err
    assert list(root.iterdir()) == []
