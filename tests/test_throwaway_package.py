"""A method of a package that this repository knows nothing of runs, passes, and gets its row."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from benchmarks.scaffold.write import into_package


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder that the package is installed in, by pip, from what ``new-method --package`` writes."""
    if not (importlib.util.find_spec("pip") and importlib.util.find_spec("setuptools")):
        pytest.skip("pip and setuptools are needed to install a package")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    into_package("throwaway", source)
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def command(packages):
    """Runs the command line where the package is installed; gives its standard output."""

    def call(*arguments):
        environment = {name: value for name, value in os.environ.items() if name != "KEYPOINTS_DATA_ROOT"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, "PYTHONPATH": str(packages)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


@pytest.mark.slow
def test_it_runs_and_ranks_without_a_change_to_the_repository(repository, command, tmp_path):
    assert "throwaway" not in (repository / "methods" / "__init__.py").read_text()
    runs = tmp_path / "runs"
    command("run", "--profile", "mini", "--task", "cub_001", "--method", "throwaway", "--no-mlflow", "--output", runs)
    board = ("leaderboard", "--runs", runs, "--profile", "mini", "--task", "cub_001")
    measured = [row for row in json.loads(command(*board, "--format", "json")) if row["kind"] == "trained"]
    values = {row["label"]: row["value"] for row in measured}
    assert set(values) == {"Throwaway", "Image centre", "Mean pose (constant grid)", "Random points"}
    assert values["Throwaway"] < values["Random points"]
    lines = command(*board).splitlines()
    place = {label: index for index, line in enumerate(lines) for label in values if line.startswith(f"| {label} ")}
    assert place["Throwaway"] < place["Random points"]
    assert not list((repository / "methods").rglob("*throwaway*"))
    assert not list((repository / "runs").glob("cells/throwaway*"))


def test_it_is_listed_with_its_owner(command):
    assert "from package keypoints-throwaway 0.1.0" in command("list", "methods")
    assert "centres of the K colours" in command("describe", "throwaway")


def test_without_the_package_there_is_no_such_method(repository):
    from benchmarks.registry import METHODS

    assert "throwaway" not in METHODS.entries
