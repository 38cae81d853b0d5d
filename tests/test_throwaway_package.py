"""Packages that this repository knows nothing of, installed by pip: all that they bring works."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scaffold.kinds import DATASET, METHOD
from benchmarks.scaffold.write import into_package
from leaderboard.load import load_records

TASK = "every_three"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder with the package of tests/plugins/everything, and what ``new-method`` and ``new-dataset`` write."""
    if not (importlib.util.find_spec("pip") and importlib.util.find_spec("setuptools")):
        pytest.skip("pip and setuptools are needed to install a package")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    into_package(METHOD, "throwaway", source / "method")
    into_package(DATASET, "disposable", source / "dataset")
    shutil.copytree(Path(__file__).parent / "plugins" / "everything", source / "everything")
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), *map(str, source.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def command(packages):
    """Runs the command line where the packages are installed; gives its standard output."""

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
        assert not done.stderr, "something is missing, or not as it was"
        return done.stdout

    return call


@pytest.fixture(scope="module")
def runs(command, tmp_path_factory):
    """A run of the package's method on its suites under the mini profile."""
    output = tmp_path_factory.mktemp("everything") / "runs"
    suites = ("--suite", "every_suite", "--suite", "every_ablation", "--set", "every_channel.blur=6")
    where = ("--profile", "mini", "--device", "cpu", "--no-mlflow", "--output", output)
    command("run", "--method", "every_channel", *suites, *where)
    return output


@pytest.mark.slow
def test_the_dataset_is_replaced_by_its_counterpart_and_the_baseline_shares_settings(runs):
    found = [record for record in load_records(runs) if record.variant is None]
    assert {record.task for record in found} == {"every_three", "every_two"}
    records = {record.method: record for record in found if record.task == TASK}
    assert set(records) == {"centre", "grid", "random_points", "every_rolled", "every_channel"}
    assert {record.dataset for record in records.values()} == {"every_synthetic"}
    assert records["every_rolled"].method_config == {"blur": 6}
    free = ["label_free/equivariance", "label_free/closest_pair", "label_free/collapsed"]
    assert [score.protocol for score in records["every_channel"].scores] == ["strict/relative", "strict/side", *free]


@pytest.mark.slow
def test_it_ranks_where_it_belongs(runs, command):
    board = ("leaderboard", "--runs", runs, "--profile", "mini", "--task", TASK, "--format", "json")
    values = {row["label"]: row["value"] for row in json.loads(command(*board))}
    assert values["Channels (blur=6)"] < 3 < values["Rolled channels (blur=6)"]


@pytest.mark.slow
def test_its_ablation_has_a_row(runs, command):
    assert "without blur" in command("leaderboard", "--runs", runs, "--profile", "mini", "--suite", "every_ablation")


@pytest.fixture
def cell(runs):
    """The folder of the method's cell, without ablation."""
    (record,) = (
        record
        for record in load_records(runs)
        if (record.method, record.task, record.variant) == ("every_channel", TASK, None)
    )
    return runs / "cells" / record.cell_id


@pytest.mark.slow
def test_its_fit_is_exported_as_the_method_does(cell, command, tmp_path):
    assert str(tmp_path / "new" / "channels.txt") in command("export", cell, tmp_path / "new")
    assert (tmp_path / "new" / "channels.txt").read_text() == "0 1 2"


@pytest.mark.slow
def test_show_draws_its_pictures_and_finds_its_keypoints_again(cell, command):
    shown = command("show", cell, "--device", "cpu").splitlines()
    assert shown == [str(cell / name) for name in ("attention.png", "choices.png", "losses.png")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("every_channel", "Side in pixels of the box"),
        ("every_squares", "name any folder as data root"),
        ("every_three", "every_synthetic (fit 6, regress 12, test 8)"),
        ("every_ablation", "without blur"),
        ("throwaway", "centres of the K colours"),
        ("disposable", "disposable/landmarks.csv with the columns image"),
    ],
)
def test_describe(command, name, content):
    assert content in command("describe", name)


def test_they_are_listed_with_their_owner(command):
    text = command("list")
    for package in ("everything", "throwaway", "disposable"):
        assert f"from package keypoints-{package} 0.1.0" in text
