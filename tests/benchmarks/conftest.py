"""A toy dataset on disk, for the tests of the data commands, and the command line in this process."""

import sys

import pytest

from benchmarks.cli import main
from tests.benchmarks.data import toys as data_toys


@pytest.fixture
def own_cache(monkeypatch, tmp_path_factory):
    """No data root of the user's, and a cache folder of the test's own."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A data root with the photographs of toy_photos, which is registered."""
    data_toys.register(monkeypatch, "toy_photos")
    data_toys.write_photos(tmp_path)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The ids that are decoded."""
    ids = []
    original = data_toys.Photos.image

    def image(self, image_id, size):
        ids.append(image_id)
        return original(self, image_id, size)

    monkeypatch.setattr(data_toys.Photos, "image", image)
    return ids


@pytest.fixture
def call(toys, tmp_path, monkeypatch, capsys):
    """Run the command line in this process; gives exit status, stdout and stderr."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("KEYPOINTS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run
