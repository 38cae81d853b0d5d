"""A toy dataset on disk, for the tests of the data commands, and the command line in this process."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks.cli import main
from tests.benchmarks.data import toys as data_toys
from tests.benchmarks.run.toy_process import toy_command

HEAVY = [
    "torch",
    "diffusers",
    "transformers",
    "mlflow",
    "matplotlib",
    "pandas",
    "pyarrow",
    "scipy",
    "pooch",
    "requests",
]


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
def command(monkeypatch, capsys):
    """Run the command line in this process, without a data root; gives exit status, stdout and stderr."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


@pytest.fixture
def call(toys, tmp_path, monkeypatch, command):
    """As ``command``, with the toy plugins, in ``tmp_path`` and with the data root ``tmp_path / "data"``."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("KEYPOINTS_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return command


@pytest.fixture
def heavy_modules(repository):
    """Run command lines one after another in a new interpreter; gives the heavy modules imported after each."""
    code = (
        "import json, sys\n"
        "from contextlib import redirect_stdout\n"
        "from io import StringIO\n"
        "from benchmarks.cli import main\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    sys.argv = ['benchmarks', *line]\n"
        "    try:\n"
        "        with redirect_stdout(StringIO()):\n"
        "            main()\n"
        "    except SystemExit as ended:\n"
        "        assert not ended.code, line\n"
        f"    print(json.dumps([line, [name for name in {HEAVY} if name in sys.modules]]))\n"
    )

    def run(*lines):
        environment = {name: value for name, value in os.environ.items() if name != "KEYPOINTS_DATA_ROOT"}
        command = [sys.executable, "-c", code, json.dumps(lines)]
        done = subprocess.run(
            command, cwd=repository, capture_output=True, text=True, check=False, timeout=600, env=environment
        )
        assert done.returncode == 0, done.stderr
        return [(" ".join(line), heavy) for line, heavy in map(json.loads, done.stdout.splitlines())]

    return run


@pytest.fixture
def run_toy(toys, command, repository):
    """Run a toy method on a toy task in this process, on what is in a folder; gives exit status, stdout and stderr."""

    def run(folder, *options, **names):
        toys.CALLS.clear()
        status, out, err = command(*toy_command(repository, folder, *options, **names)[4:])
        return SimpleNamespace(status=status, out=out, err=err)

    return run
